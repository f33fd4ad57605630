"""The parts of `benchmarks/soak.py`: load, gates, readings of processes, and the picture."""
