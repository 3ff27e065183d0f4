"""Revisions show what they changed, and a rollback restores one without rewriting what has begun."""

from typing import Any

import pytest

from api.db.unit_of_work import LOCAL, UnitOfWork
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases

BAN = "/v1/authorities/town/bans/alpha"
STAFF = {"funding": "public", "audience": "staff"}
WHY = {"reason": "for a test"}


def _back(plane: Plane, number: int, query: str = "") -> Any:
    return plane.done("POST", f"/v1/revisions/{number}/rollback{query}", WHY)


def _ranges(plane: Plane) -> dict[str, tuple[str, str]]:
    items = plane.done("GET", "/v1/ranges?limit=200")["items"]
    return {item["prefix"]: (item["authority"], item["label"]) for item in items}


def test_revisions_are_listed_newest_first_page_by_page(town: Plane) -> None:
    number, token = town.account("toggler", ("operator", "town"))
    last = town.revision()
    town.clock.now = START + 60
    town.done("PATCH", BAN, {"mode": "off"}, token=token)
    town.account("another")
    revisions = town.done("GET", "/v1/revisions")["items"]
    assert [item["number"] for item in revisions] == list(range(last + 1, 0, -1))
    top = revisions[0]
    assert (top["account"], top["act"], top["object"], top["acts"]) == (number, "ban.set_off", "ban/town/alpha", 1)
    assert (top["time"], top["in_force"]) == ("2026-09-21T14:14:20Z", "2026-09-21T14:14:20Z")
    assert top["first_seq"] == top["last_seq"]
    pages, cursor = [], ""
    while cursor is not None:
        page = town.done("GET", "/v1/revisions", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        pages += page["items"]
        cursor = page["next"]
    assert pages == revisions


def test_acts_without_policy_change_belong_to_no_revision(plane: Plane) -> None:
    """All acts are in one second, by the installation itself, and have no request."""
    with plane.database.writing() as session:
        unit = UnitOfWork(session, LOCAL, START)
        unit.record("site.change", "site/default", None, None)
        unit.record("policy.load", "policy", None, {"acts": 1})
    with plane.database.writing() as session:
        unit = UnitOfWork(session, LOCAL, START)
        for act in ("checkpoint.key", "account.make", "grant.make", "token.make", "space.allot"):
            unit.note(act, "installation", None, None)
    plane.publisher.publish_current()
    (read,) = plane.done("GET", "/v1/revisions")["items"]
    assert (read["act"], read["acts"], read["last_seq"] - read["first_seq"]) == ("policy.load", 2, 1)


def test_revision_of_several_acts_shows_the_last_and_their_number(town: Plane) -> None:
    exported = town.call("GET", "/v1/policy").text.replace(
        'contact = "ict@example.org"', 'contact = "help@example.org"'
    )
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/toml"}
    applied = town.done("POST", "/v1/policy/apply", headers=headers, content=exported)
    read = town.done("GET", f"/v1/revisions/{applied['revision']}")
    assert (read["act"], read["acts"], read["last_seq"] - read["first_seq"]) == ("policy.apply", 3, 2)
    assert [
        (item["object"], item["before"]["contact"], item["after"]["contact"]) for item in read["changes"]["items"]
    ] == [
        ("authority/town", "ict@example.org", "help@example.org"),
        ("authority/zone", "ict@example.org", "help@example.org"),
    ]


@pytest.mark.heavy
def test_changes_match_the_audit_log(town: Plane) -> None:
    first = town.revision()
    bound = {"ban": "town/alpha", "authority": "zone", "ground": "agreement", "instrument": "a", "for": "1 year"}
    town.done("POST", "/v1/bindings", {**bound, "date": "2026-09-01"})
    town.done("POST", "/v1/bindings/1/accept")
    asked = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "1 month", "reason": "a study"}
    town.done("POST", "/v1/exemptions", asked)
    town.done("POST", f"{BAN}/terms", {"start": "2027-09-01", "for": "1 month", "decision": {"reference": "C-2"}})
    town.done("PUT", "/v1/sites/annex", {"name": "Annex"})
    town.done("DELETE", "/v1/sites/annex")
    town.done("DELETE", "/v1/ranges/default/198.51.100.0/24")
    for revision in range(1, town.revision() + 1):
        read = town.done("GET", f"/v1/revisions/{revision}")
        entry = town.done("GET", f"/v1/audit?limit=200&object={read['object']}")["items"]
        act = next(one for one in entry if one["seq"] == read["last_seq"])
        changed = [(item["object"], item["before"], item["after"]) for item in read["changes"]["items"]]
        assert changed == [(act["object"], act["before"], act["after"])], act["act"]
        assert [one["revision"] for one in read["publications"]] == [revision]
    assert town.revision() == first + 7


