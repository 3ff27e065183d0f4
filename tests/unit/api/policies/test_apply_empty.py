"""Fill an empty database from a file, with closings and with what has ended."""

from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.db.unit_of_work import LOCAL, UnitOfWork
from api.policies.first_policy import load_into_empty
from dnsfilter.policy.decide import Decision, decide
from dnsfilter.policy.model import Policy
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import Plane, authority, ban, make_plane, on_both_databases

pytestmark = pytest.mark.heavy

DAY_S = 86_400
DECISION = {"organ": "parliament", "reference": "decree 2026/4", "date": "2026-06-05", "legal_basis": "decree 343"}
WHY = {"reason": "the two are one", "decision": DECISION}
DATE = "2026-12-01"
HEADER_LINES = 2
"""Lines of an export with the revision, which differs between databases."""


def _send(plane: Plane, path: str, text: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/toml"}
    return plane.call("POST", path, headers=headers, content=text)


def _exported(plane: Plane) -> str:
    return "".join(plane.call("GET", "/v1/policy").text.splitlines(keepends=True)[HEADER_LINES:])


@pytest.fixture
def ended(town: Plane) -> Plane:
    """Merge a village into the town, close a harbour, and plan the closing of a zone."""
    for slug, third in (("village", 113), ("harbour", 114)):
        town.done("PUT", f"/v1/authorities/{slug}", authority())
        body = {"authority": slug, "funding": "public", "audience": "staff"}
        town.done("PUT", f"/v1/ranges/default/203.0.{third}.0/24", body)
    town.done(
        "PUT",
        "/v1/authorities/zone/bans/beta",
        ban(terms=[{"for": "3 months"}, {"start": "2027-02-01", "for": "1 year"}]),
    )
    town.done("PUT", "/v1/authorities/harbour/bans/beta", ban())
    # The town's existing ban then follows the village's.
    town.done("PUT", "/v1/authorities/village/bans/alpha", ban(terms=[{"for": "1 year"}]))
    town.done("PUT", "/v1/authorities/village/bans/beta", {"provisional": True})
    for of, to, ground in (
        ("zone/beta", "town", "law"),
        ("harbour/beta", "zone", "agreement"),
        ("zone/beta", "village", "agreement"),
    ):
        made = town.done(
            "POST",
            "/v1/bindings",
            {"ban": of, "authority": to, "ground": ground, "instrument": "letter 1", "date": "2026-09-01"},
        )
        if to == "zone":
            town.done("POST", f"/v1/bindings/{made['number']}/accept")
    for of, prefix, approved in (
        ("village/alpha", "203.0.113.0/24", True),
        ("harbour/beta", "203.0.114.0/24", False),
        ("zone/beta", "198.51.100.0/24", True),
        ("zone/beta", "198.51.100.0/24", False),
    ):
        wanted = {
            "ban": of,
            "ranges": [prefix],
            "reason": f"why {approved}",
            "hours": ["Mon 00:00-12:00"],
            "for": "6 months",
        }
        number = town.done("POST", "/v1/exemptions", wanted)["number"]
        if approved:
            town.done("POST", f"/v1/exemptions/{number}/approve", {}, token=town.other())
    town.clock.now += DAY_S
    town.done("POST", "/v1/authorities/village/merge", {"into": "town", **WHY})
    town.done("POST", "/v1/authorities/harbour/close", {"reason": "no ships"})
    town.done("POST", "/v1/authorities/zone/close", {**WHY, "at": DATE})
    town.clock.now += DAY_S
    return town


@pytest.fixture
def elsewhere(ended: Plane, tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> Iterator[Plane]:
    """Yield a control plane filled with an export of the first at the same instant; PostgreSQL empties the first's."""
    path = tmp_path / "policy.toml"
    path.write_text(_exported(ended))
    url = request.getfixturevalue("server").fresh() if backend == "postgresql" else None
    made = make_plane(tmp_path / "elsewhere", url=url)
    made.clock.now = ended.clock.now
    assert load_into_empty(made.app.state.runtime, path)
    made.publisher.publish_current()
    yield made
    made.database.close()


@on_both_databases
def test_what_is_exported_loads_elsewhere_as_the_same_text(elsewhere: Plane, tmp_path: Path) -> None:
    text = (tmp_path / "policy.toml").read_text()
    assert text.count("closes = ") == 3
    assert "closes = 2026-12-01\nclosed_reason = " in text
    assert 'successor = "town"' in text
    assert _exported(elsewhere) == text
    assert _send(elsewhere, "/v1/policy/diff", text).json() == {"acts": [], "faults": [], "warnings": []}


def _policy(plane: Plane) -> Policy:
    with plane.database.reading() as session:
        return plane.publisher.current(UnitOfWork(session, LOCAL, int(plane.clock.now)))


def _decisions(policy: Policy, since: int) -> list[Decision]:
    clients = ("192.0.2.9", "198.51.100.9", "203.0.113.9", "203.0.114.9")
    names = [parse_name(f"{service}1.example.org") for service in ("alpha", "beta")]
    instants = [since, since + 1, *range(since + DAY_S // 4, since + 200 * DAY_S, DAY_S)]
    return [
        decide(policy, "default", ip_address(client), name, at)
        for client in clients
        for name in names
        for at in instants
    ]


def test_elsewhere_the_same_is_refused_at_every_instant_and_the_same_are_closed(ended: Plane, elsewhere: Plane) -> None:
    since = int(ended.clock.now)
    results: list[Any] = []
    for policy in map(_policy, (ended, elsewhere)):
        bans = {ban.number: (ban.authority, ban.service) for ban in policy.bans}
        decisions = _decisions(policy, since)
        results.append([replace(one, ban=None) for one in decisions])
        results.append([bans.get(one.ban or 0) for one in decisions])
    assert results[:2] == results[2:]
    assert len({one.verdict for one in decisions}) == 2
    for slug in ("village", "harbour", "zone"):
        here, there = (plane.done("GET", f"/v1/authorities/{slug}") for plane in (ended, elsewhere))
        assert {**here, "revision": 1} == there
    entries = elsewhere.done("GET", "/v1/audit?limit=200&act=authority.close")["items"]
    assert [entry["object"] for entry in entries] == ["authority/zone", "authority/village", "authority/harbour"]
    elsewhere.publisher.store_in_force()
    at = elsewhere.done("GET", "/v1/who?address=192.0.2.9")["at"]
    assert elsewhere.done("GET", f"/v1/trace?client=192.0.2.9&name=alpha1.example.org&at={at}")["reproduced"]
    for slug in ("harbour", "zone"):
        refused = elsewhere.call("PUT", f"/v1/authorities/{slug}/bans/alpha", ban())
        assert (refused.status_code, f"authority {slug} clos" in refused.text) == (409, True)


ON_RECORD = (
    ("closes = 2026-12-01", "closes = 2026-12-02", "zone"),
    ('closed_reason = "no ships"', 'closed_reason = "ships"', "harbour"),
    ('successor = "town"\n', "", "village"),
    ("decree 2026/4", "decree 2026/5", "village"),
)


def test_file_with_another_closing_than_recorded_is_rejected(ended: Plane) -> None:
    text, revision = _exported(ended), ended.revision()
    assert _send(ended, "/v1/policy/diff", text).json() == {"acts": [], "faults": [], "warnings": []}
    for old, new, slug in ON_RECORD:
        head, mark, rest = text.partition("[[range]]")
        assert old in head
        faults = _send(ended, "/v1/policy/diff", head.replace(old, new) + mark + rest).json()["faults"]
        messages = {fault["location"]: fault["message"] for fault in faults}
        assert messages[f"authority/{slug}"].startswith(
            f"the closing of {slug} is recorded and cannot change: copy closes"
        )
    assert ended.revision() == revision


def test_file_neither_closes_nor_reopens_an_authority(town: Plane) -> None:
    before = _exported(town)
    closes = before.replace('contact = "ict@example.org"\n', 'contact = "ict@example.org"\ncloses = 2100-01-01\n')
    faults = _send(town, "/v1/policy/apply", closes).json()["faults"]
    assert [fault["location"] for fault in faults] == ["authority/town", "authority/zone"]
    assert faults[0]["message"] == "a file cannot close or merge town: use dnsfilterctl authority close or merge"
    town.done("POST", "/v1/authorities/zone/close", {"reason": "no more"})
    refused = _send(town, "/v1/policy/apply", before)
    assert (refused.status_code, [fault["location"] for fault in refused.json()["faults"]]) == (422, ["authority/zone"])
    assert town.done("GET", "/v1/authorities/zone")["state"] == "closed"


ONE = """
[[authority]]
slug = "town"
kind = "municipality"
names = { nl = "Stad" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@example.org"
"""


def _ban(service: str, more: str = "") -> str:
    text = f'[[ban]]\nauthority = "town"\nservice = "{service}"\nmode = "enforce"\n{more}'
    return f'{text}[[ban.term]]\nstart = 2026-09-01\nfor = "72 hours"\n'


def test_a_provisional_ban_that_has_lapsed_is_loaded_as_that(plane: Plane) -> None:
    assert _send(plane, "/v1/policy/apply", ONE + _ban("alpha", "provisional = true\n")).status_code == 200
    found = plane.done("GET", "/v1/authorities/town/bans/alpha")
    assert (found["state"], found["provisional"], found["terms"][0]["end"]) == ("lapsed", True, "2026-09-03T22:00:00Z")


@pytest.mark.parametrize(
    ("text", "locations"),
    [
        (ONE + 'closes = 2027-01-01\nsuccessor = "zone"\n' + ONE.replace("town", "zone"), ["authority/town"]),
        (ONE + _ban("alpha") + '[[ban.term]]\nstart = 2026-10-01\nfor = "1 day"\n' * 100, ["ban/town/alpha"]),
        (
            ONE
            + ONE.replace("town", "zone")
            + _ban("alpha", 'decision.follows = "zone"\n')
            + _ban("alpha", 'decision.follows = "town"\n').replace('authority = "town"', 'authority = "zone"'),
            ["ban/town/alpha"],
        ),
    ],
    ids=["merger ahead", "too many terms", "circle"],
)
def test_invalid_history_is_not_loaded(plane: Plane, text: str, locations: list[str]) -> None:
    faults: list[dict[str, Any]] = _send(plane, "/v1/policy/diff", text).json()["faults"]
    assert [fault["location"] for fault in faults] == locations
    assert _send(plane, "/v1/policy/apply", text).status_code == 422
    assert plane.done("GET", "/v1/authorities")["items"] == []


def test_site_missing_from_the_file_is_removed(plane: Plane) -> None:
    plane.done("PUT", "/v1/sites/annex", {"name": "Annex"})
    answer = _send(plane, "/v1/policy/apply", ONE).json()
    assert [act["act"] for act in answer["acts"]] == ["site.remove", "authority.register"]
    assert [site["slug"] for site in plane.done("GET", "/v1/sites")["items"]] == ["default"]
