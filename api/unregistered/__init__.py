"""Unregistered networks that sent queries, from reports of nodes: in memory only."""
