"""Metrics, logs and health reports."""
