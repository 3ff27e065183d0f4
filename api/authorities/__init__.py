"""Authorities. Closing and merging them is in `succession`."""
