"""Servers to ask, as the configuration writes them, and the keys of `[upstream]` for encrypted ones."""
