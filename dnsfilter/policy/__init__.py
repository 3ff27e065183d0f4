"""The rules: who bans what where, and what that means for one query. No I/O and no clock."""
