"""Real servers for the tests of whole programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.authority import Knot
from tests.support.nodes import Node, Whole
from tests.support.zones import OFFICE_ZONES, ZONES


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
def running_node(tmp_path_factory: pytest.TempPathFactory, authority: Knot, office: Knot) -> Iterator[Node]:
    """A resolver by the example policy, with a conditional zone for the office."""
    zones = f'[[zone]]\nsuffix = "corp.local"\nservers = ["{office.hostport}"]\n'
    with Node(tmp_path_factory.mktemp("node"), authority.hostport, config=zones) as node:
        yield node


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[Whole]:
    """Resolver and control plane with the example policy."""
    with Whole(tmp_path_factory.mktemp("whole"), authority.hostport) as running:
        yield running


@pytest.fixture
def fresh_whole(tmp_path: Path, authority: Knot) -> Iterator[Whole]:
    """The same for one test alone, which may break it."""
    with Whole(tmp_path, authority.hostport) as running:
        yield running
