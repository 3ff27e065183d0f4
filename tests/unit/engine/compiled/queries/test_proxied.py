"""Datagrams of trusted proxies: both kinds of engine take the same client, or drop the same ones."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.contract.cases import office
from tests.fuzz.examples import examples
from tests.support.engines import GHENT, MECHELEN, UNREGISTERED, Rig, query, running
from tests.support.policies import network
from tests.support.proxied import BEHIND_PROXY, LOCAL, PROXY, SIGNATURE, header, named
from tests.support.scripted import Scripted, silent

pytest.importorskip("dnsfilter.engine._engine")

POLICY = office(network("2001:db8:5::/48", "ghent"), network(f"{PROXY}/32", "mechelen"))
CLIENTS = (GHENT, MECHELEN, UNREGISTERED, "2001:db8:5::1", "2001:db8:9::1", f"::ffff:{GHENT}", "::ffff:0.0.0.0", "::")
QUESTIONS = tuple(query(name, qtype, id=7) for name in ("www.tiktok.com", "localhost") for qtype in ("A", "ANY"))
versions = st.sampled_from((0x21,) * 8 + (0x20, 0x22, 0x11, 0xFF))
families = st.sampled_from((None,) * 8 + (0x00, 0x10, 0x11, 0x12, 0x13, 0x21, 0x22, 0x31))
values = st.one_of(
    st.sampled_from((b"", b"", b"\x04\0\x01x", bytes(476), bytes(484), bytes(485), bytes(600))),
    st.lists(
        st.sampled_from((named("ghent.example.org"), named("peer.example.org"), named(""), named("x"), b"\x04\0\x01x")),
        max_size=3,
    ).map(b"".join),
    st.binary(max_size=12).map(lambda tail: named("GHENT.example.org") + tail),
)
headers = st.one_of(
    st.builds(
        lambda client, family, more, version: header(client, family, more, version=version),
        *(st.sampled_from(CLIENTS), families, values, versions),
    ),
    st.just(LOCAL),
    st.binary(max_size=24).map(lambda tail: SIGNATURE + tail),
    st.binary(max_size=64),
)
datagrams = st.builds(
    lambda head, message, cut: (head + message)[:cut], headers, st.sampled_from(QUESTIONS), st.integers(0, 700)
)


def client_of(name: str | None, peer: bytes, _is_certified: bool = False, /) -> bytes | None:
    known = {"ghent.example.org": ip_address("2001:db8:5::1").packed, "peer.example.org": peer}
    return known.get(name or "")


def seen(rig: Rig, messages: list[bytes], peers: list[str]) -> object:
    senders = [rig.send(message, peer) for message, peer in zip(messages, peers, strict=True)]
    rig.settle()
    replies = [sender.receive() for sender in senders]
    noted = sorted((one.prefix, one.queries) for one in rig.engine.take_unregistered())
    return replies, rig.outcomes(), rig.pairs(), noted


@given(st.lists(st.tuples(datagrams, st.sampled_from((PROXY, PROXY, PROXY, GHENT))), min_size=1, max_size=12))
@examples(60)
def test_both_take_the_same_client_from_a_header(drawn: list[tuple[bytes, str]]) -> None:
    messages, peers = [message for message, _ in drawn], [peer for _, peer in drawn]
    found = []
    for kind in ("reference", "compiled"):
        with running(kind, POLICY, Scripted(silent), clients=BEHIND_PROXY) as rig:
            rig.engine.name_clients(client_of)
            found.append(seen(rig, messages, peers))
    assert found[0] == found[1]
