"""Signed checkpoints of the audit log: made in time, taken to their destinations. How to verify one stands in chain."""
