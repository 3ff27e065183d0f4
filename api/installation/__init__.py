"""The installation on this machine: made once, by a command only, and opened at each start.

Its database, keys and snapshots must belong together. The processes are in `api.main`.
"""
