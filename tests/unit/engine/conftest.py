"""The rooms of both engines."""

from collections.abc import Callable

import pytest

from dnsfilter.engine.room import OwnRoom, Room
from tests.support.engines import KINDS
from tests.unit.engine.rooms import shared_room

ROOMS: dict[str, Callable[..., Room]] = {"reference": OwnRoom, "compiled": shared_room}


@pytest.fixture(params=KINDS)
def make_room(request: pytest.FixtureRequest) -> Callable[..., Room]:
    """Makes a room of that kind of engine, by its `Limits`."""
    return ROOMS[request.param]
