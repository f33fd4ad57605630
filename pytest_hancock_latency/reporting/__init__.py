"""Renders records as text. Renderers are pure; only `writer` accesses the disk."""
