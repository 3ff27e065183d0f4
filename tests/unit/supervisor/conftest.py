"""The simulated control plane of the tests of the link."""

from tests.unit.control.conftest import config_for, plane

__all__ = ["config_for", "plane"]
