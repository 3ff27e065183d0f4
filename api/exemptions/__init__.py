"""Exemptions: they remove one ban from named ranges for a time."""
