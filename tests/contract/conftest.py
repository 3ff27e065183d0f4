"""Every contract test runs on every kind of engine."""

from tests.support.starting import kind, start

__all__ = ["kind", "start"]
