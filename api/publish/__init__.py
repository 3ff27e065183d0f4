"""Rows to policy, policy to snapshot; what a policy says of a client."""
