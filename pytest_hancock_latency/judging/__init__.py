"""What judges one run: its limits, its failures, its throughput, from observations or counts."""
