"""Revisions of the policy: what each changed, and the way back to one."""
