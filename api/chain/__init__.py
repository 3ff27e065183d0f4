"""The hash chain of the audit log: entries, checkpoints, verification of an export. Pure, without the database."""
