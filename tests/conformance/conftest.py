"""What a standard asks of the engine is asked of every kind; what it asks of a node, of a real one."""

from collections.abc import Iterator

import pytest

from tests.support.authority import Knot
from tests.support.nodes import Node
from tests.support.starting import kind, start
from tests.support.zones import OFFICE_ZONES, ZONES

__all__ = ["authority", "kind", "node", "office", "start"]


@pytest.fixture(scope="module")
def authority() -> Iterator[Knot]:
    """A real authoritative server with the zones of public names."""
    with Knot(ZONES) as server:
        yield server


@pytest.fixture(scope="module")
def office() -> Iterator[Knot]:
    """Another one with the zones of an office."""
    with Knot(OFFICE_ZONES) as server:
        yield server


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, authority: Knot, office: Knot) -> Iterator[Node]:
    """A resolver by the example policy, with a conditional zone for the office."""
    zones = f'[[zone]]\nsuffix = "corp.local"\nservers = ["{office.hostport}"]\n'
    with Node(tmp_path_factory.mktemp("node"), authority.hostport, config=zones) as running:
        yield running
