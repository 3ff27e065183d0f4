"""Notices: what authorities are told by mail."""
