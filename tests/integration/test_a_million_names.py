"""A million names and ten thousand ranges load and get answers. A toggle rewrites neither."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from time import time

import dns.message
import dns.query
import dns.rcode
import pytest

from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import Mode, Range, Service
from dnsfilter.snapshot.compiler import Compiled, compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.wire.names import parse_name
from tests.bench.large import NAMES, RANGES, authority_of, client_of, make_policy, make_ranges, make_service, name_of
from tests.support.engines import edes
from tests.support.knot import Knot
from tests.support.nodes import Node, eventually, program
from tests.support.opened_snapshot import opened
from tests.support.zone_texts import zone

pytestmark = pytest.mark.slow

SAMPLES = 200
MOST_SHARED_BYTES = 60_000_000
"""The most bytes of memory that all workers may share for a million names."""
ANSWERING = authority_of(3)
"""The authority whose ban is off, so that its clients get answers."""


class StoreNode(Node):
    """`dnsfilter serve` with the snapshots that a test publishes in its state directory."""

    def command(self) -> list[str]:
        return [program("dnsfilter"), "serve", "--config", str(self.config)]


@dataclass(repr=False)
class Large:
    """A store with the large policy, and what the next revision of it needs."""

    store: SnapshotStore
    directory: Path
    service: Service = field(default_factory=make_service)
    ranges: tuple[Range, ...] = field(default_factory=make_ranges)
    compiled: Compiled | None = None

    def publish(self, modes: dict[str, Mode]) -> Compiled:
        """Publish one more revision. Return it."""
        before = self.compiled
        revision = 1 if before is None else before.revision + 1
        policy = make_policy(self.service, self.ranges, revision, modes)
        names = None if before is None else before.names
        self.compiled = compile_policy(policy, int(time()), names=names, before=before)
        self.store.publish(self.compiled)
        return self.compiled

    def written(self) -> dict[str, tuple[int, int]]:
        """Return the inode and the modification time of each file by name, which differ after each write."""
        files = (path for path in self.directory.rglob("*") if path.is_file())
        found = {str(path.relative_to(self.directory)): path.stat() for path in files}
        return {name: (status.st_ino, status.st_mtime_ns) for name, status in found.items()}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreNode]:
    """Return a stopped node in front of a server that has an address for every name under `example`."""
    with Knot({"example": zone("example", "* A 192.0.2.7\n")}) as upstream:
        yield StoreNode(tmp_path_factory.mktemp("large"), upstream.hostport, policy="")


@pytest.fixture(scope="module")
def large(node: StoreNode) -> Iterator[Large]:
    """Run the node with the large policy in force."""
    directory = node.state / "snapshots"
    published = Large(SnapshotStore(directory), directory)
    published.publish({ANSWERING: Mode.OFF})
    with node:
        yield published


@pytest.fixture(scope="module")
def numbers() -> list[int]:
    """Return numbers of names, always the same ones, including the first and the last."""
    return [0, NAMES - 1, *random.Random(20230310).sample(range(NAMES), SAMPLES)]


def asked(node: StoreNode, name: str, client: int | str) -> dns.message.Message:
    """Return the reply to a client, given by its address or by the number of its range."""
    source = client if isinstance(client, str) else client_of(client)
    return dns.query.udp(dns.message.make_query(name, "A", use_edns=0), "127.0.0.1", 10, node.port, source=source)


def rcode(node: StoreNode, name: str, client: int | str) -> dns.rcode.Rcode:
    return asked(node, name, client).rcode()


def likenesses(number: int) -> tuple[str, ...]:
    """Return names that almost match: longer and other labels, the parent, and an unused number."""
    first, parent, _ = name_of(number).split(".")
    return f"x{first}.{parent}.example", f"{first}.x{parent}.example", f"{parent}.example", name_of(NAMES + number)


def test_listed_names_and_all_below_them_are_refused_and_their_likenesses_answered(
    large: Large, node: StoreNode, numbers: list[int]
) -> None:
    for number in numbers:
        name = name_of(number)
        for banned in (name, f"www.{name}", f"a.b.c.{name.upper()}"):
            assert (banned, rcode(node, banned, 1)) == (banned, dns.rcode.REFUSED)
        for allowed in likenesses(number):
            assert (allowed, rcode(node, allowed, 1)) == (allowed, dns.rcode.NOERROR)


def test_each_range_is_judged_by_its_own_authority(large: Large, node: StoreNode) -> None:
    chosen = random.Random(20230311).sample(range(RANGES), SAMPLES)
    for number in [1, RANGES - 1, *(n for n in chosen if ":" not in client_of(n))]:
        expected = dns.rcode.NOERROR if authority_of(number) == ANSWERING else dns.rcode.REFUSED
        assert (number, rcode(node, name_of(7), number)) == (number, expected)
    unregistered = asked(node, "plain.example", "127.63.255.255")
    assert [code for code, _ in edes(unregistered)] == [18]


def test_every_sampled_decision_of_the_loaded_snapshot_is_the_policys(large: Large, numbers: list[int]) -> None:
    # The sample includes IPv6 clients, which cannot send from loopback.
    snapshot = opened(large.store)
    at = snapshot.made_s
    seen = set()
    for number in numbers:
        client = number % RANGES
        expected = Verdict.PASS if authority_of(client) == ANSWERING else Verdict.REFUSE
        decision = snapshot.decide(ip_address(client_of(client)), parse_name(name_of(number)), at)
        assert (decision.verdict, decision.authority) == (expected, authority_of(client))
        for name in likenesses(number):
            passed = snapshot.decide(ip_address(client_of(client)), parse_name(name), at)
            assert passed.verdict is Verdict.PASS
        seen.add(ip_address(client_of(client)).version)
    assert seen == {4, 6}


def test_a_toggle_writes_rules_and_manifest_alone_and_changes_the_answer(large: Large, node: StoreNode) -> None:
    toggled, other = 1, 2
    for mode, expected in ((Mode.OFF, dns.rcode.NOERROR), (Mode.ENFORCE, dns.rcode.REFUSED)):
        before, held = large.written(), large.compiled
        made = large.publish({ANSWERING: Mode.OFF, authority_of(toggled): mode})
        assert held is not None
        assert (made.names.digest, made.ranges.digest) == (held.names.digest, held.ranges.digest)
        after = large.written()
        written = {name.rpartition(".")[2] for name, stamp in after.items() if before.get(name) != stamp}
        # The rules of an earlier policy exist already.
        assert {"manifest", "current"} <= written <= {"rules", "manifest", "current"}
        assert {name for name in before if not name.startswith("copy/")} <= after.keys()
        assert eventually(lambda want=expected: rcode(node, name_of(9), toggled) == want)  # type: ignore[misc]
        assert rcode(node, name_of(9), other) == dns.rcode.REFUSED


def test_what_a_worker_shares_stays_within_its_bound(large: Large) -> None:
    assert large.compiled is not None
    files = (large.compiled.names, large.compiled.ranges, large.compiled.rules)
    assert sum(len(file.data) for file in files) <= MOST_SHARED_BYTES
