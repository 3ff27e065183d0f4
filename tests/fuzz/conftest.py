"""Every fuzz test runs with every kind of engine."""

from tests.support.starting import kind, start

__all__ = ["kind", "start"]
