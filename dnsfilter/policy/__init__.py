"""The rules: which authority bans what and where, and the decision for one query. No I/O and no clock."""
