"""The audit log: reading, filtering and exporting acts."""
