"""Lists in pages."""

from collections.abc import Iterator
from itertools import product
from operator import itemgetter
from typing import Any
from urllib.parse import quote

import pytest

from api.http.pagination import encode_cursor
from tests.unit.api.conftest import BACKEND, Plane, authority, ban, on_both_databases, opened

pytestmark = pytest.mark.heavy

DAY_S = 86_400
KINDS = ("police_zone", "municipality", "agency")


@pytest.fixture(scope="module")
def filled(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Return a town with bans, ranges and exemptions in every state, for tests that only read it."""
    with opened(request, tmp_path_factory.mktemp("filled") / "state", BACKEND, settled=True) as made:
        _fill(made)
        yield made


def _all(plane: Plane, path: str, query: str, limit: int = 2) -> list[Any]:
    """Return every item of a list, read in small pages."""
    items: list[Any] = []
    cursor = ""
    while True:
        page = plane.done("GET", f"{path}?limit={limit}&{query}{cursor}")
        assert len(page["items"]) <= limit
        items += page["items"]
        if page["next"] is None:
            return items
        cursor = f"&cursor={quote(page['next'])}"


def test_pages_of_a_list_have_no_gaps_or_duplicates(plane: Plane) -> None:
    slugs = [f"town-{number:02}" for number in range(7)]
    for slug in slugs:
        plane.done("PUT", f"/v1/authorities/{slug}", authority())
    seen: list[str] = []
    cursor = ""
    while True:
        page = plane.done("GET", f"/v1/authorities?limit=3{cursor}")
        seen += [item["slug"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == slugs


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "cursor=%%%", "cursor=MTI", "cursor=e30", "cursor=Ilx1ZDgwMCI", "cursor=" + "a" * 2500],
)
def test_a_faulty_page_is_refused(filled: Plane, query: str) -> None:
    assert filled.call("GET", f"/v1/authorities?{query}").status_code == 422


@on_both_databases
def test_a_list_is_sorted_across_its_pages(plane: Plane) -> None:
    for number in range(7):
        body = authority(kind=KINDS[number % 3], group="Brüssel 🏛" * (number % 2))
        plane.done("PUT", f"/v1/authorities/town-{number * 3 % 7}", body)
    for field, falling in product(("slug", "kind", "group", "revision"), (False, True)):
        sort = f"-{field}" if falling else field
        items = _all(plane, "/v1/authorities", f"sort={sort}")
        wanted = sorted(items, key=itemgetter(field, "slug"), reverse=falling)
        assert [item["slug"] for item in items] == [item["slug"] for item in wanted], sort
        assert len({item["slug"] for item in items}) == 7


@pytest.mark.parametrize(
    ("path", "sort", "field"),
    [
        ("/v1/bans", "-number", "number"),
        ("/v1/bans", "service", "service"),
        ("/v1/bans", "-mode", "mode"),
        ("/v1/authorities/town/bans", "-service", "service"),
        ("/v1/ranges", "label", "label"),
        ("/v1/ranges", "-authority", "authority"),
        ("/v1/ranges", "-revision", "revision"),
        ("/v1/exemptions", "-number", "number"),
        ("/v1/exemptions", "start", "start"),
        ("/v1/exemptions", "-end", "end"),
        ("/v1/audit", "seq", "seq"),
        ("/v1/audit", "-seq", "seq"),
    ],
)
def test_other_lists_are_sorted_too(filled: Plane, path: str, sort: str, field: str) -> None:
    items = _all(filled, path, f"sort={sort}")
    values = [item[field] for item in items]
    assert len(items) >= 2
    assert values == sorted(values, reverse=sort.startswith("-"))
    assert len({str(item) for item in items}) == len(items)


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        ("/v1/bans", "mode=monitor", {("beta", "town")}),
        ("/v1/bans", "mode=off", set()),
        ("/v1/authorities/zone/bans", "mode=enforce", {("alpha", "zone")}),
        ("/v1/ranges", "funding=private", {"203.0.113.0/24"}),
        ("/v1/ranges", "audience=staff&authority=town", {"192.0.2.0/24"}),
        ("/v1/ranges", "audience=pupils", set()),
        ("/v1/exemptions", "state=requested", {1, 3}),
        ("/v1/exemptions", "state=planned", {2}),
        ("/v1/exemptions", "state=in_force", set()),
        ("/v1/exemptions", "state=rejected", {4}),
        ("/v1/exemptions", "state=revoked", {5}),
        ("/v1/exemptions", "state=lapsed", set()),
    ],
)
def test_lists_are_filtered(filled: Plane, path: str, query: str, found: set[Any]) -> None:
    assert {_name(item) for item in _all(filled, path, query)} == found


def test_the_state_filter_agrees_with_the_state_shown(town: Plane) -> None:
    _fill(town)
    body = {"ban": "town/alpha", "site": "default", "ranges": ["192.0.2.0/24"], "reason": "a test of states"}
    number = town.done("POST", "/v1/exemptions", {**body, "start": "2026-09-23", "for": "1 month"})["number"]
    town.done("POST", f"/v1/exemptions/{number}/approve", token=town.other())
    states = ("requested", "planned", "in_force", "lapsed", "rejected", "revoked")
    shown: set[str] = set()
    for days in (0, 3, 60):
        town.clock.now += days * DAY_S
        found = {state: _all(town, "/v1/exemptions", f"state={state}", 200) for state in states}
        assert all(item["state"] == state for state, items in found.items() for item in items)
        assert sum(map(len, found.values())) == number
        shown |= {state for state, items in found.items() if items}
    assert shown == set(states)


@on_both_databases
def test_acts_are_found_by_time_account_authority_and_family(town: Plane) -> None:
    number, token = town.account("operator", ("operator", "town"), ("operator", "zone"))
    town.clock.now += 10 * DAY_S
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"}, token=token)
    town.clock.now += 10 * DAY_S
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban(), token=token)
    since, until = "2026-09-25", "2026-10-05T00:00:00Z"
    cases: list[tuple[str, list[str]]] = [
        (f"account={number}", ["ban.adopt", "ban.set_off"]),
        (f"account={number}&authority=zone", ["ban.adopt"]),
        (f"since={since}", ["ban.adopt", "ban.set_off"]),
        (f"since={since}&until={until}", ["ban.set_off"]),
        (f"until={since}&act=ban", ["ban.adopt"]),
        ("act=ban", ["ban.adopt", "ban.set_off", "ban.adopt"]),
        ("act=ban.set_off", ["ban.set_off"]),
        (f"account={number}&act=range", []),
    ]
    for query, acts in cases:
        assert [item["act"] for item in _all(town, "/v1/audit", query)] == acts, query


def test_dates_in_the_audit_log_filter_are_local_days_including_the_last(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/town", authority(time_zone="Asia/Tokyo"))
    town.clock.now = 1_790_091_000
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    cases: tuple[tuple[str, list[str]], ...] = (
        ("since=2026-09-22", ["ban.set_off"]),
        ("since=2026-09-23", []),
        ("until=2026-09-22&act=ban.set_off", ["ban.set_off"]),
        ("until=2026-09-21&act=ban.set_off", []),
        ("since=22 September 2026 17:30:00 CEST", ["ban.set_off"]),
        ("since=2026-09-23&authority=town", ["ban.set_off"]),
        ("until=2026-09-22&authority=town&act=ban.set_off", []),
    )
    for query, acts in cases:
        assert [item["act"] for item in _all(town, "/v1/audit", query)] == acts, query
    assert town.call("GET", "/v1/audit?since=1 July 2026 09:00 CET").status_code == 422


def test_a_clock_that_was_set_back_hides_no_act(town: Plane) -> None:
    town.clock.now += 3600
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    town.clock.now -= 3600
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "enforce"})
    found = [item["act"] for item in _all(town, "/v1/audit", "since=2026-09-21T14:30:00Z")]
    assert found == ["ban.set_off"]
    earlier = _all(town, "/v1/audit", "until=2026-09-21T14:30:00Z&act=ban")
    assert [item["act"] for item in earlier] == ["ban.set_enforce", "ban.adopt"]


@on_both_databases
def test_a_reader_finds_only_what_concerns_its_authority(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "town"))
    assert town.done("GET", "/v1/audit?authority=zone", token=token)["items"] == []
    assert {tuple(item["authorities"]) for item in town.done("GET", "/v1/audit", token=token)["items"]} == {("town",)}


@pytest.mark.parametrize(
    "cursor",
    [
        ["-slug", "town", "town"],
        ["kind", 5, "town"],
        ["kind", "agency"],
        ["kind", "agency", "town", "more"],
        ["kind", "\ud800", "town"],
        ["kind", "agency", 2**70],
        "town",
    ],
)
def test_a_cursor_of_another_order_is_refused(filled: Plane, cursor: Any) -> None:
    text = encode_cursor(cursor) if "\ud800" not in cursor else "WyJraW5kIiwiXHVkODAwIiwidG93biJd"
    assert filled.call("GET", f"/v1/authorities?sort=kind&cursor={text}").status_code == 422


@pytest.mark.parametrize(
    "query",
    [
        "authorities?sort=names",
        "bans?sort=--number",
        "ranges?sort=prefix",
        "exemptions?state=lost",
        "audit?sort=act",
        "audit?since=some-day",
        "audit?account=-1",
        "audit?account=99999999999999999999",
        "audit?act=" + "a" * 65,
    ],
)
def test_invalid_list_parameters_are_refused(filled: Plane, query: str) -> None:
    assert filled.call("GET", f"/v1/{query}").status_code == 422


def _name(item: Any) -> Any:
    if "prefix" in item:
        return item["prefix"]
    return item["number"] if "ranges" in item else (item["service"], item["authority"])


def _fill(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(mode="monitor"))
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    for prefix, funding in (("203.0.113.0/24", "private"), ("198.51.100.128/25", "partly_public")):
        body = {"authority": "town", "label": f"net {prefix}", "funding": funding, "audience": "public"}
        town.done("PUT", f"/v1/ranges/default/{prefix}", body)
    for day in range(5):
        start, span = f"2026-09-2{2 + day * 3 % 5}", f"{5 - day} months"
        asked = {"ban": "town/alpha", "site": "default", "ranges": ["192.0.2.0/24"], "reason": f"on day {day}"}
        town.done("POST", "/v1/exemptions", {**asked, "start": start, "for": span})
    for number, act in ((2, "approve"), (5, "approve"), (4, "reject"), (5, "revoke")):
        body = {"reason": "as decided"} if act != "approve" else {}
        town.done("POST", f"/v1/exemptions/{number}/{act}", body, token=town.other())
