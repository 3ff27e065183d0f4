"""Snapshots on disk: written atomically, verified when read, with older and quarantined ones."""
