"""Requests to switch a ban off, where an authority wants a second person for that."""
