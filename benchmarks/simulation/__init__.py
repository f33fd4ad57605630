"""Latencies whose true distribution is known, and recorded ones, judged as pytest judges them."""
