"""Commands on the control plane itself: audit log, backups, notices, status."""
