"""Convert rows to policies, compile them to snapshots, publish them, and read past policies."""
