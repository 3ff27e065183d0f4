"""The enrolled node of the tests of nodes."""

from tests.unit.api.nodes.conftest import machine

__all__ = ["machine"]
