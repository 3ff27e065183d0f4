"""Prohibited lists: a formal decision about many services, and the bans that it adopts.

Acts on the bans themselves live in `api/bans`, and bindings in `api/bindings`.
"""
