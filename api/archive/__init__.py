"""Backup, restore, and the archive that is readable without this program."""
