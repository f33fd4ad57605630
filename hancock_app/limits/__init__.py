"""Rate limiting: the moving windows that count, and the limit that refuses."""
