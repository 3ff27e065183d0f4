"""Bindings: bans that apply in another authority."""
