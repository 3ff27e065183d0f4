"""The played control plane of the tests of the link to it."""

from tests.unit.control.conftest import config_for, plane

__all__ = ["config_for", "plane"]
