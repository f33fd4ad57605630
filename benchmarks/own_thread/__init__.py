"""Code that computes on the measuring thread and never blocks, and gates for some of it."""
