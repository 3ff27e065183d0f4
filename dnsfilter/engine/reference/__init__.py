"""The reference engine: the readable specification of what the compiled one does."""
