"""Rate limiting: moving windows that count requests, and the limit that refuses them."""
