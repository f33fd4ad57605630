"""What a budget means: durations, quantiles, samples, evidence, verdicts, records.

Nothing in here uses a clock, files, the environment, pytest or output.
All latencies are integer nanoseconds.
"""
