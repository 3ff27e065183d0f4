"""Which client asks by which server name."""

import pytest

from dnsfilter.policy.fleets import NO_FLEET, FleetName, fleet_prefix
from dnsfilter.server.client_names import ClientNames
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.reader import Snapshot
from tests.support.policies import NOW, network, policy

PEER = bytes((192, 0, 2, 1))
TOKEN = "gnt-public-staff-abcdefgh"


def _no_snapshot() -> object:
    raise AssertionError("the snapshot is not needed")


@pytest.mark.parametrize("name", [None, "dns.example.org"])
def test_the_nodes_own_name_stands_for_the_peer(name: str | None) -> None:
    names = ClientNames("dns.example.org", _no_snapshot)  # type: ignore[arg-type]
    assert (names.client_of(name, PEER), names.serves(name)) == (PEER, True)


@pytest.mark.parametrize("name", ["", "example.org", "other.example.org", "a.b.dns.example.org", "xdns.example.org"])
def test_another_name_has_no_client(name: str) -> None:
    names = ClientNames("dns.example.org", _no_snapshot)  # type: ignore[arg-type]
    assert (names.client_of(name, PEER), names.serves(name)) == (None, False)


def test_a_fleets_name_stands_for_an_address_of_the_fleet_while_it_holds() -> None:
    fleet = FleetName(TOKEN, "default", fleet_prefix(7), NOW, NOW + 60)
    made = compile_policy(policy(network(str(fleet_prefix(7)), "ghent"), fleet), NOW)
    known = Snapshot.open(made.manifest, made.names.data, made.ranges.data, made.rules.data, "default")
    at = NOW
    names = ClientNames("dns.example.org", lambda: (known, at))
    found = [names.client_of(f"{TOKEN}.dns.example.org", peer) for peer in (PEER, bytes(4), PEER)]
    assert found[0] == found[2] != found[1]
    assert {client[:12] for client in found if client} == {fleet_prefix(7).network_address.packed[:12]}
    assert names.client_of_token(TOKEN, PEER) == found[0]
    other_process = ClientNames("dns.example.org", lambda: (known, at))
    assert other_process.client_of_token(TOKEN, PEER) != found[0]
    demanding = ClientNames("dns.example.org", lambda: (known, at), demands_certificate=True)
    certified = demanding.client_of(f"{TOKEN}.dns.example.org", PEER, True)
    assert certified is not None
    assert certified[:12] == fleet_prefix(7).network_address.packed[:12]
    for client in (demanding.client_of(f"{TOKEN}.dns.example.org", PEER), demanding.client_of_token(TOKEN, PEER)):
        assert client == NO_FLEET + certified[12:]
        assert known.find(client) is None
    assert demanding.serves(f"{TOKEN}.dns.example.org")
    assert demanding.client_of(None, PEER) == demanding.client_of("dns.example.org", PEER) == PEER
    at = NOW + 60
    assert demanding.client_of(f"{TOKEN}.dns.example.org", PEER, True) is None
    assert names.client_of(f"{TOKEN}.dns.example.org", PEER) is None
    assert not names.serves(f"{TOKEN}.dns.example.org")
