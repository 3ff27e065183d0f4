"""Bans set aside for named ranges."""
