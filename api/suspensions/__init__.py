"""Suspensions: nothing is refused for some minutes."""
