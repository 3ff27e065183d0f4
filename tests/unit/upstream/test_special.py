"""Names that are answered locally, and similar names that are not."""

from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.upstream.special import APEXES, LocalAnswer, Records, below, special
from dnsfilter.wire.iana import Type
from tests.support.row_tables import each_row

NOERROR, NXDOMAIN = 0, 3
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, SRV, DS, HTTPS, ANY = 1, 2, 5, 6, 12, 15, 16, 28, 33, 43, 65, 255
V6_LOOPBACK = "1." + "0." * 31 + "ip6.arpa"


def wire(text: str) -> bytes:
    labels = [label.encode() for label in text.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


ANSWERED = [
    ("localhost", A, NOERROR, "localhost", Records.ADDRESS_V4),
    ("localhost", AAAA, NOERROR, "localhost", Records.ADDRESS_V6),
    ("db.localhost", A, NOERROR, "localhost", Records.ADDRESS_V4),
    ("localhost", MX, NOERROR, "localhost", Records.NONE),
    ("localhost", HTTPS, NOERROR, "localhost", Records.NONE),
    ("invalid", A, NXDOMAIN, "invalid", Records.NONE),
    ("a.b.test", TXT, NXDOMAIN, "test", Records.NONE),
    ("abc.onion", A, NXDOMAIN, "onion", Records.NONE),
    ("x.alt", A, NXDOMAIN, "alt", Records.NONE),
    ("printer.local", AAAA, NXDOMAIN, "local", Records.NONE),
    ("_ldap._tcp.dc._msdcs.corp.local", SRV, NXDOMAIN, "local", Records.NONE),
    ("build.internal", A, NXDOMAIN, "internal", Records.NONE),
    ("home.arpa", A, NOERROR, "home.arpa", Records.NONE),
    ("home.arpa", SOA, NOERROR, "home.arpa", Records.SOA),
    ("home.arpa", NS, NOERROR, "home.arpa", Records.NS),
    ("nas.home.arpa", DS, NXDOMAIN, "home.arpa", Records.NONE),
    ("default.service.arpa", A, NXDOMAIN, "service.arpa", Records.NONE),
    ("resolver.arpa", SOA, NOERROR, "resolver.arpa", Records.NONE),
    ("_dns.resolver.arpa", 64, NOERROR, "resolver.arpa", Records.NONE),
    ("10.in-addr.arpa", SOA, NOERROR, "10.in-addr.arpa", Records.SOA),
    ("10.in-addr.arpa", PTR, NOERROR, "10.in-addr.arpa", Records.NONE),
    ("7.3.2.10.in-addr.arpa", PTR, NXDOMAIN, "10.in-addr.arpa", Records.NONE),
    ("1.16.172.in-addr.arpa", PTR, NXDOMAIN, "16.172.in-addr.arpa", Records.NONE),
    ("1.31.172.in-addr.arpa", PTR, NXDOMAIN, "31.172.in-addr.arpa", Records.NONE),
    ("9.1.168.192.in-addr.arpa", PTR, NXDOMAIN, "168.192.in-addr.arpa", Records.NONE),
    ("1.64.100.in-addr.arpa", PTR, NXDOMAIN, "64.100.in-addr.arpa", Records.NONE),
    ("1.127.100.in-addr.arpa", PTR, NXDOMAIN, "127.100.in-addr.arpa", Records.NONE),
    ("255.255.255.255.in-addr.arpa", PTR, NOERROR, "255.255.255.255.in-addr.arpa", Records.NONE),
    ("1.0.0.127.in-addr.arpa", PTR, NOERROR, "127.in-addr.arpa", Records.POINTER),
    ("1.0.0.127.in-addr.arpa", ANY, NOERROR, "127.in-addr.arpa", Records.POINTER),
    ("1.0.0.127.in-addr.arpa", A, NOERROR, "127.in-addr.arpa", Records.NONE),
    ("0.127.in-addr.arpa", PTR, NOERROR, "127.in-addr.arpa", Records.NONE),
    ("2.0.0.127.in-addr.arpa", PTR, NXDOMAIN, "127.in-addr.arpa", Records.NONE),
    ("1.1.0.0.127.in-addr.arpa", PTR, NXDOMAIN, "127.in-addr.arpa", Records.NONE),
    (V6_LOOPBACK, PTR, NOERROR, V6_LOOPBACK, Records.POINTER),
    (V6_LOOPBACK, SOA, NOERROR, V6_LOOPBACK, Records.SOA),
    ("0." * 32 + "ip6.arpa", PTR, NOERROR, "0." * 32 + "ip6.arpa", Records.NONE),
    ("5.d.f.ip6.arpa", PTR, NXDOMAIN, "d.f.ip6.arpa", Records.NONE),
    ("b.e.f.ip6.arpa", PTR, NOERROR, "b.e.f.ip6.arpa", Records.NONE),
    ("1.8.b.d.0.1.0.0.2.ip6.arpa", PTR, NXDOMAIN, "8.b.d.0.1.0.0.2.ip6.arpa", Records.NONE),
]


@each_row(("name", "qtype", "rcode", "apex", "records"), ANSWERED)
def test_name_is_answered_locally(name: str, qtype: int, rcode: int, apex: str, records: Records) -> None:
    overridable = apex not in ("onion", "resolver.arpa")
    assert special(wire(name), qtype) == LocalAnswer(rcode, wire(apex), records, overridable)


@each_row(
    "name",
    [
        ".",
        "www.example",
        "www.example.org",
        "local.example.org",
        "localhost.example.org",
        "x.xlocal",
        "x.notlocalhost",
        "in-addr.arpa",
        "172.in-addr.arpa",
        "15.172.in-addr.arpa",
        "32.172.in-addr.arpa",
        "63.100.in-addr.arpa",
        "128.100.in-addr.arpa",
        "192.in-addr.arpa",
        "110.in-addr.arpa",
        "c.e.f.ip6.arpa",
        "1.1.1.1.in-addr.arpa",
        "ipv4only.arpa",
        "xhome.arpa",
        "use-application-dns.net",
        "mask.icloud.com",
    ],
)
@each_row("qtype", [A, PTR, SOA, ANY])
def test_name_is_resolved_like_any_other(name: str, qtype: int) -> None:
    assert special(wire(name), qtype) is None


@each_row("apex", ["home.arpa", "service.arpa", "10.in-addr.arpa", "127.in-addr.arpa", "d.f.ip6.arpa"])
def test_the_proof_that_a_local_zone_is_unsigned_comes_from_its_parent(apex: str) -> None:
    assert special(wire(apex), DS) is None
    assert special(wire(f"1.{apex}"), DS) == LocalAnswer(NXDOMAIN, wire(apex), Records.NONE, overridable=True)


def test_a_single_label_that_prints_like_a_special_name_is_not_one() -> None:
    assert special(b"\x09home.arpa\0", TXT) is None
    assert special(b"\x0bx.localhost\0", TXT) is None


@each_row("name", ["printer", "wpad", "com", "arpa", "example", "xlocal", "_ldap"])
def test_a_host_of_one_label_stays_here_and_a_top_level_domain_is_resolved(name: str) -> None:
    for qtype in (A, AAAA, HTTPS, CNAME, ANY):
        assert special(wire(name), qtype) == LocalAnswer(NOERROR, wire(name), Records.NONE, overridable=True)
    for qtype in (NS, SOA, DS, MX, TXT, SRV):
        assert special(wire(name), qtype) is None


@given(st.binary(max_size=80), st.integers(0, 65_535))
def test_arbitrary_bytes_raise_no_error(data: bytes, qtype: int) -> None:
    answer = special(data, qtype)
    assert answer is None or data.endswith(answer.apex)


@given(st.lists(st.sampled_from(["a", "0", "1", "127", "local", "arpa"]), max_size=6), st.integers(0, 65_535))
def test_everything_below_resolver_arpa_exists_and_is_empty(labels: list[str], qtype: int) -> None:
    answer = special(wire(".".join([*labels, "resolver.arpa"])), qtype)
    assert answer == LocalAnswer(NOERROR, wire("resolver.arpa"), Records.NONE, overridable=False)


@each_row("apex", sorted(APEXES))
def test_below_a_zone_every_name_and_type_gets_the_same_or_it_depends(apex: bytes) -> None:
    names = (
        b"\x01x" + apex,
        b"\x010" + apex,
        b"\x01a\x01b\x010" + apex,
        b"\x010\x010" + apex,
        b"\x011\x010\x010" + apex,
    )
    found = {
        (answer.rcode, answer.records, answer.apex)
        for name in names
        for qtype in Type
        if (answer := special(name, qtype)) is not None
    }
    rcode = below(apex)
    assert found == {(rcode, Records.NONE, apex)} if rcode is not None else len(found) > 1 or apex == wire(V6_LOOPBACK)
