"""How verdicts are reached: evidence, and the judges that weigh it."""
