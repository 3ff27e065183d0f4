"""The installation on this machine: made once, opened at each start, never made by an accident.

What it consists of, database, keys and snapshots, has to belong together; the processes are in `api.main`.
"""
