"""Real servers for the tests of whole programs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.knot import Knot
from tests.support.nodes import Whole
from tests.support.starting import alone, authority, node, office
from tests.unit.api.conftest import backend, kept_plane, kept_town, plane, server, town

__all__ = [
    "alone",
    "authority",
    "backend",
    "fresh_whole",
    "kept_plane",
    "kept_town",
    "node",
    "office",
    "plane",
    "server",
    "town",
    "whole",
]


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
