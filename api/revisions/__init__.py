"""Revisions of the policy: what each changed, and rollback to one."""
