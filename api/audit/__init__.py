"""The audit log: reading, filtering and exporting acts; its signed checkpoints, made in time and sent away.

How to verify either lives in `chain`.
"""
