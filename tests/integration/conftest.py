"""Real servers for the tests of complete programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.knot import Knot
from tests.support.nodes import SingleMachine
from tests.support.starting import alone, authority, node, office
from tests.unit.api.conftest import backend, kept_plane, kept_town, plane, server, town

__all__ = [
    "alone",
    "authority",
    "backend",
    "fresh_machine",
    "kept_plane",
    "kept_town",
    "machine",
    "node",
    "office",
    "plane",
    "server",
    "town",
]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[SingleMachine]:
    """Run resolver and control plane with the example policy."""
    with SingleMachine(tmp_path_factory.mktemp("machine"), authority.hostport) as running:
        yield running


@pytest.fixture
def fresh_machine(tmp_path: Path, authority: Knot) -> Iterator[SingleMachine]:
    """Run resolver and control plane for one test, which may break them."""
    with SingleMachine(tmp_path, authority.hostport) as running:
        yield running
