"""The shapes of load: who calls when, and when to stop."""
