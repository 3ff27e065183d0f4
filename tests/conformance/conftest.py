"""Fixtures of the conformance tests. Engine tests run on every kind of engine; node tests run a real node."""

from tests.support.starting import authority, kind, node, office, start

__all__ = ["authority", "kind", "node", "office", "start"]
