"""Answers queries from snapshot, cache and upstreams."""
