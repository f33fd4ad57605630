"""What a budget means: durations, quantiles, samples, evidence, verdicts, records.

Nothing in here knows a clock, a file, the environment, pytest or how to print.
All latencies are integer nanoseconds.
"""
