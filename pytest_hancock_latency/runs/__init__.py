"""What speaks about several runs: merged, compared, pooled, in turns, and over time."""
