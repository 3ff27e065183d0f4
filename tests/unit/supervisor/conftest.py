"""The fixtures of a simulated control plane, shared with the tests of `control`."""

from tests.unit.control.conftest import config_for, plane

__all__ = ["config_for", "plane"]
