"""Tokens and permissions; no routes."""
