"""Options become answers; every fault is reported at once."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from dnsfilter.cli.setup.answers import Answers, answers_of, reverse_zones
from dnsfilter.cli.setup.present import Present
from dnsfilter.errors import ConfigError
from tests.unit.cli.setup.conftest import options

NOTHING = Present((), (), (), {}, {}, "")
GHENT = Present((), (), (), {"ghent": {"contact": "ict@ghent.example"}}, {"192.0.2.0/24": "offices"}, "")


@pytest.mark.parametrize(
    ("prefix", "zones"),
    [
        ("192.0.2.0/24", ["2.0.192.in-addr.arpa"]),
        ("192.0.2.128/25", ["2.0.192.in-addr.arpa"]),
        ("192.0.2.1/32", ["2.0.192.in-addr.arpa"]),
        ("10.0.0.0/8", ["10.in-addr.arpa"]),
        ("10.1.2.0/23", ["2.1.10.in-addr.arpa", "3.1.10.in-addr.arpa"]),
        ("2001:db8::/32", ["8.b.d.0.1.0.0.2.ip6.arpa"]),
        ("2001:db8::/47", [f"{last}.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa" for last in "01"]),
    ],
)
def test_reverse_zones_cover_a_network(prefix: str, zones: list[str]) -> None:
    assert list(reverse_zones(ip_network(prefix))) == zones


def test_without_options_nothing_is_asked() -> None:
    assert answers_of(options(), NOTHING) == Answers()


def test_every_fault_is_reported() -> None:
    typed = ["--listen", "x", "--upstream", "224.0.0.1", "--network", "192.0.2.0/24,staff", "--name", "Gent"]
    with pytest.raises(ConfigError) as raised:
        answers_of(options(*typed, "--domain", "a..b", "--mail-server", "192.0.2.25", "--reply", "silence"), NOTHING)
    places = [problem.location for problem in raised.value.problems]
    assert sorted(places) == [
        "--authority", "--contact", "--controller", "--domain", "--listen", "--mail-from", "--name", "--network",
        "--reply", "--upstream",
    ]  # fmt: skip


def test_a_new_authority_gets_defaults_and_one_that_is_there_only_what_is_given() -> None:
    new = answers_of(options("--authority", "ghent", "--name", "nl=Stad Gent", "--name", "fr=Gand"), NOTHING)
    assert new.authority == {
        "names": {"nl": "Stad Gent", "fr": "Gand"},
        "languages": ["nl", "fr"],
        "time_zone": "Europe/Brussels",
    }
    held = answers_of(options("--kind", "municipality", "--network", "192.0.2.0/24,public,staff"), GHENT)
    assert (held.slug, held.authority, held.networks[0].label) == ("ghent", {"kind": "municipality"}, "offices")
    several = Present((), (), (), {"ghent": {}, "bxl": {}}, {}, "")
    assert answers_of(options("--authority", "bxl", "--name", "fr=Bruxelles"), several).authority == {
        "names": {"fr": "Bruxelles"}
    }


@pytest.mark.parametrize(
    "typed", ["--kind=city", "--name=nl=Gent", "--languages=nl", "--time-zone=UTC", "--contact=a@b"]
)
def test_a_field_of_no_authority_is_refused(typed: str) -> None:
    with pytest.raises(ConfigError, match="name the authority"):
        answers_of(options(typed), NOTHING)


@pytest.mark.parametrize("typed", ["192.0.2.25?to=x", "mail.example\nDNSFILTER_API_DATABASE=x", "a:word@mail.example"])
def test_a_mail_server_is_a_host_and_a_port(typed: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST or HOST:PORT"):
        answers_of(options("--mail-server", typed, "--mail-from", "dns@ghent.example"), GHENT)


def test_a_mail_server_alone_keeps_the_known_sender_and_recipient() -> None:
    held = replace(NOTHING, mail_from="dns@ghent.example", mail_to="ict@ghent.example")
    answers = answers_of(options("--mail-server", "192.0.2.26"), held)
    assert (answers.mail_from, answers.contact) == ("dns@ghent.example", "ict@ghent.example")
    with pytest.raises(ConfigError, match="--mail-from: give the sender"):
        answers_of(options("--mail-server", "192.0.2.26"), NOTHING)


def test_notices_go_to_the_contact_that_is_there() -> None:
    answers = answers_of(options("--mail-server", "192.0.2.25", "--mail-from", "dns@ghent.example"), GHENT)
    assert answers.contact == "ict@ghent.example"
