"""Headers of the PROXY protocol: which are valid, and whom they name."""

from ipaddress import ip_address

from dnsfilter.engine.interface import nobody
from dnsfilter.wire.proxy_header import ProxyHeader, parse_proxy_header, proxy_header_size, unwrap_proxied
from tests.support.proxied import LOCAL, SIGNATURE, TCP4, UDP4, UDP6, header, named
from tests.support.row_tables import each_row

PEER = ip_address("192.0.2.1").packed


@each_row(
    "data, size, client",
    [
        (header("192.0.2.7"), 28, "192.0.2.7"),
        (header("192.0.2.7", TCP4), 28, "192.0.2.7"),
        (header("2001:db8::7"), 52, "2001:db8::7"),
        (header("2001:db8::7", 0x21), 52, "2001:db8::7"),
        (header("::ffff:192.0.2.7"), 52, "192.0.2.7"),
        (header("192.0.2.7", more=b"\x04\0\x05hello"), 36, "192.0.2.7"),
        (header("192.0.2.7", more=bytes(484)), 512, "192.0.2.7"),
        (LOCAL, 16, None),
        (header("192.0.2.7", 0x00, version=0x20), 28, None),
        (header("192.0.2.7", 0xFF, version=0x20), 28, None),
    ],
)
def test_valid_header_names_the_client_or_the_proxy(data: bytes, size: int, client: str | None) -> None:
    packed = None if client is None else ip_address(client).packed
    assert parse_proxy_header(data + b"message") == ProxyHeader(size, packed, None)
    assert unwrap_proxied(data + b"message", PEER, lambda _name, peer: peer) == (b"message", packed or PEER)


@each_row(
    "data",
    [
        b"",
        b"\0" * 64,
        b"PROXY UDP4 192.0.2.7 192.0.2.1 4321 53\r\n",
        header("192.0.2.7", version=0x11),
        header("192.0.2.7", version=0x22),
        header("192.0.2.7", 0x00),
        header("192.0.2.7", 0x10),
        header("192.0.2.7", 0x13),
        header("192.0.2.7", 0x31, bytes(204)),
        header("192.0.2.7", 0x41),
        header("192.0.2.7", UDP6),
        header("192.0.2.7", more=bytes(485)),
        header("192.0.2.7")[:27],
        SIGNATURE + b"\x21\x12\0\x0b" + bytes(11),
        LOCAL[:15],
    ],
)
def test_message_without_a_valid_header_is_empty(data: bytes) -> None:
    assert parse_proxy_header(data) is None
    assert unwrap_proxied(data, PEER, nobody) == (b"", PEER)


@each_row(
    "values, found",
    [
        (named("DNS.example.org"), "dns.example.org"),
        (b"\x04\0\x01x" + named("dns.example.org") + b"\x04\0\0", "dns.example.org"),
        (named("") + named("b.example.org") + named("c.example.org"), "b.example.org"),
        (named("\xfc.example.org"), "\xc3\xbc.example.org"),
        (named("dns.example.org")[:-1], None),
        (b"\x04\xff\xff" + named("dns.example.org"), None),
        (b"\x02\0", None),
        (b"", None),
    ],
)
def test_first_complete_server_name_counts(values: bytes, found: str | None) -> None:
    for client in ("192.0.2.7", "2001:db8::7"):
        parsed = parse_proxy_header(header(client, more=values) + b"message")
        assert parsed is not None
        assert parsed.server_name == found


def test_client_of_the_server_name_asks() -> None:
    def client_of(name: str | None, peer: bytes) -> bytes | None:
        return bytes(16) if name == "fleet.example.org" else peer if name == "dns.example.org" else None

    client = ip_address("192.0.2.7").packed
    for name, found in (
        ("fleet.example.org", (b"message", bytes(16))),
        ("dns.example.org", (b"message", client)),
        ("other.example.org", (b"", PEER)),
    ):
        assert unwrap_proxied(header("192.0.2.7", more=named(name)) + b"message", PEER, client_of) == found


def test_size_is_known_as_soon_as_possible() -> None:
    complete = header("192.0.2.7", UDP4, b"\x04\0\x01x")
    assert [proxy_header_size(complete[:length]) for length in (0, 1, 12, 15, 16, 32, 33)] == [16] * 4 + [32] * 3
    assert proxy_header_size(b"\r\n\r\n\0\r\nQUIX") is None
