"""Suspensions."""
