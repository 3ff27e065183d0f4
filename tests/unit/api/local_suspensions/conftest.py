"""The fixture of an enrolled node, shared with the tests of nodes."""

from tests.unit.api.nodes.conftest import machine

__all__ = ["machine"]
