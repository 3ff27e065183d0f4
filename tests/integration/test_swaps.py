"""Snapshots swapped under load: every question gets its answer, without SERVFAIL and from one revision only.

Every revision marks its answers: reference, contact, names and addresses. Names, ranges and rules all change from one
revision to the next. A mixture of any two files is therefore visible.
"""

import os
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import count, cycle
from pathlib import Path

import dns.message
import dns.rcode
import httpx
import pytest

from dnsfilter.policy.model import Mode, Policy, Reply, Service
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.metrics import Transport
from tests.support.continuous_clients import Asker, Board, Exchange, Said, wait_a_little
from tests.support.engines import DIEST, GHENT, MECHELEN, data, query
from tests.support.knot import Knot
from tests.support.nodes import Node, SingleMachine, eventually
from tests.support.policies import Thing, ban, network, policy, service
from tests.support.policies import authority as public_body
from tests.support.snapshot_node import PublishedNode

pytestmark = pytest.mark.usefixtures("alone")

SWAPS = 200
WAITING = 150
"""More queries than a worker reads at once."""
REPLIES = (Reply.REFUSED, Reply.ADDRESS, Reply.NXDOMAIN, Reply.ADDRESS, Reply.NODATA)
HEALTH = "health.dnsfilter.internal"
WEBSITE, ALIAS, PLAIN, WILD = "www.tiktok.com", "video.example.org", "plain.example.org", "wild.example.org"
UPSTREAM = {
    (WEBSITE, "A"): ("A 192.0.2.100",),
    (WEBSITE, "AAAA"): ("AAAA 2001:db8::100",),
    (WEBSITE, "TXT"): ('TXT "the web site"',),
    (ALIAS, "A"): ("CNAME www.tiktok.com.", "A 192.0.2.100"),
    (PLAIN, "A"): ("A 198.51.100.10",),
    (WILD, "A"): ("A 198.51.100.12",),
}


def is_odd(revision: int) -> bool:
    """Return whether a revision bans a second service, numbered before the first, and gives Ghent another range."""
    return bool(revision & 1)


def mode_of(revision: int) -> Mode:
    return Mode.OFF if revision % 7 == 0 else Mode.ENFORCE


def marked(revision: int) -> Policy:
    """Return the policy of a revision."""
    body = public_body("ghent")
    ghent = replace(
        body, names=(("nl", f"GHENT {revision}"),), contact=f"r{revision}@example.org", time_zone="Europe/Brussels"
    )
    things: list[Thing] = [
        ghent,
        network("127.0.5.0/24", "ghent"),
        network("127.0.7.0/24", "mechelen"),
        network("127.0.8.0/24", "ghent" if is_odd(revision) else "diest"),
        _service("tiktok", "tiktok.com", revision),
        ban(
            1,
            "ghent",
            "tiktok",
            mode_of(revision),
            reply=REPLIES[revision % len(REPLIES)],
            addresses=(f"203.0.113.{revision}", f"2001:db8:5::{revision:x}"),
            reference=f"R{revision}",
        ),
    ]
    if is_odd(revision):
        things.append(_service("capcut", WILD, revision))
        things.append(ban(2, "ghent", "capcut", reference=f"R{revision}"))
    return policy(*things, revision=revision)


def _service(slug: str, domain: str, revision: int) -> Service:
    return replace(service(slug, (domain,)), name=f"{slug} {revision}")


def expected(revision: int, client: str, name: str, qtype: str) -> Said:
    """Return what a client must get under one revision."""
    if name == HEALTH:
        return Said(dns.rcode.NOERROR, frozenset({f'TXT "revision={revision}"'}))
    base = WILD if name.endswith(WILD) else name
    of_ghent = client == GHENT or (client == DIEST and is_odd(revision))
    if of_ghent and base == WILD and is_odd(revision):
        return Said(dns.rcode.REFUSED, frozenset(), ((15, _text(revision, "capcut")),))
    if of_ghent and base in (WEBSITE, ALIAS) and mode_of(revision) is Mode.ENFORCE:
        return _refusal(revision, base, qtype)
    return Said(dns.rcode.NOERROR, frozenset(UPSTREAM[base, qtype]))


def _refusal(revision: int, name: str, qtype: str) -> Said:
    own = (15, _text(revision, "tiktok"))
    match REPLIES[revision % len(REPLIES)]:
        case Reply.REFUSED:
            return Said(dns.rcode.REFUSED, frozenset(), (own,))
        case Reply.ADDRESS if qtype == "A":
            return Said(dns.rcode.NOERROR, frozenset({f"A 203.0.113.{revision}"}), (own, (4, "")))
        case Reply.ADDRESS if qtype == "AAAA":
            return Said(dns.rcode.NOERROR, frozenset({f"AAAA 2001:db8:5::{revision:x}"}), (own, (4, "")))
        case Reply.NXDOMAIN if name == WEBSITE:
            return Said(dns.rcode.NXDOMAIN, frozenset(), (own,))
        case _:
            return Said(dns.rcode.NOERROR, frozenset(), (own,))


def _text(revision: int, slug: str) -> str:
    return f"R{revision}; r{revision}@example.org; {slug} {revision} geblokkeerd door GHENT {revision}"


def questions(tag: str) -> Iterator[tuple[str, str]]:
    """Yield all questions in turn, and between them questions for new names."""
    numbers = count()
    for question in cycle([key for key in UPSTREAM if key[0] != WILD]):
        yield question
        yield f"{tag}{next(numbers)}.{WILD}", "A"


def health() -> Iterator[tuple[str, str]]:
    return cycle([(HEALTH, "TXT")])


