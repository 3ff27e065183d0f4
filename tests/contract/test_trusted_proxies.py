"""A trusted proxy names the client of each datagram in a PROXY header. A header of anybody else is no query."""

from ipaddress import ip_address, ip_network

from dnsfilter.config.node_config import Clients, Limits, Rate, Unregistered
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, MECHELEN, UNREGISTERED, Rig, edes, query
from tests.support.policies import network
from tests.support.proxied import BEHIND_PROXY, LOCAL, PROXY, SIGNATURE, TCP4, header, named
from tests.support.row_tables import each_row
from tests.support.starting import Start

BANNED, PLAIN = query("www.tiktok.com"), query("plain.example.org")


def rcode_of(rig: Rig, message: bytes, peer: str = PROXY) -> str:
    return rig.ask(message, peer).rcode().name


def dropped(rig: Rig, message: bytes, peer: str = PROXY) -> bool:
    """Return whether a datagram has no reply and is counted as dropped."""
    before = rig.outcomes().get(("udp", "dropped"), 0)
    sender = rig.send(message, peer)
    rig.settle()
    return sender.receive() is None and rig.outcomes().get(("udp", "dropped"), 0) == before + 1


def test_range_of_the_client_in_the_header_decides(start: Start) -> None:
    rig = start(office(network("2001:db8:5::/48", "ghent")), internet(), clients=BEHIND_PROXY)
    assert rcode_of(rig, header(GHENT) + BANNED) == "REFUSED"
    assert rcode_of(rig, header("2001:db8:5::1") + BANNED) == "REFUSED"
    assert rcode_of(rig, header(f"::ffff:{GHENT}") + BANNED) == "REFUSED"
    assert rig.pairs()["ghent", "tiktok"] == (3, 0, 0)
    assert rcode_of(rig, header(MECHELEN) + BANNED) == "NOERROR"
    assert rcode_of(rig, header(MECHELEN, TCP4, b"\x04\0\x01x") + PLAIN) == "NOERROR"
    assert rcode_of(rig, header(UNREGISTERED) + PLAIN) == "REFUSED"
    assert [one.prefix.hex() for one in rig.engine.take_unregistered()] == ["7f0063"]


def test_answer_that_waits_for_an_upstream_is_decided_for_the_client_in_the_header(start: Start) -> None:
    rig = start(office(), internet(), clients=BEHIND_PROXY)
    assert rcode_of(rig, header(GHENT) + query("video.example.org")) == "REFUSED"
    assert rcode_of(rig, header(GHENT) + query("svc.example.org", "HTTPS")) == "REFUSED"
    assert rcode_of(rig, header(MECHELEN) + query("alias.example.org", "HTTPS")) == "NOERROR"
    assert len(rig.forwarded) == 3


def test_odd_messages_behind_a_header_are_answered_too(start: Start) -> None:
    rig = start(office(), internet(), clients=BEHIND_PROXY)
    assert rcode_of(rig, header(GHENT) + PLAIN[:-1]) == "FORMERR"
    assert rcode_of(rig, header(GHENT) + query("www.tiktok.com", "TXT", rd=False)) == "REFUSED"


def test_server_name_in_the_header_decides_while_it_is_known(start: Start) -> None:
    rig = start(office(network("2001:db8:5::/48", "ghent")), internet(), clients=BEHIND_PROXY)
    fleets = {"fleet.example.org": ip_address("2001:db8:5::1").packed, "office.example.org": ip_address(GHENT).packed}
    by_fleet = header(UNREGISTERED, more=named("Fleet.example.org"))
    assert dropped(rig, by_fleet + BANNED)
    rig.engine.name_clients(lambda name, _peer, *_: fleets.get(name or ""))
    assert rcode_of(rig, by_fleet + BANNED) == "REFUSED"
    assert rcode_of(rig, by_fleet + PLAIN) == "NOERROR"
    assert rcode_of(rig, header("2001:db8:9::1", more=named("office.example.org")) + BANNED) == "REFUSED"
    assert rig.pairs()["ghent", "tiktok"] == (2, 0, 0)
    assert rcode_of(rig, header(UNREGISTERED) + PLAIN) == "REFUSED"
    del fleets["fleet.example.org"]
    assert dropped(rig, by_fleet + PLAIN)
    assert dropped(rig, header(UNREGISTERED, more=named("\xfc" * 200)) + PLAIN)


