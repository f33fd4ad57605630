"""Taking observations. Uses clocks and kernel counters; independent of pytest and files."""
