"""Unregistered clients that may ask: those of `Clients.admits`."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.engine.interface import Miss
from tests.fuzz.examples import examples
from tests.support.engines import query
from tests.support.policies import NOW, policy
from tests.unit.engine.compiled.both import both

pytest.importorskip("dnsfilter.engine._engine")

QUERY = query("www.example.org", id=7)
prefixes = st.one_of(
    st.builds(lambda bits, at: ip_network((at, bits), strict=False), st.integers(0, 32), st.integers(0, 2**32 - 1)),
    st.builds(
        lambda bits, at: ip_network((at << 96, bits), strict=False), st.integers(0, 128), st.integers(1, 2**32 - 1)
    ),
)
anybody = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)).map(ip_address)


@given(st.lists(prefixes, max_size=4), st.lists(anybody, min_size=1, max_size=5))
@examples(60)
def test_prefixes_contain_the_same_addresses_as_in_python(allowed: list[object], others: list[object]) -> None:
    clients = Clients(Unregistered.RESOLVE, tuple(allowed))  # type: ignore[arg-type]
    edges = [edge for prefix in clients.allowed for edge in (prefix[0], prefix[-1])]
    near = [edge + step for edge in edges for step in (-1, 0, 1) if 0 <= int(edge) + step < 2**edge.max_prefixlen]
    with both(policy(), clients=clients) as ask:
        for client in (*near, *others):
            assert isinstance(ask(QUERY, str(client)), Miss) == clients.admits(client.packed, 0)  # type: ignore[attr-defined]


def test_no_client_may_ask_if_unregistered_clients_are_refused() -> None:
    with both(policy(), clients=Clients(Unregistered.REFUSE, (ip_network("0.0.0.0/0"),))) as ask:
        assert not isinstance(ask(QUERY, "0.0.0.0"), Miss)


@given(st.integers(-3, 3), st.integers(0, 3))
@examples(20)
def test_learning_ends_at_the_same_instant_as_in_python(ahead_s: int, later_s: int) -> None:
    clients = Clients(Unregistered.LEARN, (ip_network("192.0.2.0/24"),), NOW + ahead_s)
    client = ip_address("192.0.2.1")
    with both(policy(), clients=clients) as ask:
        found = ask(QUERY, str(client), later_ms=1000 * later_s)
        assert isinstance(found, Miss) == clients.admits(client.packed, NOW + later_s)
