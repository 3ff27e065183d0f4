"""The room of the compiled engine, for tests that compare it with the reference's."""

from contextlib import closing
from select import epoll

import pytest

from dnsfilter.config.model import Limits
from dnsfilter.engine.room import Room


def shared_room(limits: Limits) -> Room:
    """The compiled engine's room, without sockets."""
    engine = pytest.importorskip("dnsfilter.engine._engine")
    slots = memoryview(bytearray(8)).cast("Q")
    with closing(epoll()) as poller:
        pending = engine.make_pending([], [], poller.fileno(), [], slots, False, 1, limits, {})
    room: Room = engine.SharedRoom(pending)
    return room
