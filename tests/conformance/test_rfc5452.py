"""RFC 5452: the values that a forger has to guess. A wrong guess changes nothing.

A uniform source exceeds the bounds of chi-squared less than once in 10^9 runs of a test. Each bound gives its
degrees of freedom.
"""

import select
import socket
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from ipaddress import ip_address

import pytest

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.interface import Miss
from dnsfilter.engine.reference.pool import HIGHEST_PORT, LIFETIME_MS, LOWEST_PORT, UpstreamPool
from dnsfilter.telemetry.metrics import Failure, Transport
from dnsfilter.telemetry.slots import upstream_slots
from tests.contract.cases import RECORDS, office
from tests.support.engines import DIEST, GHENT, MECHELEN, Rig, data, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply, silent
from tests.support.starting import Start

NAME = "plain.example.org"
TRUTH = ["A 198.51.100.10"]
FORGED = "203.0.113.66"
END = 12 + len(NAME) + 2
"""Offset of the end of the question's name in a message about NAME."""
CHI2_15 = 84.0
"""Upper bound. A uniform source exceeds it with a probability of 1.3e-11 at 15 degrees of freedom."""
CHI2_255 = (125.0, 430.0)
"""Lower and upper bound. A uniform source is outside with a probability below 5e-11 at 255 degrees of freedom."""


def forgery(asked: Asked) -> bytes:
    """Return an answer that the engine would accept."""
    return reply(asked, (f"{asked.name}. 300 A {FORGED}",))


def truth(asked: Asked) -> bytes:
    return reply(asked, RECORDS[NAME, "A"])


WRONG: dict[str, Callable[[bytes], bytes]] = {
    "id": lambda m: bytes([m[0] ^ 0x80]) + m[1:],
    "id by one": lambda m: m[:1] + bytes([m[1] ^ 1]) + m[2:],
    "query": lambda m: m[:2] + bytes([m[2] & 0x7F]) + m[3:],
    "name": lambda m: m.replace(b"\x05plain", b"\x05plaim", 1),
    "type": lambda m: m[:END] + b"\0\x1c" + m[END + 2 :],
    "class": lambda m: m[: END + 2] + b"\0\x03" + m[END + 4 :],
    "no question": lambda m: m[:4] + b"\0\0" + m[6:12] + m[END + 4 :].replace(b"\xc0\x0c", m[12:END]),
    "two questions": lambda m: m[:4] + b"\0\2" + m[6 : END + 4] + m[12 : END + 4] + m[END + 4 :],
}
"""Changes that each make one thing wrong in an acceptable answer."""


# Matching (section 9.1).


@each_row("transport", tuple(Transport))
@each_row("wrong", WRONG)
def test_an_answer_with_one_field_wrong_is_ignored(start: Start, wrong: str, transport: Transport) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    wait = rig.begin(query(NAME), transport=transport)
    rig.until_asked(1)
    held.say(held.asked[0], WRONG[wrong](forgery(held.asked[0])))
    rig.settle()
    assert isinstance(rig.judge(query(NAME)), Miss)
    held.say(held.asked[0], truth(held.asked[0]))
    assert data(wait()) == TRUTH
    assert data(rig.at_once(query(NAME))) == TRUTH
    slots = upstream_slots(1)[0]
    assert sum(rig.counters.slots[slots.failure(kind)] for kind in (Failure.MISMATCH, Failure.MALFORMED)) == 1


