"""Kinds of tests whose calls wait for other threads, processes or disks, for `busy_waits.py`."""
