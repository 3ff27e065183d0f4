"""Asking other servers: which, when, how often, and which zone goes where."""
