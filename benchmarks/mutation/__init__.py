"""Small changes to the code, made one at a time to see whether any test notices."""
