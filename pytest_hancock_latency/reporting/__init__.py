"""Records in, text out. Renderers are pure; `writer` alone touches the disk."""
