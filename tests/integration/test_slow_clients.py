"""Clients that hold connections of a real node, on each listener, while other clients are answered."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from ipaddress import ip_address
from itertools import cycle

import dns.message
import dns.rcode
import pytest

from tests.integration.test_dns_over_https import HttpsNode, _connected
from tests.integration.test_dns_over_tls import BANNED, ask
from tests.support.engines import query
from tests.support.hostile_clients import CLEAR, DOH, DOT, Hostile, Reach
from tests.support.http2_client import Http2Client
from tests.support.knot import Knot
from tests.support.nodes import eventually
from tests.support.served_tls import NAME

pytestmark = pytest.mark.heavy
PER_CLIENT = 20
KINDS: Mapping[str, Mapping[str, Callable[[Reach], Hostile]]] = {"tcp": CLEAR, "dot": DOT, "doh": DOH}


class LimitedNode(HttpsNode):
    """An HttpsNode that closes idle connections early."""

    def table(self) -> str:
        rates = "queries_per_second = 0\nunregistered_per_second = 0\n"
        return (
            f'{super().table()}[limits]\n{rates}connection_idle = "2 seconds"\nconnections_per_client = {PER_CLIENT}\n'
        )

    def reach(self, transport: str, source: str) -> Reach:
        """Return how a client gets to the listener of a transport."""
        if transport == "tcp":
            return Reach(self.port, source)
        port, protocol = (self.dot_port, "dot") if transport == "dot" else (self.doh_port, "h2")
        return Reach(port, source, self.certified.trusting(protocols=(protocol,)), NAME)

    def open(self) -> dict[str, float]:
        """Return the open connections by transport."""
        found = self.metrics()
        encrypted = {of: found[f'dnsfilter_encrypted_connections{{transport="{of}"}}'] for of in ("dot", "doh")}
        return {"tcp": found["dnsfilter_tcp_connections"], **encrypted}

    def limited(self) -> float:
        return self.metrics()['dnsfilter_limited_total{limit="connections"}']

    def answers(self) -> list[int]:
        """Return the codes of a client of Ghent that asks for a banned name by each transport, with new connections."""
        found = [dns.rcode.from_text(self.dig(BANNED, bind="127.0.5.10", extra=each).rcode) for each in ([], ["+tcp"])]
        with closing(self.connect()) as stream:
            found.append(ask(stream).rcode())
        client = Http2Client()
        with closing(_connected(self)) as stream:
            asked = client.request(body=query(BANNED))
            stream.sendall(client.take())
            while not client.responses[asked].is_complete:
                client.receive(stream.recv(65_536))
        return [*found, dns.message.from_wire(client.responses[asked].body).rcode()]


@pytest.fixture(scope="module", params=["compiled", "reference"])
def node(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, authority: Knot
) -> Iterator[LimitedNode]:
    made = LimitedNode(tmp_path_factory.mktemp("slow") / "in", authority.hostport, workers=1, engine=request.param)
    with made:
        yield made


def sources() -> Iterator[str]:
    return (str(ip_address("127.0.66.1") + number) for number in cycle(range(200)))


def go_on(hostile: Sequence[Hostile]) -> None:
    for each in hostile:
        each.go_on()


def test_clients_that_only_hold_connections_lose_them_while_others_are_answered(node: LimitedNode) -> None:
    with ExitStack() as stack:
        hostile = []
        for transport, kinds in KINDS.items():
            for begin, source in zip(kinds.values(), sources(), strict=False):
                hostile.append(begin(node.reach(transport, source)))
                stack.callback(hostile[-1].close)

        def has_ended() -> bool:
            go_on(hostile)
            assert node.answers() == [dns.rcode.REFUSED] * 4
            return not any(node.open().values())

        assert eventually(has_ended, every_s=0.2), node.open()


@pytest.mark.parametrize("transport", list(KINDS))
def test_connections_of_one_client_beyond_its_limit_are_counted(node: LimitedNode, transport: str) -> None:
    before = node.limited()
    with ExitStack() as stack:
        for _ in range(PER_CLIENT + 3):
            stack.callback(KINDS[transport]["silent"](node.reach(transport, "127.0.67.1")).close)
        assert eventually(lambda: node.limited() >= before + 3)
        assert node.open()[transport] <= PER_CLIENT
        assert node.answers() == [dns.rcode.REFUSED] * 4
    assert node.limited() == before + 3


@pytest.mark.slow
def test_half_a_minute_of_many_such_clients_changes_no_answer(node: LimitedNode) -> None:
    """More begin than the node keeps of unfinished handshakes, and each that ends is replaced."""
    until = time.monotonic() + 30
    froms, before = sources(), node.limited()
    while time.monotonic() < until:
        with ExitStack() as stack:
            hostile = []
            for transport, kinds in KINDS.items():
                for begin in (*kinds.values(), *[kinds["silent"]] * 300):
                    hostile.append(begin(node.reach(transport, next(froms))))
                    stack.callback(hostile[-1].close)
            for _ in range(10):
                go_on(hostile)
                assert node.answers() == [dns.rcode.REFUSED] * 4
    assert node.limited() > before
    assert eventually(lambda: not any(node.open().values()))