def test_the_difference_of_a_large_revision_comes_in_pages(town: Plane) -> None:
    exported = town.call("GET", "/v1/policy").text + "".join(
        f'\n[[range]]\nprefix = "10.0.{number}.0/24"\nauthority = "town"\nfunding = "public"\naudience = "staff"\n'
        for number in range(120)
    )
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": "application/toml"}
    revision = town.done("POST", "/v1/policy/apply", headers=headers, content=exported)["revision"]
    found: list[str] = []
    cursor: str | None = None
    while True:
        query = {"limit": 50, **({"cursor": cursor} if cursor else {})}
        page = town.done("GET", f"/v1/revisions/{revision}", params=query)["changes"]
        found += [item["object"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert sorted(found) == sorted(f"range/default/10.0.{number}.0/24" for number in range(120))
    for cursor in ("IjUi", "x", "NQ"):
        assert town.call("GET", f"/v1/revisions/{revision}?cursor={cursor}").status_code == 422


@pytest.mark.parametrize("number", ["0", "999", "9223372036854775807"])
def test_unknown_revision_is_not_found(untouched: Plane, number: str) -> None:
    assert untouched.call("GET", f"/v1/revisions/{number}").status_code == 404


@on_both_databases
def test_a_rollback_restores_ranges_modes_scopes_and_replies_as_a_new_revision(town: Plane) -> None:
    town.done("PATCH", BAN, {"reply": "address", "addresses": ["192.0.2.80"], "tiers": [1], "mode": "monitor"})
    then, ranges = town.revision(), _ranges(town)
    kept = town.done("GET", BAN)
    town.done("PATCH", BAN, {"reply": "refused", "tiers": [1, 2], "mode": "off"})
    town.done("DELETE", "/v1/ranges/default/192.0.2.0/24")
    town.done("PUT", "/v1/ranges/default/192.0.2.0/24", {"authority": "zone", **STAFF})
    town.done("PATCH", "/v1/ranges/default/198.51.100.0/24", {"label": "new", "audience": "public"})
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", {"authority": "town", **STAFF})
    before = town.revision()
    done = _back(town, then)
    assert (done["revision"], town.publisher.stored_revision(), done["dry_run"]) == (before + 1, before + 1, False)
    assert _ranges(town) == ranges
    now = town.done("GET", BAN)
    assert {**now, "revision": 0} == {**kept, "revision": 0}
    assert sorted((act["act"], act["object"]) for act in done["acts"]) == [
        ("ban.change", "ban/town/alpha"),
        ("ban.set_monitor", "ban/town/alpha"),
        ("ban.set_scope", "ban/town/alpha"),
        ("range.change", "range/default/198.51.100.0/24"),
        ("range.register", "range/default/192.0.2.0/24"),
        ("range.remove", "range/default/192.0.2.0/24"),
        ("range.remove", "range/default/203.0.113.0/24"),
    ]
    last = town.done("GET", "/v1/audit?limit=1")["items"][0]
    assert (last["act"], last["before"], last["after"]) == (
        "policy.rollback",
        {"revision": before},
        {"restored": then, "reason": "for a test", "acts": 7},
    )
    decision = town.done("GET", "/v1/decision?client=192.0.2.10&name=www.alpha1.example.org")
    assert decision["verdict"] == "monitor"
    assert _back(town, then) == {"acts": [], "revision": before + 1, "dry_run": False}
    assert town.revision() == before + 1


def test_rollback_undoes_a_change_of_scope_and_the_reason_of_a_mode(town: Plane) -> None:
    town.done("PATCH", BAN, {"mode": "monitor", "mode_reason": "a study"})
    then, kept = town.revision(), town.done("GET", BAN)
    town.done("PATCH", BAN, {"tiers": [1], "funding": ["private"], "audience": ["pupils", "public"]})
    town.done("PATCH", BAN, {"mode": "monitor", "mode_reason": "another study"})
    acts = [act["act"] for act in _back(town, then)["acts"]]
    assert acts == ["ban.set_scope", "ban.set_monitor"]
    assert {**town.done("GET", BAN), "revision": 0} == {**kept, "revision": 0}


@pytest.mark.heavy
def test_rollback_removes_a_reason_that_was_given_later(town: Plane) -> None:
    town.done("PATCH", BAN, {"mode": "monitor"})
    then, kept = town.revision(), town.done("GET", BAN)
    town.done("PATCH", BAN, {"mode": "monitor", "mode_reason": "a study"})
    assert [act["act"] for act in _back(town, then)["acts"]] == ["ban.set_monitor"]
    assert {**town.done("GET", BAN), "revision": 0} == {**kept, "revision": 0}


@pytest.mark.heavy
def test_what_has_begun_and_what_is_newer_stays_as_it_is(town: Plane) -> None:
    then = town.revision()
    town.done("PATCH", BAN, {"mode": "off"})
    town.done("POST", f"{BAN}/terms", {"start": "2027-09-01", "for": "1 month", "decision": {"reference": "C-2"}})
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    bound = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "a", "for": "1 year"}
    town.done("POST", "/v1/bindings", {**bound, "date": "2026-09-01"})
    town.done("PATCH", "/v1/authorities/town", {"contact": "help@example.org"})
    _, token = town.account("reader", ("reader", "town"))
    kept = [town.done("GET", path) for path in ("/v1/bindings", "/v1/grants", "/v1/authorities/town")]
    terms, other = town.done("GET", BAN)["terms"], town.done("GET", "/v1/authorities/zone/bans/beta")
    assert [act["act"] for act in _back(town, then)["acts"]] == ["ban.set_enforce"]
    assert kept == [town.done("GET", path) for path in ("/v1/bindings", "/v1/grants", "/v1/authorities/town")]
    assert town.done("GET", BAN)["terms"] == terms
    assert town.done("GET", "/v1/authorities/zone/bans/beta") == other
    assert town.call("GET", "/v1/self", token=token).status_code == 200


def test_a_rollback_restores_the_modes_of_a_lists_bans_and_leaves_the_list_as_it_is(town: Plane) -> None:
    path = "/v1/authorities/town/lists/apps"
    games = {"name": "Games", "domains": ["games.example.org"]}
    town.done("PUT", "/v1/authorities/town/services/games", games)
    town.done("PUT", path, {"services": ["beta", "town:games"]})
    town.done("POST", f"{path}/adopt", ban())
    then = town.revision()
    town.clock.now += 60
    town.done("PATCH", path, {"mode": "off", "mode_reason": "a test"})
    town.done("PUT", "/v1/authorities/town/services/games", {**games, "domains": ["play.example.org"]})
    town.done("PATCH", "/v1/authorities/town/bans/town:games", {"tiers": [1], "mode": "monitor"})
    town.clock.now += 60
    town.done("POST", f"{path}/versions", {"remove": ["beta"], "reason": "annulled"})
    kept, service = town.done("GET", path), town.done("GET", "/v1/services/town:games")
    acts = [(act["act"], act["object"]) for act in _back(town, then)["acts"]]
    assert ("ban.set_enforce", "ban/town/town:games") in acts
    assert {name for _, name in acts} <= {"ban/town/beta", "ban/town/town:games"}
    found = town.done("GET", path)
    assert (found["versions"], found["revision"]) == (kept["versions"], kept["revision"])
    assert [(item["service"], item["mode"]) for item in found["services"]] == [("town:games", "enforce")]
    assert town.done("GET", "/v1/authorities/town/bans/beta")["state"] == "lapsed"
    assert town.done("GET", "/v1/services/town:games") == service


def test_an_ended_ban_on_an_own_service_that_was_removed_does_not_prevent_a_rollback(town: Plane) -> None:
    games, on_games = "/v1/authorities/town/services/games", "/v1/authorities/town/bans/town:games"
    town.done("PUT", games, {"name": "Games", "domains": ["games.example.org"]})
    town.done("PUT", on_games, ban())
    then = town.revision()
    town.clock.now += 60
    town.done("PATCH", on_games, {"mode": "off"})
    town.clock.now += 60
    town.done("POST", f"{on_games}/end", {"reason": "it is over"})
    town.clock.now += 60
    town.done("DELETE", games)
    town.done("PATCH", BAN, {"mode": "off"})
    assert [(act["act"], act["object"]) for act in _back(town, then)["acts"]] == [("ban.set_enforce", "ban/town/alpha")]


def test_each_revision_of_a_list_an_own_service_or_a_name_can_be_shown(town: Plane) -> None:
    path = "/v1/authorities/town/lists/apps"
    town.done("PUT", "/v1/authorities/town/services/games", {"name": "Games", "domains": ["games.example.org"]})
    town.done("PUT", "/v1/authorities/town/names/www.example.com", {"verdict": "refuse", "reason": "phishing"})
    town.done("PUT", path, {"services": ["beta", "town:games"]})
    first = town.revision()
    town.done("POST", f"{path}/adopt", ban())
    town.done("PATCH", path, {"mode": "monitor"})
    shown = [town.done("GET", f"/v1/revisions/{number}") for number in range(first - 2, town.revision() + 1)]
    assert [(one["act"], [item["object"] for item in one["changes"]["items"]]) for one in shown] == [
        ("service.define", ["service/town:games"]),
        ("name.refuse", ["ban/town/www.example.com"]),
        ("list.create", []),
        # A revision names its last act: here that on the last ban of the list.
        ("ban.adopt", ["ban/town/beta", "ban/town/town:games"]),
        ("ban.set_monitor", ["ban/town/beta", "ban/town/town:games"]),
    ]


@on_both_databases
def test_dry_run_shows_the_acts_and_does_nothing(town: Plane) -> None:
    then = town.revision()
    town.done("PATCH", BAN, {"mode": "off"})
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", {"authority": "town", **STAFF})
    before, entries = town.revision(), town.done("GET", "/v1/audit?limit=200")["items"]
    shown = _back(town, then, "?dry_run=true")
    assert (shown["revision"], shown["dry_run"], town.revision()) == (before, True, before)
    assert town.publisher.stored_revision() == before
    assert town.done("GET", "/v1/audit?limit=200")["items"] == entries
    assert "203.0.113.0/24" in _ranges(town)
    # A dry run leaves nothing in memory: the next act gets the same revision.
    town.done("PUT", "/v1/ranges/default/203.0.113.128/25", {"authority": "zone", **STAFF})
    assert town.done("GET", "/v1/who?address=203.0.113.200")["authority"] == "zone"
    assert town.done("GET", "/v1/who?address=203.0.113.1")["authority"] == "town"
    done = _back(town, then)
    assert [act["act"] for act in shown["acts"]] == ["range.remove", "ban.set_enforce"]
    assert [act["act"] for act in done["acts"]] == ["range.remove", "range.remove", "ban.set_enforce"]


@pytest.mark.heavy
def test_everything_that_prevents_a_rollback_is_reported_and_nothing_is_done(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/third", authority())
    town.done("PUT", "/v1/ranges/default/10.0.0.0/24", {"authority": "third", **STAFF})
    town.done("PUT", "/v1/sites/annex", {"name": "Annex"})
    town.done("PUT", "/v1/ranges/annex/10.0.0.0/24", {"authority": "town", **STAFF})
    then = town.revision()
    for path in ("ranges/annex/10.0.0.0/24", "ranges/default/10.0.0.0/24", "sites/annex", "authorities/third"):
        town.done("DELETE", f"/v1/{path}")
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", {"authority": "town", **STAFF})
    asked = {"ban": "town/alpha", "ranges": ["203.0.113.0/24"], "for": "1 month", "reason": "a study"}
    town.done("POST", "/v1/exemptions", asked)
    town.done("PATCH", BAN, {"mode": "off"})
    before = town.revision()
    for query in ("", "?dry_run=true"):
        answer = town.call("POST", f"/v1/revisions/{then}/rollback{query}", WHY)
        assert answer.status_code == 409
        assert [(fault["location"], fault["message"]) for fault in answer.json()["faults"]] == [
            (
                "range/default/203.0.113.0/24",
                "an exemption names 203.0.113.0/24 at site default: revoke or reject it first",
            ),
            ("range/annex/10.0.0.0/24", "site annex is no longer registered: register it first"),
            ("range/default/10.0.0.0/24", "authority third is no longer registered: register it first"),
        ]
    assert (town.revision(), town.done("GET", BAN)["mode"]) == (before, "off")
    town.done("POST", "/v1/exemptions/1/reject", WHY, token=town.account("another", ("approver", "town"))[1])
    answer = town.call("POST", f"/v1/revisions/{then}/rollback", WHY)
    assert len(answer.json()["faults"]) == 2


@pytest.mark.parametrize(("number", "body", "status"), [(999, WHY, 404), (1, {}, 422), (1, {"reason": ""}, 422)])
def test_a_rollback_names_a_revision_that_is_kept_and_a_reason(
    untouched: Plane, number: int, body: dict[str, str], status: int
) -> None:
    assert untouched.call("POST", f"/v1/revisions/{number}/rollback", body).status_code == status


@pytest.mark.parametrize(
    ("role", "within", "statuses"),
    [
        ("reader", "town", (403, 403, 403)),
        ("operator", "town", (403, 403, 403)),
        ("auditor", None, (200, 200, 403)),
        ("administrator", None, (200, 200, 200)),
    ],
)
def test_auditors_read_revisions_and_administrators_go_back(
    town: Plane, role: str, within: str | None, statuses: tuple[int, ...]
) -> None:
    _, token = town.account("somebody", (role, within))
    last = town.revision()
    calls: list[tuple[str, str, Any]] = [
        ("GET", "/v1/revisions", None),
        ("GET", f"/v1/revisions/{last}", None),
        ("POST", f"/v1/revisions/{last}/rollback", WHY),
    ]
    assert tuple(town.call(*call, token=token).status_code for call in calls) == statuses
