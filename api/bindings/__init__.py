"""Bans that apply in another authority."""