def test_own_name_in_the_header_is_the_client(start: Start) -> None:
    rig = start(office(), internet(), clients=BEHIND_PROXY)
    rig.engine.name_clients(lambda _name, peer, *_: peer)
    assert rcode_of(rig, header(GHENT, more=named("dns.example.org")) + BANNED) == "REFUSED"
    assert rcode_of(rig, header(MECHELEN, more=named("dns.example.org")) + BANNED) == "NOERROR"


def test_address_of_a_fleet_in_the_header_is_no_fleets_client(start: Start) -> None:
    fleet = network("100::9:0:0/96", "ghent")
    rig = start(office(fleet), internet(), clients=BEHIND_PROXY)
    of_fleet = ip_address("100::9:0:1").packed
    rig.engine.name_clients(lambda name, peer, *_: peer if name == "dns.example.org" else of_fleet)
    for more in (b"", named("dns.example.org")):
        assert edes(rig.ask(header("100::9:0:1", more=more) + BANNED, PROXY)) == [(18, "")]
    assert rig.pairs()["ghent", "tiktok"] == (0, 0, 0)
    assert rig.outcomes() == {("udp", "unregistered"): 2}
    assert edes(rig.ask(header(UNREGISTERED, more=named("fleet.example.org")) + BANNED, PROXY))[0][0] == 15
    assert rig.pairs()["ghent", "tiktok"] == (1, 0, 0)


def test_local_command_is_the_proxy_itself(start: Start) -> None:
    rig = start(office(network(f"{PROXY}/32", "mechelen")), internet(), clients=BEHIND_PROXY)
    assert rcode_of(rig, LOCAL + BANNED) == "NOERROR"


@each_row(
    "message",
    [PLAIN, header(GHENT)],
    ids=["none", "alone"],
)
def test_datagram_of_a_proxy_without_a_valid_header_is_dropped(start: Start, message: bytes) -> None:
    rig = start(office(), internet(), clients=BEHIND_PROXY)
    assert dropped(rig, message)
    assert rcode_of(rig, header(MECHELEN) + PLAIN) == "NOERROR"


def test_header_of_anybody_else_is_never_looked_at(start: Start) -> None:
    rig = start(office(), internet(), clients=BEHIND_PROXY)
    sender = rig.send(header(MECHELEN) + BANNED, GHENT)
    rig.settle()
    reply = sender.receive()
    assert reply is None or reply[:2] == SIGNATURE[:2]  # the header read as a query, which it is not
    assert rig.forwarded == []
    assert rcode_of(rig, BANNED, GHENT) == "REFUSED"


def test_clients_behind_one_proxy_have_limits_of_their_own(start: Start) -> None:
    limits = Limits(clients=Rate(1, 1), unregistered=Rate(0, 0))
    rig = start(office(), internet(), clients=BEHIND_PROXY, limits=limits)
    assert rcode_of(rig, header(MECHELEN) + PLAIN) == "NOERROR"
    rig.send(header(MECHELEN) + PLAIN, PROXY)
    rig.settle()
    assert rig.outcomes()["udp", "limited"] == 1
    assert rcode_of(rig, header(GHENT) + PLAIN) == "NOERROR"


def test_unregistered_client_behind_a_proxy_needs_its_own_prefix_to_ask(start: Start) -> None:
    clients = Clients(
        Unregistered.RESOLVE, (ip_network("127.0.99.0/24"),), trusted_proxies=BEHIND_PROXY.trusted_proxies
    )
    rig = start(office(), internet(), clients=clients)
    assert rcode_of(rig, header(UNREGISTERED) + PLAIN) == "NOERROR"
    assert rcode_of(rig, header("192.0.2.1") + PLAIN) == "REFUSED"
    assert rcode_of(rig, LOCAL + PLAIN) == "REFUSED"


def test_many_datagrams_at_once_keep_their_clients(start: Start) -> None:
    rig = start(office(), internet(), clients=BEHIND_PROXY)
    asked = [(MECHELEN, PROXY), (GHENT, PROXY), (MECHELEN, MECHELEN), (GHENT, GHENT)] * 20
    senders = [rig.send((header(client) if peer == PROXY else b"") + BANNED, peer) for client, peer in asked]
    replies = [rig.wait(sender).rcode().name for sender in senders]
    assert replies == ["NOERROR", "REFUSED"] * 40
