"""What a standard asks of the engine is asked of every kind; what it asks of a node, of a real one."""

from tests.support.starting import authority, kind, node, office, start

__all__ = ["authority", "kind", "node", "office", "start"]
