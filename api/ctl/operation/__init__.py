"""Commands on the control plane itself: audit, backups, notices, status."""
