"""RFC 9715 and DNS flag day 2020: no message that we send or accept is fragmented.

`test_truncation` covers the size of replies to clients.
"""

import select
import socket
from collections.abc import Iterable
from ipaddress import ip_address

import dns.edns
import dns.message
import dns.rcode

from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.interface import Miss
from dnsfilter.engine.reference.pool import UpstreamPool
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import internet, office
from tests.support.engines import MECHELEN, data, query
from tests.support.row_tables import each_row
from tests.support.scripted import Asked, Scripted, reply
from tests.support.starting import Start

NAME = "plain.example.org"
FORGED = "203.0.113.66"


def exactly(asked: Asked, raw: int, line: str) -> bytes:
    """Return a true reply with the record `line`. A second text record fills it to `raw` bytes."""
    fill = raw - len(reply(asked, (line,), additional=('x. 300 TXT ""',)))
    strings = ['"' + "x" * 255 + '"'] * (fill // 256) + ['"' + "x" * (fill % 256) + '"']
    made = reply(asked, (line,), additional=(f"x. 300 TXT {' '.join(strings)}",))
    assert len(made) == raw
    return made


@each_row("transport", tuple(Transport))
@each_row("payload", [False, 0, 512, 1232, 4096, 65535])
def test_the_upstream_is_offered_1232_bytes_for_any_client(
    start: Start, payload: int | bool, transport: Transport
) -> None:
    rig = start(office(), internet())
    rig.ask(query(NAME, edns=False) if payload is False else query(NAME, payload=payload), transport=transport)
    sent = dns.message.from_wire(rig.upstream.asked[0].message)
    assert (sent.edns, sent.payload) == (0, 1232)


@each_row("raw", [1_232, 1_233, 1_500, 9_000, 65_000])
def test_a_datagram_larger_than_our_limit_is_asked_again_over_tcp(start: Start, raw: int) -> None:
    def behave(asked: Asked) -> Iterable[bytes]:
        address = "198.51.100.10" if asked.by_stream or raw <= 1_232 else FORGED
        return (exactly(asked, raw, f"{NAME}. 300 A {address}"),)

    rig = start(office(), Scripted(behave))
    wait = rig.begin(query(NAME))
    if raw > 1_232:
        rig.until(lambda: b"" if rig.by_stream else None)
        assert isinstance(rig.judge(query(NAME)), Miss)
        rig.complete()
    assert data(wait()) == ["A 198.51.100.10"]
    assert data(rig.at_once(query(NAME), transport=Transport.TCP)) == ["A 198.51.100.10"]
    assert [asked.by_stream for asked in rig.upstream.asked] == [False, True][: 1 + (raw > 1_232)]


def test_a_large_datagram_that_the_stream_does_not_confirm_is_no_answer(start: Start) -> None:
    rig = start(office(), Scripted(lambda asked: (exactly(asked, 1_500, f"{NAME}. 300 A {FORGED}"),)))
    wait = rig.begin(query(NAME))
    rig.until(lambda: b"" if rig.by_stream else None)
    rig.complete(lambda _upstream, _message: None)
    assert wait().rcode() == dns.rcode.SERVFAIL
    assert rig.at_once(query(NAME)).rcode() == dns.rcode.SERVFAIL


def test_what_is_sent_upstream_is_far_from_being_fragmented(start: Start) -> None:
    longest = ".".join(("x" * 63, "y" * 63, "z" * 63, "w" * 61))
    rig = start(office(), Scripted(lambda asked: (reply(asked, rcode=dns.rcode.NXDOMAIN),)))
    options = [dns.edns.GenericOption(dns.edns.OptionType.make(65001), bytes(600))]
    rig.ask(query(longest, do=True, cd=True, options=options), MECHELEN)
    assert len(rig.upstream.asked[0].message) == 12 + 255 + 4 + 11


@each_row(("address", "level", "option"), [("127.0.0.1", socket.IPPROTO_IP, 10), ("::1", socket.IPPROTO_IPV6, 23)])
def test_no_icmp_message_makes_the_sockets_towards_upstream_fragment(address: str, level: int, option: int) -> None:
    poller = select.epoll()
    pool = UpstreamPool(0, Endpoint(ip_address(address), 53), poller)
    try:
        sock = pool.draw(0)[0].sock
        # 10 is IP_MTU_DISCOVER, 23 is IPV6_MTU_DISCOVER, and 5 is their ..._PMTUDISC_OMIT (linux/in.h, linux/in6.h).
        assert sock.getsockopt(level, option) == 5
    finally:
        pool.close()
        poller.close()