def start_askers(stack: ExitStack, board: Board, port: int) -> list[Asker]:
    """Start clients of every range, by UDP and TCP, and two that watch the revision."""
    crowd = [
        (GHENT, Transport.UDP, questions("a")),
        (GHENT, Transport.TCP, questions("b")),
        (DIEST, Transport.UDP, questions("c")),
        (DIEST, Transport.TCP, questions("d")),
        (MECHELEN, Transport.UDP, questions("e")),
        (MECHELEN, Transport.UDP, health()),
        (MECHELEN, Transport.TCP, health()),
    ]
    return [
        stack.enter_context(Asker(board, ("127.0.0.1", port), client, transport, asked))
        for client, transport, asked in crowd
    ]


def inconsistent(askers: Sequence[Asker], expect: Callable[[int, str, str, str], Said]) -> list[tuple[Exchange, Said]]:
    """Return the replies that match no single revision of those that may have been in force."""
    found = []
    for asker in askers:
        for each in asker.exchanges:
            said = each.said()
            revisions = range(each.first, each.last + 1)
            if not any(expect(revision, each.client, each.name, each.qtype) == said for revision in revisions):
                found.append((each, said))
    return found


@pytest.mark.slow
def test_two_hundred_swaps_under_load_lose_nothing_and_mix_nothing(tmp_path: Path, authority: Knot) -> None:
    board = Board(1)
    with PublishedNode(tmp_path, authority.hostport, marked(1)) as node:
        # A connection that the standby accepts during the worker's start stays with it. Then two processes decide.
        settled(node)
        with ExitStack() as stack:
            askers = start_askers(stack, board, node.port)
            for revision in range(2, SWAPS + 2):
                board.published = revision
                node.publish(marked(revision))
                assert board.wait_until_seen(revision), f"revision {revision} is not in force: {node.log.read_text()}"
                wait_a_little()
        counted = node.metrics()
    assert [asker.trouble for asker in askers if asker.trouble is not None] == []
    assert inconsistent(askers, expected) == []
    assert min(len(asker.exchanges) for asker in askers) > SWAPS
    exchanges = [each for asker in askers for each in asker.exchanges]
    refusals = sum(1 for each in exchanges if each.said().errors)
    assert refusals == sum(value for name, value in counted.items() if name.startswith("dnsfilter_refused_total"))
    assert len(exchanges) == sum(value for name, value in counted.items() if name.startswith("dnsfilter_queries_total"))
    assert counted["dnsfilter_policy_counts_lost_total"] == 0
    assert counted["dnsfilter_worker_restarts_total"] == 0


def test_a_worker_that_was_kept_from_running_decides_what_waits_by_the_newest(tmp_path: Path, authority: Knot) -> None:
    with (
        PublishedNode(tmp_path, authority.hostport, marked(1)) as node,
        closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as client,
    ):
        workers = settled(node)
        client.bind((MECHELEN, 0))
        client.connect(("127.0.0.1", node.port))
        client.settimeout(20)
        for pid in workers:
            os.kill(pid, signal.SIGSTOP)
        try:
            for number in range(WAITING):
                client.send(query(HEALTH, "TXT", id=number))
            node.publish(marked(2))
            assert eventually(lambda: ordered(node) == {2}, 4)
        finally:
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
        said = [dns.message.from_wire(client.recv(4096)) for _ in range(WAITING)]
        assert node.worker_pids() == workers
    assert {reply.id for reply in said} == set(range(WAITING))
    assert {text for reply in said for text in data(reply)} == {'TXT "revision=2"'}


def settled(node: Node) -> list[int]:
    """Wait until a node's one worker and its standby are ready. Return their processes."""
    assert eventually(lambda: node.log.read_text().count("snapshot in force") == 2)
    return node.worker_pids()


def ordered(node: Node) -> set[int]:
    """Return the revisions that the supervisor wants in force, from its workers' counter files."""
    assert node.process is not None
    found = set()
    for directory in ("/dev/shm", tempfile.gettempdir()):
        for path in Path(directory).glob(f"dnsfilter-counters-{node.process.pid}-*/*"):
            block = CounterBlock.open(path)
            found.add(block.ordered)
            block.close()
    return found


def test_acts_in_the_control_plane_under_load_lose_nothing_and_mix_nothing(fresh_machine: SingleMachine) -> None:
    revision = int(fresh_machine.metrics()["dnsfilter_snapshot_revision"])
    modes = {revision: "enforce"}
    board = Board(revision)
    token = (fresh_machine.state / "admin-token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    with (
        httpx.Client(base_url=fresh_machine.api_url, headers=headers, timeout=30) as api,
        ExitStack() as stack,
    ):
        askers = start_askers(stack, board, fresh_machine.port)
        for mode in ("off", "enforce", "monitor", "enforce") * 10:
            board.published += 1
            reported = api.patch("/v1/authorities/ghent/bans/tiktok", json={"mode": mode})
            assert reported.status_code == 200, reported.text
            assert reported.json()["revision"] == board.published
            modes[board.published] = mode
            assert board.wait_until_seen(board.published)

    def refused(revision: int, client: str, name: str) -> bool:
        enforcing = client == MECHELEN or (client == GHENT and modes[revision] == "enforce")
        return enforcing and name in (WEBSITE, ALIAS)

    assert [asker.trouble for asker in askers if asker.trouble is not None] == []
    wrong = []
    for each in (each for asker in askers for each in asker.exchanges):
        said = each.said()
        assert said.rcode in (dns.rcode.NOERROR, dns.rcode.REFUSED), (each, said)
        if each.name == HEALTH:
            continue
        possible = {refused(revision, each.client, each.name) for revision in range(each.first, each.last + 1)}
        if (said.rcode == dns.rcode.REFUSED) not in possible:
            wrong.append((each, said))
    assert wrong == []
    assert max(each.last for each in askers[0].exchanges) == board.published
