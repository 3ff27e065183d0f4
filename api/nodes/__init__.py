"""Nodes: registered, enrolled, given snapshots, and what they report."""
