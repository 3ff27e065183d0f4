"""Suspensions, the emergency switch: nothing is refused for some minutes."""
