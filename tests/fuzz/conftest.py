"""Every kind of engine is fuzzed."""

from tests.support.starting import kind, start

__all__ = ["kind", "start"]
