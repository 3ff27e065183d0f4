"""Real stub clients in front of a real node: each resolves, falls back to TCP and shows its user what is refused."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clients import FORGED, FORGED_ADDRESS, SIGNED, Office, office
from tests.support.components import component

# Options that make each client use EDNS. BY_TCP has those for TCP after truncation: drill needs one, the others retry.
CLIENTS = {
    "dig": ("-r", "+noidnin", "+noidnout"),
    "kdig": ("+edns",),
    "drill": ("-D",),
}
BY_TCP = {"dig": (), "kdig": (), "drill": ("-t",)}
STATUS = re.compile(r"(?:status|rcode): ([A-Z]+)")
FLAGS = re.compile(r"^;; flags: ?([a-z ]*);", re.MULTILINE)

ANSWERS = [
    ("www.example.org", "A", "192.0.2.1"),
    ("www.example.org", "AAAA", "2001:db8::1"),
    ("www.example.org", "TXT", '"the web site"'),
    ("mail.example.net", "A", "192.0.2.2"),
    ("inner.example.org", "A", "198.51.100.10"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Start the node that the clients ask."""
    with office(tmp_path_factory.mktemp("office")) as running:
        yield running


def ask(place: Office, client: str, name: str, qtype: str, *more: str) -> str:
    """Run the client and return everything that it shows its user."""
    server = ("-p", str(place.node.port), "@127.0.0.1")
    done = component(client).run(*server, *CLIENTS[client], *more, name, qtype)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def status(shown: str) -> str:
    found = STATUS.search(shown)
    assert found is not None, shown
    return found[1]


def records(shown: str, qtype: str) -> list[str]:
    """Return the data of the records with this type, as the client prints it."""
    lines = [line.split(None, 4) for line in shown.splitlines() if line and not line.startswith(";")]
    return [line[4] for line in lines if line[3] == qtype]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("name", "qtype", "data"), ANSWERS)
def test_a_stub_client_resolves(place: Office, client: str, name: str, qtype: str, data: str) -> None:
    shown = ask(place, client, name, qtype)
    assert (status(shown), records(shown, qtype)) == ("NOERROR", [data])


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stub_client_gets_service_bindings(place: Office, client: str) -> None:
    shown = ask(place, client, "www.example.org", "HTTPS")
    assert status(shown) == "NOERROR"
    assert [data.replace('"', "") for data in records(shown, "HTTPS")] == ["1 . alpn=h2,h3 ipv4hint=192.0.2.1"]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stub_client_gets_over_tcp_what_is_too_large_for_udp(place: Office, client: str) -> None:
    before = _over_tcp(place)
    shown = ask(place, client, "big.example.org", "TXT", *BY_TCP[client])
    assert status(shown) == "NOERROR"
    assert sorted(records(shown, "TXT")) == [f'"{letter * 250}"' for letter in "abcdefghij"]
    assert _over_tcp(place) == before + 1


def _over_tcp(place: Office) -> float:
    samples = place.node.metrics().items()
    return sum(count for name, count in samples if name.startswith("dnsfilter_queries_total") and '"tcp"' in name)


def test_drill_says_that_an_answer_over_udp_was_truncated(place: Office) -> None:
    flags = FLAGS.search(ask(place, "drill", "big.example.org", "TXT"))
    assert flags is not None
    assert "tc" in flags[1].split()


@pytest.mark.parametrize("client", CLIENTS)
def test_a_stub_client_learns_that_a_name_does_not_exist(place: Office, client: str) -> None:
    shown = ask(place, client, "absent.example.org", "A")
    assert status(shown) == "NXDOMAIN"
    assert records(shown, "SOA") == ["ns.example.org. hostmaster.example.org. 2023031000 3600 600 86400 60"]


