"""A suite of thirty gates that `benchmarks/sensitivity.py` slows down."""
