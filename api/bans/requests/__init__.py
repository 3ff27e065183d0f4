"""Requests to switch a ban off, for authorities that require an approver for that."""
