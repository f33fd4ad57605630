"""The addresses, one module per concern."""
