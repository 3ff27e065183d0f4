"""Fixtures: a node that counts queries of ranges."""

from tests.unit.api.node_api.conftest import machine
from tests.unit.api.usage.conftest import node

__all__ = ["machine", "node"]
