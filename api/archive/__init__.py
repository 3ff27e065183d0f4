"""Backup and restore, and the archive that can be read without this program."""
