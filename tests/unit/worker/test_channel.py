"""Messages and descriptors between supervisor and worker."""

import os
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnsfilter.engine.interface import Captured, CapturedQuery
from dnsfilter.engine.pending_names import MOST_TAKEN as MOST_PENDING
from dnsfilter.engine.pending_names import PendingCount
from dnsfilter.engine.range_counts import MOST_TAKEN
from dnsfilter.engine.refused_clients import MOST_REFUSED, RefusedClient
from dnsfilter.engine.slow_path.recorder import QUERY_BYTES, ROOM
from dnsfilter.engine.unregistered_counts import SLOTS, Noted
from dnsfilter.worker import channel
from dnsfilter.worker.channel import (
    MOST_BYTES,
    MOST_REASON,
    Alive,
    InForce,
    PendingQueries,
    Policy,
    RangeQueries,
    Recorded,
    RefusedQueries,
    Rejected,
    Stop,
    UnknownMessage,
    UnregisteredNetworks,
)

SEEN = Noted(bytes(3), 1, 2, 3)
PENDING = PendingCount("ghent", "tiktok", "tiktok.example", 1)
REFUSED = RefusedClient(bytes(4), "ghent", "tiktok", "ghent", "own", 1)


class Harm:
    """An object that makes a directory when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = channel.pair()
    with ours, theirs:
        yield ours, theirs


def descriptors_open() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_messages_arrive_complete_and_in_order_with_their_descriptors(tmp_path: Path) -> None:
    ours, theirs = channel.pair()
    file = tmp_path / "file"
    file.write_text("content")
    with ours, theirs, file.open() as opened:
        channel.send(ours, Policy(7, 1_000), [opened.fileno()])
        channel.send(ours, Stop())
        received = channel.receive_order(theirs)
        assert received is not None
        message, (descriptor,) = received
        assert message == Policy(7, 1_000)
        assert os.read(descriptor, 100) == b"content"
        os.close(descriptor)
        assert channel.receive_order(theirs) == (Stop(), [])


def test_the_descriptors_of_many_listening_addresses_all_arrive() -> None:
    ours, theirs = channel.pair()
    with ours, theirs, open(os.devnull) as opened:
        channel.send(ours, Policy(1, 1_000), [opened.fileno()] * (1 + 2 * 64 + 4))
        received = channel.receive_order(theirs)
        assert received is not None
        assert len(received[1]) == 133
        for descriptor in received[1]:
            os.close(descriptor)


def test_full_recorder_is_one_packet() -> None:
    ours, theirs = channel.pair()
    client = f"2001:db8:{'ffff:' * 5}ffff"
    for name in ("www.example.org", 1_004 * "\\"):
        number = 1 + ROOM // (len(name) + QUERY_BYTES)
        query = CapturedQuery(2**31, 2**33, client, "udp", name, "TYPE65535", "monitor", "RCODE4095", 65_535)
        report = Recorded(Captured(number * [query], {2**31: 2**40}))
        with ours.dup() as sending, theirs.dup() as receiving:
            receiving.setblocking(False)
            sending.setblocking(False)
            channel.send(receiving, report)
            assert channel.receive_report(sending) == report
    ours.close()
    theirs.close()


def test_a_table_full_of_unregistered_networks_is_one_packet() -> None:
    ours, theirs = channel.pair()
    noted = [Noted(number.to_bytes(6), 2**40 + number, 2**30 + number, 2**31 + number) for number in range(SLOTS)]
    with ours, theirs:
        channel.send(ours, UnregisteredNetworks(noted))
        assert channel.receive_report(theirs) == UnregisteredNetworks(noted)


def test_most_ranges_that_an_engine_gives_at_once_fit_a_packet() -> None:
    ours, theirs = channel.pair()
    prefixes = (f"2001:db8:{number:x}:ffff:ffff:ffff:ffff:fff0/124" for number in range(0x1000, 0x1000 + MOST_TAKEN))
    queries = dict.fromkeys(prefixes, 2**62)
    with ours, theirs:
        channel.send(ours, RangeQueries(queries))
        assert channel.receive_report(theirs) == RangeQueries(queries)


def test_report_of_as_many_refused_clients_as_are_noted_fits_into_a_packet() -> None:
    ours, theirs = channel.pair()
    slug = "x" * 63
    noted = [
        RefusedClient(number.to_bytes(16), f"{slug[:59]}{number:04}", slug, slug, "agreement", 2**30)
        for number in range(MOST_REFUSED)
    ]
    with ours, theirs:
        channel.send(ours, RefusedQueries(noted))
        assert channel.receive_report(theirs) == RefusedQueries(noted)


def test_as_many_pending_names_as_an_engine_gives_at_once_fit_a_packet() -> None:
    ours, theirs = channel.pair()
    slug, name = "x" * 63, "a." * 124
    noted = [PendingCount(slug, f"{slug}:{slug}", f"{name}{number:04}", 2**62) for number in range(MOST_PENDING)]
    with ours, theirs:
        channel.send(ours, PendingQueries(noted, 2**62))
        assert channel.receive_report(theirs) == PendingQueries(noted, 2**62)


def test_closed_channel_reads_as_none() -> None:
    ours, theirs = channel.pair()
    with theirs:
        channel.send(ours, InForce(1))
        ours.close()
        assert channel.receive_report(theirs) == InForce(1)
        assert channel.receive_report(theirs) is None
        assert channel.receive_order(theirs) is None


@pytest.mark.parametrize(
    "packet",
    [
        b"garbage",
        b"\xc1",
        b"\x91" * 100_000,
        msgspec.msgpack.encode(Stop()),
        msgspec.msgpack.encode({"type": "Nonsense"}),
        msgspec.msgpack.encode({"type": "Alive"}),
        msgspec.msgpack.encode({"type": "Alive", "clock_doubted": 1}),
        msgspec.msgpack.encode({"type": "Alive", "clock_doubted": True, "more": 1}),
        msgspec.msgpack.encode(InForce(-1)),
        msgspec.msgpack.encode({"type": "InForce", "revision": "1"}),
        b"\x82\xa4type\xa8Rejected\xa8revision\x01\xa6reason\xa1\xff",
        msgspec.msgpack.encode(Rejected(1, "x" * (MOST_REASON + 1))),
        msgspec.msgpack.encode({"type": "UnregisteredNetworks", "noted": [SEEN] * (SLOTS + 1)}),
        msgspec.msgpack.encode({"type": "UnregisteredNetworks", "noted": [Noted(bytes(4), 1, 2, 3)]}),
        msgspec.msgpack.encode({"type": "RangeQueries", "queries": {"x" * 44: 1}}),
        msgspec.msgpack.encode({"type": "RangeQueries", "queries": {"192.0.2.0/24": -1}}),
        msgspec.msgpack.encode({"type": "RangeQueries", "queries": {str(each): 1 for each in range(MOST_TAKEN + 1)}}),
        msgspec.msgpack.encode({"type": "RefusedQueries", "noted": [REFUSED] * (MOST_REFUSED + 1)}),
        msgspec.msgpack.encode({"type": "RefusedQueries", "noted": [REFUSED._replace(client=bytes(5))]}),
        msgspec.msgpack.encode({"type": "PendingQueries", "noted": [PENDING] * (MOST_PENDING + 1), "lost": 0}),
        msgspec.msgpack.encode({"type": "PendingQueries", "noted": [PENDING], "lost": -1}),
        pickle.dumps(Alive(clock_doubted=True).clock_doubted),
    ],
)
def test_packet_that_is_not_a_report_is_an_unknown_message(
    packet: bytes, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    theirs.send(packet)
    with pytest.raises(UnknownMessage):
        channel.receive_report(ours)


@pytest.mark.parametrize("said", [{"type": "x" * 100_000}, {"type": "Alive", "clock_doubted": True, "x" * 100_000: 1}])
def test_error_repeats_little_of_a_packet(said: object, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    theirs.send(msgspec.msgpack.encode(said))
    with pytest.raises(UnknownMessage, match=r"^a packet is not a message: ") as raised:
        channel.receive_report(ours)
    assert len(str(raised.value)) <= MOST_REASON


@pytest.mark.parametrize("packet", [b"garbage", msgspec.msgpack.encode(Alive(False))])
def test_packet_that_is_not_an_order_is_an_unknown_message_and_its_descriptors_are_closed(
    packet: bytes, ends: tuple[socket.socket, socket.socket]
) -> None:
    ours, theirs = ends
    before = descriptors_open()
    with open(os.devnull) as opened:
        socket.send_fds(ours, [packet], [opened.fileno()])
    with pytest.raises(UnknownMessage):
        channel.receive_order(theirs)
    assert descriptors_open() == before


def test_oversized_packet_is_an_error_even_with_a_valid_start(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, theirs = ends
    theirs.send(msgspec.msgpack.encode(Alive(False)) + bytes(MOST_BYTES))
    theirs.send(msgspec.msgpack.encode(InForce(3)))
    with pytest.raises(UnknownMessage, match=f"more than {MOST_BYTES} bytes"):
        channel.receive_report(ours)
    assert channel.receive_report(ours) == InForce(3)


def test_a_pickle_runs_nothing(tmp_path: Path, ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    made = tmp_path / "made"
    packet = pickle.dumps(Harm(made))
    theirs.send(packet)
    ours.send(packet)
    with pytest.raises(UnknownMessage):
        channel.receive_report(ours)
    with pytest.raises(UnknownMessage):
        channel.receive_order(theirs)
    assert not made.exists()
    pickle.loads(packet)
    assert made.exists(), "the pickle does harm when it is unpickled"


def test_descriptors_from_a_worker_are_closed(ends: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = ends
    before = descriptors_open()
    with open(os.devnull) as opened:
        channel.send(theirs, Alive(False), [opened.fileno()] * 100)
    assert channel.receive_report(ours) == Alive(False)
    assert descriptors_open() == before


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(min_size=1, max_size=200) | st.sampled_from([msgspec.msgpack.encode(UnregisteredNetworks([SEEN]))]),
    st.data(),
)
def test_any_packet_is_a_report_or_an_unknown_message(
    ends: tuple[socket.socket, socket.socket], packet: bytes, data: st.DataObject
) -> None:
    ours, theirs = ends
    at = data.draw(st.integers(0, len(packet) - 1))
    theirs.send(packet[:at] + data.draw(st.binary(max_size=3)) + packet[at + 1 :] or b"\0")
    try:
        report = channel.receive_report(ours)
    except UnknownMessage:
        return
    assert isinstance(report, InForce | Rejected | Alive | UnregisteredNetworks)
