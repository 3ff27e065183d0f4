"""The hash chain of the audit log: entries, checkpoints, verification of an export. Pure: no database, no files."""
