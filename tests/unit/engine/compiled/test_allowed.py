"""Unregistered clients that may ask nevertheless: those of `Clients.admits`."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnsfilter.config.model import Clients, Unregistered

engine = pytest.importorskip("dnsfilter.engine._engine")

prefixes = st.one_of(
    st.builds(lambda bits, at: ip_network((at, bits), strict=False), st.integers(0, 32), st.integers(0, 2**32 - 1)),
    st.builds(
        lambda bits, at: ip_network((at << 96, bits), strict=False), st.integers(0, 128), st.integers(1, 2**32 - 1)
    ),
)


@given(st.lists(prefixes, max_size=4), st.data())
@settings(max_examples=300)
def test_prefixes_hold_what_they_hold_for_python(allowed: list[object], data: st.DataObject) -> None:
    clients = Clients(Unregistered.RESOLVE, tuple(allowed))  # type: ignore[arg-type]
    made = engine.AllowedClients(clients)
    edges = [edge for prefix in clients.allowed for edge in (prefix[0], prefix[-1])]
    beside = [edge + step for edge in edges for step in (-1, 0, 1) if 0 <= int(edge) + step < 2**edge.max_prefixlen]
    anybody = st.one_of(st.binary(min_size=4, max_size=4), st.binary(min_size=16, max_size=16)).map(ip_address)
    client = data.draw(st.one_of(st.sampled_from(beside), anybody) if beside else anybody)
    assert made.admits(client.packed) == clients.admits(client.packed)


def test_where_strangers_are_refused_none_may_ask() -> None:
    clients = Clients(Unregistered.REFUSE, (ip_network("0.0.0.0/0"),))
    assert not engine.AllowedClients(clients).admits(bytes(4))
