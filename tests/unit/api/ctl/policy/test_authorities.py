"""Commands on authorities, sites, ranges and the catalogue."""

import json

import pytest

from blocklists.catalogue import Catalogue
from blocklists.categories import Category
from tests.unit.api.ctl.conftest import Ctl, Served


def test_authority_is_registered_then_only_given_fields_change(served: Served, ctl: Ctl) -> None:
    new = ctl(
        "authority", "set", "harbour", "--kind", "agency", "--name", "nl=Haven", "--name", "fr=Port",
        "--languages", "nl,fr", "--contact", "ict@harbour.example",
    )  # fmt: skip
    assert new.code == 0, new.err
    assert ctl("authority", "set", "harbour", "--name", "fr=Le port", "--usage", "none").code == 0
    found = served.plane.done("GET", "/v1/authorities/harbour")
    assert (found["names"], found["usage"], found["kind"]) == ({"nl": "Haven", "fr": "Le port"}, "none", "agency")
    assert ctl("authority", "list", "--kind", "agency").out.splitlines()[1].split()[:2] == ["harbour", "Haven"]
    assert ctl("authority", "remove", "harbour").out == "removed authority harbour\n"
    assert ctl("authority", "show", "harbour").code == 2


def test_a_register_is_published_and_withdrawn(served: Served, ctl: Ctl) -> None:
    shown = ctl("authority", "set", "ghent", "--register", "on")
    assert "published at /register" in shown.out
    assert served.plane.call("GET", "/v1/register/ghent", headers={}).status_code == 200
    assert "not published" in ctl("authority", "set", "ghent", "--register", "off").out
    assert served.plane.call("GET", "/v1/register/ghent", headers={}).status_code == 404


def test_incomplete_authority_is_not_registered(served: Served, ctl: Ctl) -> None:
    done = ctl("authority", "set", "harbour", "--kind", "agency")
    assert done.code == 2
    faults = {"--languages: is missing", "--contact: is missing", "--name: give at least one"}
    assert faults <= set(done.err.splitlines())


@pytest.mark.parametrize(
    ("level", "message"),
    [
        ("client", 'usage "client" needs an act of its own, with a purpose and an end: use none, authority, range'),
        ("all", "'all' is not one of none, authority, range"),
    ],
)
def test_usage_level_that_needs_an_act_of_its_own_is_not_offered(ctl: Ctl, level: str, message: str) -> None:
    done = ctl("authority", "set", "ghent", "--usage", level)
    assert done.code == 2
    assert done.err.endswith(f"argument --usage: {message}\n")


def test_list_shows_closed_and_closing_authorities(served: Served, ctl: Ctl) -> None:
    ctl("authority", "close", "ghent", "--at", "2026-10-01", "--reason", "merged")
    [line] = [line for line in ctl("authority", "list").out.splitlines() if line.startswith("ghent")]
    assert "  closing, served through 30 September 2026  " in line
    served.plane.clock.now += 30 * 86_400
    listed = ctl("authority", "list").out.splitlines()
    assert ["  closed, was served" in line for line in listed if line.startswith(("diest", "ghent"))] == [False, True]


@pytest.mark.parametrize("command", [("who", "127.0.5.10"), ("explain", "127.0.5.10", "tiktok.com")])
def test_unknown_site_is_wrong_input(served: Served, ctl: Ctl, command: tuple[str, ...]) -> None:
    done = ctl(*command, "--site", "nowhere")
    assert (done.code, 'No site "nowhere". See dnsfilterctl site list.' in done.err) == (2, True)


def test_a_range_is_registered_once_changed_and_removed(served: Served, ctl: Ctl) -> None:
    fields = ("--funding", "public", "--audience", "staff", "--label", "annex")
    assert ctl("range", "add", "ghent", "2001:db8::/32", *fields).code == 0
    again = ctl("range", "add", "diest", "2001:db8::/32", *fields)
    problem = "dnsfilterctl: 2001:db8::/32 at site default is already registered to ghent. "
    problem += "To move it: dnsfilterctl range move AUTHORITY 2001:db8::/32\n"
    assert (again.code, again.err) == (2, problem)
    assert "audience   pupils" in ctl("range", "set", "2001:db8::/32", "--audience", "pupils").out
    listed = json.loads(ctl("range", "list", "--authority", "ghent", "--json").out)["items"]
    assert [entry["label"] for entry in listed if entry["prefix"] == "2001:db8::/32"] == ["annex"]
    assert ctl("range", "remove", "2001:db8::/32").code == 0
    assert ctl("range", "remove", "2001:db8::/32").code == 2
    assert ctl("range", "add", "ghent", "192.0.2.1/24", *fields).code == 2


def test_a_site_has_ranges_of_its_own(served: Served, ctl: Ctl) -> None:
    assert ctl("site", "set", "harbour", "--name", "Harbour office").code == 0
    added = ctl(
        "range", "add", "ghent", "127.0.5.0/24", "--site", "harbour", "--funding", "public", "--audience", "staff"
    )
    assert added.code == 0, added.err
    assert ctl("site", "remove", "harbour").code == 2
    assert ctl("range", "remove", "127.0.5.0/24", "--site", "harbour").code == 0
    assert "harbour  Harbour office" in ctl("site", "list").out
    assert ctl("site", "remove", "harbour").code == 0


def test_catalogue_is_listed_completely_and_shown_by_tier(served: Served, ctl: Ctl) -> None:
    listed = ctl("service", "list").out
    assert any(line.split()[:2] == ["tiktok", "TikTok"] for line in listed.splitlines())
    shown = ctl("service", "show", "tiktok").out
    assert "tier 1: " in shown
    assert any(line.split("  ", 2)[1].startswith("tiktok.com") for line in shown.splitlines() if line.startswith("  "))
    assert "and all below it" in shown


def test_services_of_one_category_are_listed(served: Served, packaged: Catalogue, ctl: Ctl) -> None:
    listed = ctl("service", "list", "--category", "ai").out.splitlines()[1:]
    assert [line.split()[0] for line in listed] == [e.slug for e in packaged.entries if e.category is Category.AI]
    assert ctl("service", "list", "--category", "network").code == 2
