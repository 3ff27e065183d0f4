"""Signed catalogue updates between releases: loading one, and which catalogue is in force."""
