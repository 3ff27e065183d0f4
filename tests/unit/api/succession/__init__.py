"""Closing and merging authorities."""