REASON = "ict@ghent.example; {} geblokkeerd door Stad Gent"
REFUSALS = [
    ("www.tiktok.com", "TikTok", "REFUSED", [], []),
    ("video.example.org", "TikTok", "REFUSED", [], []),
    ("www.capcut.com", "CapCut", "NXDOMAIN", [], ["localhost. nobody.invalid. 1 3600 600 86400 10"]),
    ("www.facebook.com", "Facebook", "NOERROR", [], ["localhost. nobody.invalid. 1 3600 600 86400 10"]),
    ("www.instagram.com", "Instagram", "NOERROR", ["192.0.2.80"], []),
]


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize(("name", "service", "rcode", "addresses", "soas"), REFUSALS)
def test_a_stub_client_shows_its_user_the_refusal_and_the_reason(
    place: Office, client: str, name: str, service: str, rcode: str, addresses: list[str], soas: list[str]
) -> None:
    shown = ask(place, client, name, "A")
    assert (status(shown), records(shown, "A"), records(shown, "SOA")) == (rcode, addresses, soas)
    reason = REASON.format(service)
    assert re.search(r"\bEDE: 15\b", shown)
    assert (reason in shown) or (reason.encode().hex(" ") in shown)  # drill prints the bytes of the text


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("www.instagram.com", '{"c":["mailto:ict@ghent.example"],"s":5,"fdbs":[{"db":"ghent","id":"CBS/2026/7"}]}'),
        ("www.tiktok.com", REASON.format("TikTok")),
    ],
    ids=["formal decision", "none"],
)
def test_dig_that_asks_for_json_gets_the_entry_of_the_register(place: Office, name: str, text: str) -> None:
    shown = ask(place, "dig", name, "A", "+ednsopt=15:0000")
    assert f"EDE: 15 (Blocked): ({text})" in shown
    assert "EDE: 4" not in shown


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("qtype", ["AAAA", "HTTPS", "TXT", "MX", "DS"])
def test_a_stub_client_gets_nothing_of_a_banned_name_by_asking_for_another_type(
    place: Office, client: str, qtype: str
) -> None:
    shown = ask(place, client, "www.tiktok.com", qtype)
    assert (status(shown), records(shown, qtype)) == ("REFUSED", [])


def delv(place: Office, tmp_path: Path, name: str, qtype: str = "A") -> list[str]:
    """Run delv, with the signed zone's key as its only trust anchor, and return its lines."""
    flags, protocol, algorithm, key = place.key.split(None, 3)
    anchors = tmp_path / "anchors"
    anchors.write_text(f'trust-anchors {{ {SIGNED}. static-key {flags} {protocol} {algorithm} "{key}"; }};\n')
    server = ("@127.0.0.1", "-p", str(place.node.port))
    done = component("delv").run(*server, "-a", str(anchors), f"+root={SIGNED}", name, qtype)
    return (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize(
    ("name", "qtype"),
    [
        ("www.example.org", "A"),
        ("www.example.org", "AAAA"),
        ("www.example.org", "HTTPS"),
        ("big.example.org", "TXT"),
        ("inner.example.org", "A"),
        ("x.wild.example.org", "A"),
    ],
)
def test_delv_validates_what_comes_through_us(place: Office, tmp_path: Path, name: str, qtype: str) -> None:
    shown = delv(place, tmp_path, name, qtype)
    assert shown[0] == "; fully validated"
    assert any(line.startswith(f"{name}.") for line in shown)


@pytest.mark.parametrize(
    ("name", "qtype"), [("absent.example.org", "A"), ("www.example.org", "SRV"), ("www.example.org", "ANY")]
)
def test_delv_validates_what_is_denied(place: Office, tmp_path: Path, name: str, qtype: str) -> None:
    assert delv(place, tmp_path, name, qtype)[0] == "; negative response, fully validated"


def test_delv_takes_an_unsigned_zone_for_unsigned(place: Office, tmp_path: Path) -> None:
    shown = delv(place, tmp_path, "plain.example.net")
    assert shown[0] == "; unsigned answer"
    assert shown[1].split() == ["plain.example.net.", "300", "IN", "A", "203.0.113.10"]


def test_delv_rejects_what_a_forger_changed_on_the_way_to_us(place: Office, tmp_path: Path) -> None:
    shown = delv(place, tmp_path, FORGED)
    assert shown[-1].startswith(";; resolution failed: ")
    assert any("RRSIG failed to verify" in line for line in shown), shown
    assert not any(FORGED_ADDRESS in line for line in shown)


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("www.tiktok.com", ";; resolution failed: failure"),
        ("video.example.org", ";; resolution failed: failure"),
        ("www.capcut.com", ";; resolution failed: ncache nxdomain"),
        ("www.facebook.com", ";; resolution failed: ncache nxrrset"),
    ],
)
def test_delv_is_refused_what_is_banned(place: Office, tmp_path: Path, name: str, last: str) -> None:
    shown = delv(place, tmp_path, name)
    assert shown[-1] == last
    assert not any(" A\t" in line or "\tA\t" in line for line in shown)


@pytest.mark.parametrize("name", ["clip", "page", "photo"])
def test_delv_rejects_our_reply_for_an_alias_in_a_signed_zone(place: Office, tmp_path: Path, name: str) -> None:
    shown = delv(place, tmp_path, f"{name}.example.org")
    assert shown[-1].startswith(";; resolution failed: ")
    assert not any("validated" in line for line in shown), shown
