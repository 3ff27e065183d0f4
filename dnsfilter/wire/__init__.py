"""Bytes to values and back: names, queries, replies. No I/O and no clock."""
