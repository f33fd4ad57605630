"""Shapes of load: when requests are made, by which caller, and when to stop."""
