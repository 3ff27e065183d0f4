"""Replies leave from the address and port that got the query (RFC 1122 section 4.1.3.5, RFC 2181 section 4).

Most clients connect their socket to the address they ask. Such a client never sees a reply from another address.
"""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import NamedTuple

import dns.message
import dns.rcode
import dns.rrset
import pytest

from tests.contract.cases import internet, office
from tests.support.engines import GHENT, Client, Rig, edes, query
from tests.support.knot import Knot
from tests.support.namespaces import Namespace, NodeWithin, link
from tests.support.nodes import Node
from tests.support.policies import network
from tests.support.ports import free_port
from tests.support.row_tables import each_row
from tests.support.scripted import Scripted, says
from tests.support.starting import Start

BANNED, FORWARDED = "www.tiktok.com", "plain.example.org"
MALFORMED = query(BANNED)[:-1]
UNKNOWN_OPCODE = b"\x00\x07\x78\x00" + bytes(8)
ANSWER_S = 10.0

POLICY = """\
[[authority]]
slug = "ghent"
kind = "municipality"
names = {{ nl = "Stad Gent" }}
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@ghent.example.org"

{ranges}
[[ban]]
authority = "ghent"
service = "tiktok"
mode = "enforce"

[ban.decision]
organ = "college"
reference = "EXAMPLE-1"

[[ban.term]]
start = "today"
for = "6 months"
"""


def policy_of(*prefixes: str) -> str:
    """Return a policy file that gives these ranges to Ghent, which bans TikTok."""
    usual = 'authority = "ghent"\nlabel = "offices"\nfunding = "public"\naudience = "staff"\n'
    return POLICY.format(ranges="".join(f'[[range]]\nprefix = "{prefix}"\n{usual}\n' for prefix in prefixes))


def exchanged(sock: socket.socket, server: tuple[str, int] | tuple[str, int, int, int], message: bytes) -> bytes:
    """Send `message` from the unconnected `sock` to `server` and return the reply.

    Raise AssertionError if the reply comes from another address.
    """
    sock.settimeout(ANSWER_S)
    sock.sendto(message, server)
    reply, source = sock.recvfrom(65535)
    assert source == server
    return reply


def by_stream(sock: socket.socket, server: tuple[str, int] | tuple[str, int, int, int], message: bytes) -> bytes:
    """Send `message` over a new connection to `server` and return the reply."""
    sock.settimeout(ANSWER_S)
    sock.connect(server)
    sock.sendall(len(message).to_bytes(2, "big") + message)
    with sock.makefile("rb") as stream:
        return stream.read(int.from_bytes(stream.read(2), "big"))


# An engine whose socket is bound to a wildcard address.


@each_row(
    ("listen", "asked", "client"),
    [
        ("0.0.0.0", "127.0.0.1", GHENT),
        ("0.0.0.0", "127.0.0.2", GHENT),
        ("0.0.0.0", "127.255.255.254", GHENT),
        ("::", "::1", "::1"),
    ],
)
def test_every_kind_of_reply_of_an_engine_leaves_from_where_it_was_asked(
    start: Start, listen: str, asked: str, client: str
) -> None:
    rig = start(office(network("::1/128", "ghent")), internet(), listen=listen)
    for message, rcode in (
        (query(BANNED), dns.rcode.REFUSED),
        (query(FORWARDED), dns.rcode.NOERROR),  # from upstream
        (query(FORWARDED), dns.rcode.NOERROR),  # from the cache
        (query("video.example.org"), dns.rcode.REFUSED),  # after upstream's answer
        (query("localhost"), dns.rcode.NOERROR),
        (MALFORMED, dns.rcode.FORMERR),
        (UNKNOWN_OPCODE, dns.rcode.NOTIMP),
    ):
        assert dns.message.from_wire(_heard(rig, asked, client, message)).rcode() == rcode
    rig.upstream.close()
    assert dns.message.from_wire(_heard(rig, asked, client, query("new.example.org"))).rcode() == dns.rcode.SERVFAIL


def _heard(rig: Rig, asked: str, client: str, message: bytes) -> bytes:
    """Send `message` from a connected client and return the reply. Advance the clock until the reply arrives."""
    sender = Client(client, (asked, rig.server[1]), message)

    def received() -> bytes | None:
        rig.clock.advance(1)
        return sender.receive()

    try:
        return rig.until(received)
    finally:
        sender.close()


def test_those_who_wait_for_one_answer_get_it_from_where_each_has_asked(start: Start) -> None:
    rig = start(office(), Scripted(says({(FORWARDED, "A"): (f"{FORWARDED}. 300 A 198.51.100.10",)})), listen="0.0.0.0")
    addresses = [f"127.0.0.{number}" for number in range(1, 20)]
    waiting = [Client(GHENT, (address, rig.server[1]), query(FORWARDED)) for address in addresses]
    for client in waiting:
        assert rig.wait(client).rcode() == dns.rcode.NOERROR
        client.close()
    assert rig.forwarded == [(FORWARDED, "A")]


