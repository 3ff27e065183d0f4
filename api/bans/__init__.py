"""Bans: their terms, their mode, and their state. What binds other authorities to them is in `bindings`."""
