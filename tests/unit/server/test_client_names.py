"""Which client asks by which server name."""

import pytest

from dnsfilter.server.client_names import ClientNames

PEER = bytes((192, 0, 2, 1))


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