@each_row("source", ["another address", "another port"])
def test_an_answer_from_where_nothing_was_asked_is_ignored(start: Start, source: str) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    at = ("127.0.0.9", held.endpoint.port) if source == "another address" else ("127.0.0.1", 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as forger:
        forger.bind(at)
        forger.sendto(forgery(held.asked[0]), held.asked[0].peer)
    rig.settle()
    held.say(held.asked[0], truth(held.asked[0]))
    assert data(wait()) == TRUTH


def test_an_answer_to_another_of_our_ports_is_ignored(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    first = held.asked[0]
    for number in range(20):  # some of these leave from other ports
        rig.begin(query(f"n{number}.example.org"))
    rig.until_asked(21)
    others = {each.peer for each in held.asked} - {first.peer}
    assert others
    for peer in others:
        held.say(Asked(first.message, first.name, first.qtype, first.by_stream, peer), forgery(first))
    rig.settle()
    held.say(first, truth(first))
    assert data(wait()) == TRUTH


def test_a_port_in_use_looks_closed_to_everybody_but_the_server(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    rig.begin(query(NAME))
    rig.until_asked(1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as prober:
        prober.connect(held.asked[0].peer)
        prober.settimeout(10)
        prober.send(forgery(held.asked[0]))
        with pytest.raises(ConnectionRefusedError):
            prober.recv(512)


def test_the_case_of_the_question_s_name_is_no_mismatch(start: Start) -> None:
    held = Scripted(silent)
    rig = start(office(), held)
    wait = rig.begin(query("PLAIN.example.org"))
    rig.until_asked(1)
    answer = truth(held.asked[0])
    held.say(held.asked[0], answer[:12] + answer[12:END].upper() + answer[END:])
    found = wait()
    assert (data(found), found.question[0].name.to_text()) == (TRUTH, "PLAIN.example.org.")


def test_an_answer_that_comes_twice_or_late_changes_nothing(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (truth(asked), forgery(asked))))
    assert data(rig.ask(query(NAME))) == TRUTH
    rig.settle()
    asked = rig.upstream.asked[0]
    rig.upstream.say(asked, reply(asked, (f"{NAME}. 300 A 203.0.113.67",)))
    rig.settle()
    assert data(rig.at_once(query(NAME))) == TRUTH


# Ports and ids (section 9.2).


def test_each_try_has_an_id_and_a_port_of_its_own(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    rig.begin(query(NAME, id=1))
    rig.until_asked(1)
    rig.pass_time(900)
    rig.pass_time(1300)
    rig.until_asked(3)
    assert len({(each.id, each.peer[1]) for each in rig.upstream.asked}) == 3


def test_two_hundred_ports_are_in_use_at_once_over_the_complete_range(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    clients = [rig.send(query("first.example.org"), address) for address in (GHENT, MECHELEN, DIEST)]
    for number in range(1_500):  # at most 512 for one client
        clients[number % 3].send(query(f"n{number}.example.org"))
        if number % 50 == 49:
            rig.settle()
    rig.until_asked(1_500)
    ports = {each.peer[1] for each in rig.upstream.asked}
    assert len(ports) >= 200
    assert min(ports) >= LOWEST_PORT
    # Ephemeral ports begin at 32768 on Linux, so a kernel that chooses ports never takes one of the lower half.
    assert all(any(low <= port < low + 8_192 for port in ports) for low in range(0, 65_536, 8_192))


def test_ports_are_soon_given_up(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (reply(asked, (f"{asked.name}. 1 A 198.51.100.1",)),)))
    used = []
    for turn in range(2):
        for number in range(200):
            rig.ask(query(f"n{turn}-{number}.example.org"))
        used.append({each.peer[1] for each in rig.upstream.asked[turn * 200 :]})
        rig.pass_time(LIFETIME_MS + 1_000)
    assert len(used[0] & used[1]) < 20


def test_ten_thousand_rotations_bind_nine_thousand_ports() -> None:
    poller = select.epoll()
    pool = UpstreamPool(0, Endpoint(ip_address("127.0.0.1"), 53), poller)
    try:
        # A slot that is drawn again has expired by then. Of 64,512 ports, 9,263 are expected, plus or minus 28.
        drawn = (pool.draw(turn * LIFETIME_MS)[0] for turn in range(10_000))
        ports = {held.sock.getsockname()[1] for held in drawn}
    finally:
        pool.close()
        poller.close()
    assert len(ports) >= 9_000
    assert min(ports) >= LOWEST_PORT
    assert max(ports) <= HIGHEST_PORT


def chi2(values: Iterable[int], cells: int) -> float:
    """Return chi-squared of `values`, all below `cells`, against the uniform distribution."""
    counts = Counter(values)
    expected = counts.total() / cells
    return sum((counts[cell] - expected) ** 2 for cell in range(cells)) / expected


def views(ids: Sequence[int], bits: int) -> dict[str, list[int]]:
    """Return the upper and lower `bits` bits of the ids, and of the difference between the two ids of each pair."""
    steps = [(after - before) & 0xFFFF for before, after in zip(ids[:-1:2], ids[1::2], strict=True)]
    shift, mask = 16 - bits, (1 << bits) - 1
    return {
        "upper": [number >> shift for number in ids],
        "lower": [number & mask for number in ids],
        "upper of steps": [step >> shift for step in steps],
        "lower of steps": [step & mask for step in steps],
    }


@pytest.mark.parametrize("number", [1_000, pytest.param(3_000, marks=pytest.mark.slow)])
def test_ids_on_the_wire_are_uniform(start: Start, number: int) -> None:
    rig = start(office(), Scripted(lambda asked: (asked.message[:2] + b"\x81\x83" + asked.message[4:],)))
    client = rig.send(query("first.example.org"))
    for each in range(number):
        client.send(query(f"n{each}.example.org", id=1))
        if each % 50 == 49:
            rig.settle()
    rig.until_asked(number)
    ids = [asked.id for asked in rig.upstream.asked]
    assert {view: value for view, values in views(ids, 4).items() if (value := chi2(values, 16)) > CHI2_15} == {}
    # Of 65,536 ids, 992 different ones of 1,000 are expected, plus or minus 3; of 3,000, 2,933 plus or minus 8.
    assert len(set(ids)) > 0.95 * number


def test_ids_of_a_pool_are_uniform() -> None:
    poller = select.epoll()
    pool = UpstreamPool(0, Endpoint(ip_address("127.0.0.1"), 53), poller)
    try:
        ids = [pool.draw(0)[1] for _ in range(100_000)]
    finally:
        pool.close()
        poller.close()
    low, high = CHI2_255
    found = {view: chi2(values, 256) for view, values in views(ids, 8).items()}
    assert {view: value for view, value in found.items() if not low < value < high} == {}


# One query to upstream for all clients with the same question (section 5).


def queries(rig: Rig) -> int:
    return rig.counters.slots[upstream_slots(1)[0].queries]