# A node.


class Place(NamedTuple):
    """The address that gets the queries, and the address that sends them."""

    server: str
    client: str


def listening_on(node: Node, *endpoints: str) -> None:
    """Configure `node`, which must not run yet, to listen on `endpoints`."""
    text = node.config.read_text()
    changed = text.replace(f'listen = ["127.0.0.1:{node.port}"]', f"listen = {json.dumps(endpoints)}", 1)
    assert changed != text
    node.config.write_text(changed)


@contextmanager
def listening(directory: Path, upstream: str, *addresses: str, policy: str) -> Iterator[Node]:
    """Start a node that listens on `addresses`, all with the same port."""
    node = Node(directory, upstream, policy=policy)
    node.port = _move(node, free_port("::"), addresses)
    with node:
        yield node


def _move(node: Node, port: int, addresses: tuple[str, ...]) -> int:
    shown = [f"[{address}]:{port}" if ":" in address else f"{address}:{port}" for address in addresses]
    listening_on(node, *shown)
    return port


LOOPBACK = policy_of("127.0.5.0/24", "::1/128")


@pytest.fixture(scope="module")
def wildcard(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[Node]:
    """Start a node that listens on both wildcard addresses."""
    directory = tmp_path_factory.mktemp("wildcard")
    with listening(directory, authority.hostport, "0.0.0.0", "::", policy=LOOPBACK) as node:
        yield node


@pytest.fixture(scope="module")
def explicit(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[Node]:
    """Start a node that listens on three explicit addresses."""
    directory = tmp_path_factory.mktemp("explicit")
    with listening(directory, authority.hostport, "127.0.0.1", "127.0.0.2", "::1", policy=LOOPBACK) as node:
        yield node


def family_of(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def check_replies(place: Place, port: int, name: Callable[[], str], make: Callable[[int, int], socket.socket]) -> None:
    """Check the replies from one address over UDP and TCP.

    The queries are for a refused, a forwarded and a cached name; one message is malformed. `name` returns a new name,
    and `make` makes a socket.
    """
    server, fresh = (place.server, port), name()
    asked = ((BANNED, dns.rcode.REFUSED), (fresh, dns.rcode.NOERROR), (fresh, dns.rcode.NOERROR))
    complete: tuple[str, int] | tuple[str, int, int, int] = server if ":" not in place.server else (*server, 0, 0)
    with make(family_of(place.server), socket.SOCK_DGRAM) as sock:
        sock.bind((place.client, 0))
        for question, rcode in asked:
            reply = dns.message.from_wire(exchanged(sock, complete, query(question)))
            assert (question, reply.rcode()) == (question, rcode)
        assert dns.message.from_wire(exchanged(sock, complete, MALFORMED)).rcode() == dns.rcode.FORMERR
    for question, rcode in ((BANNED, dns.rcode.REFUSED), (name(), dns.rcode.NOERROR)):
        with make(family_of(place.server), socket.SOCK_STREAM) as sock:
            sock.bind((place.client, 0))
            reply = dns.message.from_wire(by_stream(sock, complete, query(question)))
            assert (question, reply.rcode()) == (question, rcode)
            assert sock.getpeername()[:2] == server


_numbers = count()


def _fresh() -> str:
    """Return a name that has an address and that no test has asked for yet."""
    return f"n{next(_numbers)}.wild.example.org"


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.2", "127.0.5.10", "127.255.255.254", "::1"])
def test_a_node_on_wildcard_addresses_replies_from_where_it_was_asked(wildcard: Node, asked: str) -> None:
    place = Place(asked, "::1" if ":" in asked else GHENT)
    check_replies(place, wildcard.port, _fresh, socket.socket)


@pytest.mark.parametrize("asked", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_node_on_several_addresses_replies_from_where_it_was_asked(explicit: Node, asked: str) -> None:
    place = Place(asked, "::1" if ":" in asked else GHENT)
    check_replies(place, explicit.port, _fresh, socket.socket)


def refuses(address: str, port: int, kind: socket.SocketKind) -> bool:
    """Return whether the connection is refused because no program listens on this address and port."""
    with socket.socket(family_of(address), kind) as sock:
        sock.settimeout(ANSWER_S)
        try:
            sock.connect((address, port))
            sock.send(query(BANNED))
            sock.recv(65535)
        except ConnectionRefusedError:
            return True
    return False


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_nobody_is_answered_at_an_address_that_is_not_listened_on(explicit: Node, kind: socket.SocketKind) -> None:
    assert refuses("127.0.0.3", explicit.port, kind)


def test_the_ipv6_wildcard_takes_no_ipv4_so_no_mapped_address_ever_appears(tmp_path: Path, authority: Knot) -> None:
    with listening(tmp_path, authority.hostport, "::", policy=LOOPBACK) as node:
        check_replies(Place("::1", "::1"), node.port, _fresh, socket.socket)
        for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
            assert refuses("127.0.0.1", node.port, kind)


def test_an_ipv4_client_of_the_ipv6_wildcard_is_in_its_ipv4_range(wildcard: Node) -> None:
    # As an IPv4-mapped address, the client would be in no range. The refusal would have another extended error.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((GHENT, 0))
        reply = dns.message.from_wire(exchanged(sock, ("127.0.0.1", wildcard.port), query(BANNED)))
    assert [code for code, _ in edes(reply)] == [15]


# A node with several addresses on one interface, in its own network namespace.

HERE = ("192.0.2.1/24", "192.0.2.2/24", "198.51.100.1/24", "2001:db8::1/64", "2001:db8::2/64", "fe80::1/64")
THERE = ("192.0.2.10/24", "198.51.100.10/24", "2001:db8::10/64", "fe80::10/64")
HERE_TOO = ("203.0.113.1/24", "2001:db8:2::1/64", "fe80::2/64")
THERE_TOO = ("203.0.113.10/24", "2001:db8:2::10/64", "fe80::20/64")
FAR = ("192.0.3.10", "2001:db8:3::10")
"""Addresses of clients to which the route leads over the other link."""
PORT, UPSTREAM_PORT = 53, 5300


class Office(NamedTuple):
    """The namespaces of the node and of its clients, joined by two links.

    `scope` is the index of the first link on the clients' side.
    """

    node: Namespace
    clients: Namespace
    scope: int


@contextmanager
def upstream_in(space: Namespace) -> Iterator[None]:
    """Run an upstream in `space` that answers every query with the same address."""
    sock = space.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", UPSTREAM_PORT))
    sock.settimeout(0.05)
    over = threading.Event()

    def serve() -> None:
        while not over.is_set():
            try:
                message, peer = sock.recvfrom(65535)
            except TimeoutError:
                continue
            reply = dns.message.make_response(dns.message.from_wire(message), recursion_available=True)
            reply.answer.append(dns.rrset.from_text(reply.question[0].name, 300, "IN", "A", "203.0.113.1"))
            sock.sendto(reply.to_wire(), peer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sock.close()


@pytest.fixture(scope="module")
def wired(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Start a node on both wildcard addresses, with several addresses per interface, and a network for its clients."""
    policy = policy_of("192.0.2.0/23", "198.51.100.0/24", "2001:db8::/32")
    with Namespace() as here, Namespace(neighbour=here) as there, upstream_in(here):
        link(here, there, HERE, THERE)
        link(here, there, HERE_TOO, THERE_TOO, "eth1")
        there.add_address(*FAR)
        for address, gateway in zip(FAR, THERE_TOO[:2], strict=True):
            here.ip("route", "add", address, "via", gateway.partition("/")[0])
        found = re.match(r"(\d+):", there.ip("-oneline", "link", "show", "dev", "eth0"))
        assert found is not None
        node = NodeWithin(here, tmp_path_factory.mktemp("wired"), f"127.0.0.1:{UPSTREAM_PORT}", policy=policy)
        _move(node, PORT, ("0.0.0.0", "::"))
        with node:
            yield Office(here, there, int(found[1]))


@pytest.mark.parametrize(
    ("asked", "client"),
    [
        ("192.0.2.1", "192.0.2.10"),
        ("192.0.2.2", "192.0.2.10"),
        ("198.51.100.1", "198.51.100.10"),
        ("192.0.2.2", "198.51.100.10"),
        ("2001:db8::1", "2001:db8::10"),
        ("2001:db8::2", "2001:db8::10"),
    ],
)
def test_each_address_of_an_interface_replies_for_itself(wired: Office, asked: str, client: str) -> None:
    check_replies(Place(asked, client), PORT, _fresh, wired.clients.socket)


@pytest.mark.parametrize(("asked", "client"), [("192.0.2.2", FAR[0]), ("2001:db8::2", FAR[1])])
def test_a_reply_takes_the_way_back_that_routes_say_whichever_way_the_query_came(
    wired: Office, asked: str, client: str
) -> None:
    check_replies(Place(asked, client), PORT, _fresh, wired.clients.socket)


def test_a_link_local_address_replies_for_itself(wired: Office) -> None:
    # A link-local client is in no range, because another link may use the same address. It gets REFUSED and EDE 18.
    server = ("fe80::1", PORT, 0, wired.scope)
    assert ip_address(server[0]).is_link_local
    with wired.clients.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.bind(("fe80::10", 0, 0, wired.scope))
        replies = [dns.message.from_wire(exchanged(sock, server, query(BANNED)))]
    with wired.clients.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
        sock.bind(("fe80::10", 0, 0, wired.scope))
        replies.append(dns.message.from_wire(by_stream(sock, server, query(BANNED))))
    for reply in replies:
        assert reply.rcode() == dns.rcode.REFUSED
        assert [code for code, _ in edes(reply)] == [18]
