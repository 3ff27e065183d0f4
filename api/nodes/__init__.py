"""Nodes: registered by accounts, and asking with their own tokens (`node_api.py`); what they reported.

Their counts of queries live in `usage`, their captures in `captures`.
"""
