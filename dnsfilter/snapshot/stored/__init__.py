"""Snapshots on disk: published atomically, verified when read, older ones and quarantined ones."""
