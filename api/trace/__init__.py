"""Trace a past answer back to the formal decision behind it."""
