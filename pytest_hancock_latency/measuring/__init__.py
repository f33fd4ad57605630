"""How observations are taken. Knows clocks and counters; knows nothing of pytest or files."""
