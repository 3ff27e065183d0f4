"""Real forwarders in front of a real node: how each resolves, validates if it can, and treats a refusal."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.clients import FORGED, Dnsmasq, Forwarder, ForwardingUnbound, Office, Resolved, office_within
from tests.support.dig import ExtendedError
from tests.support.namespaces import Namespace

NODE = "127.0.0.1:53"
PLAIN = ("dnsmasq", "unbound", "resolved")
VALIDATING = ("unbound, validating", "resolved, validating")

plain = pytest.mark.parametrize("forwarder", PLAIN, indirect=True)
validating = pytest.mark.parametrize("forwarder", VALIDATING, indirect=True)


class Place(NamedTuple):
    """A namespace with the nodes of an office."""

    space: Namespace
    office: Office


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """Start the node that every forwarder asks."""
    with Namespace() as space:
        space.add_device("eth0", "192.0.2.1/24")  # without a network, systemd-resolved sends no queries
        with office_within(space, tmp_path_factory.mktemp("office")) as running:
            yield Place(space, running)


@pytest.fixture(scope="module")
def forwarder(
    request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Forwarder]:
    """Start the forwarder that the parameter names.

    Only one forwarder runs at a time, since systemd-resolved always has the same address.
    """
    program, _, validating = str(request.param).partition(", ")
    with _forwarder(place, program, tmp_path_factory.mktemp("forwarder") / program, bool(validating)) as running:
        yield running


def _forwarder(place: Place, program: str, directory: Path, validating: bool) -> Forwarder:
    key = place.office.key if validating else None
    if program == "unbound":
        return ForwardingUnbound(place.space, directory, NODE, key=key)
    if program == "resolved":
        return Resolved(place.space, directory, NODE, key=key)
    return Dnsmasq(place.space, directory, NODE)


@plain
@pytest.mark.parametrize(
    ("name", "qtype", "data"),
    [
        ("www.example.org", "A", ["192.0.2.1"]),
        ("www.example.org", "AAAA", ["2001:db8::1"]),
        ("www.example.org", "HTTPS", ['1 . alpn="h2,h3" ipv4hint=192.0.2.1']),
        ("inner.example.org", "A", ["198.51.100.10"]),
        ("mail.example.net", "A", ["192.0.2.2"]),
        ("big.example.org", "TXT", [f'"{letter * 250}"' for letter in "abcdefghij"]),
    ],
)
def test_a_forwarder_resolves_through_us(forwarder: Forwarder, name: str, qtype: str, data: list[str]) -> None:
    found = forwarder.dig(name, qtype)
    assert found.rcode == "NOERROR"
    assert sorted(found.rdata(qtype)) == data
    assert sorted(forwarder.dig(name, qtype).rdata(qtype)) == data


@plain
def test_a_forwarder_passes_on_that_a_name_does_not_exist(forwarder: Forwarder) -> None:
    found = forwarder.dig("absent.example.org")
    assert found.rcode == "NXDOMAIN"
    assert [record.type for record in found.authority] == ["SOA"]


# If a server refuses, unbound asks a few more times and then fails. systemd-resolved drops extended errors.
# dnsmasq passes them on only with an answer that it has just received, not from its cache. So each name is asked once.
SEEN_OF_REFUSED = {"dnsmasq": "REFUSED", "unbound": "SERVFAIL", "resolved": "REFUSED"}
SAYS_WHY = {"dnsmasq"}


@plain
@pytest.mark.parametrize("name", ["www.tiktok.com", "tiktokcdn.com", "video.example.org"])
@pytest.mark.parametrize("qtype", ["A", "AAAA", "HTTPS"])
def test_a_forwarder_returns_no_data_for_a_refused_name(forwarder: Forwarder, name: str, qtype: str) -> None:
    found = forwarder.dig(name, qtype)
    assert (found.rcode, found.answers) == (SEEN_OF_REFUSED[forwarder.name], ())
    assert _why(found.ede) == _expected(forwarder, "TikTok geblokkeerd")


@plain
@pytest.mark.parametrize(
    ("name", "rcode", "addresses", "service"),
    [
        ("www.capcut.com", "NXDOMAIN", [], "CapCut"),
        ("www.facebook.com", "NOERROR", [], "Facebook"),
        ("www.instagram.com", "NOERROR", ["192.0.2.80"], "Instagram"),
    ],
)
def test_a_forwarder_passes_on_the_other_replies_of_a_ban(
    forwarder: Forwarder, name: str, rcode: str, addresses: list[str], service: str
) -> None:
    found = forwarder.dig(name)
    assert (found.rcode, found.rdata("A")) == (rcode, addresses)
    assert _why(found.ede) == _expected(forwarder, f"{service} geblokkeerd")


def _why(errors: tuple[ExtendedError, ...]) -> list[str]:
    """Return what the text for people says is refused. A reference of the decision may follow it."""
    parts = [part for error in errors if error.code == 15 for part in error.text.split("; ")]
    return [part.partition(" door Stad Gent")[0] for part in parts if " door Stad Gent" in part]


def _expected(forwarder: Forwarder, reason: str) -> list[str]:
    return [reason] if forwarder.name in SAYS_WHY else []


@validating
@pytest.mark.parametrize(
    ("name", "qtype", "rcode"),
    [
        ("www.example.org", "A", "NOERROR"),
        ("www.example.org", "HTTPS", "NOERROR"),
        ("www.example.org", "SRV", "NOERROR"),
        ("big.example.org", "TXT", "NOERROR"),
        ("x.wild.example.org", "A", "NOERROR"),
        ("absent.example.org", "A", "NXDOMAIN"),
    ],
)
def test_a_forwarder_validates_what_comes_through_us(forwarder: Forwarder, name: str, qtype: str, rcode: str) -> None:
    found = forwarder.dig(name, qtype, "+adflag")
    assert (found.rcode, "ad" in found.flags) == (rcode, True)


@validating
def test_a_forwarder_takes_an_unsigned_zone_for_unsigned(forwarder: Forwarder) -> None:
    found = forwarder.dig("plain.example.net", "A", "+adflag")
    assert (found.rdata("A"), "ad" in found.flags) == (["203.0.113.10"], False)


@validating
def test_a_forwarder_that_validates_rejects_what_a_forger_changed_on_the_way_to_us(forwarder: Forwarder) -> None:
    found = forwarder.dig(FORGED)
    assert (found.rcode, found.answers) == ("SERVFAIL", ())


@validating
@pytest.mark.parametrize("name", ["video", "clip", "page", "photo"])
def test_a_validating_forwarder_returns_no_data_for_a_signed_alias_to_a_banned_name(
    forwarder: Forwarder, name: str
) -> None:
    found = forwarder.dig(f"{name}.example.org")
    assert (found.rcode, found.answers) == ("SERVFAIL", ())


@validating
@pytest.mark.parametrize(("name", "rcode"), [("www.capcut.com", "NXDOMAIN"), ("www.facebook.com", "NOERROR")])
def test_a_forwarder_that_validates_passes_on_the_reply_for_a_banned_name_of_an_unsigned_zone(
    forwarder: Forwarder, name: str, rcode: str
) -> None:
    found = forwarder.dig(name, "A", "+adflag")
    assert (found.rcode, found.answers, "ad" in found.flags) == (rcode, (), False)
