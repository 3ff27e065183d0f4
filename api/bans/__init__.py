"""Bans, their terms and the toggle."""
