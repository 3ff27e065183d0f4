"""Own services: authorities define services, everybody can ban them, and the guard limits their names."""

from typing import Any

import httpx
import pytest

from api.services.repository import own_services
from api.services.service import content_of
from tests.unit.api.conftest import Plane, ban, on_both_databases

GAMES = "/v1/authorities/town/services/games"
SLUG = "town:games"
NAME, HOST, OTHER = "games.example.org", "www.play.example.net", "other.example.com"
BODY = {"name": "Games", "source": "letter 7", "note": "asked for by schools", "domains": [NAME], "hosts": [HOST]}
RANGES = {"town": "192.0.2.0/24", "zone": "198.51.100.0/24"}


@pytest.fixture
def games(town: Plane) -> Plane:
    town.done("PUT", GAMES, BODY)
    for slug, prefix in RANGES.items():
        body = {"authority": slug, "funding": "public", "audience": "staff"}
        town.done("PUT", f"/v1/ranges/default/{prefix}", body)
    return town


def _verdict(plane: Plane, name: str, client: str = "192.0.2.10") -> str:
    return str(plane.done("GET", "/v1/decision", params={"client": client, "name": name})["verdict"])


@on_both_databases
def test_a_ban_on_an_own_service_refuses_its_names_also_elsewhere(games: Plane) -> None:
    games.done("PUT", f"/v1/authorities/town/bans/{SLUG}", ban())
    follows = {"mode": "enforce", "decision": {**ban()["decision"], "follows": f"town/{SLUG}"}}
    games.done("PUT", f"/v1/authorities/zone/bans/{SLUG}", follows)
    for client in ("192.0.2.10", "198.51.100.10"):
        verdicts = [_verdict(games, name, client) for name in (f"a.{NAME}", HOST, f"a.{HOST}", OTHER)]
        assert verdicts == ["refuse", "refuse", "pass", "pass"]
    games.done("POST", f"{GAMES}/names", {"add": [OTHER]})
    games.done("POST", f"{GAMES}/names", {"remove": [HOST], "exact": True})
    assert [_verdict(games, name) for name in (NAME, HOST, OTHER)] == ["refuse", "pass", "refuse"]
    games.done("PATCH", f"/v1/authorities/town/bans/{SLUG}", {"mode": "off"})
    assert _verdict(games, NAME) == "pass"
    assert games.done("GET", "/v1/bans", params={"service": SLUG})["items"][0]["service"] == SLUG


def test_a_definition_is_shown_as_given_and_listed(games: Plane) -> None:
    read = games.done("GET", f"/v1/services/{SLUG}")
    assert read == games.done("GET", GAMES)
    assert {**BODY, "slug": SLUG, "authority": "town"}.items() >= {
        (key, read[key]) for key in ("slug", "authority", "name", "source", "note")
    }
    assert [(tier["domains"], tier["hosts"]) for tier in read["tiers"]] == [([NAME], [HOST])]
    listed = games.done("GET", "/v1/services")["items"]
    assert [(one["slug"], one["authority"], one["names"]) for one in listed] == [
        ("alpha", None, 2),
        ("beta", None, 1),
        (SLUG, "town", 2),
    ]
    first = games.done("GET", "/v1/services", params={"limit": 2})
    second = games.done("GET", "/v1/services", params={"limit": 2, "cursor": first["next"]})
    assert [one["slug"] for one in (*first["items"], *second["items"])] == ["alpha", "beta", SLUG]
    assert [one["slug"] for one in games.done("GET", "/v1/services?category=video")["items"]] == ["alpha", "beta"]
    assert games.done("GET", "/v1/authorities/zone/services")["items"] == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"note": "other"}, {"note": "other", "name": "Games"}),
        ({"domains": ["bücher.example.org"]}, {"domains": ["xn--bcher-kva.example.org"], "hosts": [HOST]}),
        ({"hosts": []}, {"domains": [NAME], "hosts": []}),
        ({"domains": [NAME, f"a.{NAME}"], "hosts": [f"b.{NAME}"]}, {"domains": [NAME], "hosts": []}),
    ],
)
def test_a_change_replaces_the_given_fields_and_drops_covered_names(
    games: Plane, change: Any, expected: dict[str, Any]
) -> None:
    read = games.done("PATCH", GAMES, change)
    found = {**read, **read["tiers"][0]}
    found["name"] = read["name"]
    assert {key: found[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("method", "path", "body", "location", "words"),
    [
        ("PUT", f"{GAMES}2", {**BODY, "domains": ["akamaiedge.net"]}, "body.names", "akamaiedge.net hits"),
        ("PUT", f"{GAMES}2", {**BODY, "domains": ["co.uk"]}, "body.names", "co.uk hits co.uk (Public Suffix List)"),
        ("PUT", GAMES, {"name": "Games"}, "body.domains", "has no name"),
        ("PATCH", GAMES, {"domains": [NAME, "192.0.2.1"]}, "body.domains[1]", "'192.0.2.1' is an address"),
        ("POST", f"{GAMES}/names", {"add": ["a b"]}, "body.add[0]", "'a b'"),
        ("POST", f"{GAMES}/names", {"remove": [OTHER]}, "body.remove", f"{SLUG} does not list {OTHER}"),
        ("POST", f"{GAMES}/names", {"remove": [NAME], "exact": True}, "body.remove", "as exactly this name"),
    ],
)
def test_names_that_cannot_be_used_are_named_and_change_nothing(
    games: Plane, method: str, path: str, body: Any, location: str, words: str
) -> None:
    revision = games.revision()
    answer = games.call(method, path, body)
    assert answer.status_code == 422
    (fault,) = answer.json()["faults"]
    assert fault["location"] == location
    assert words in fault["message"]
    assert games.revision() == revision


@pytest.mark.parametrize(
    ("method", "path", "body", "reason"),
    [
        ("PUT", GAMES, {**BODY, "domains": ["akamaiedge.net"]}, "akamaiedge.net hits probe.akamaiedge.net"),
        ("PATCH", GAMES, {"domains": ["co.uk"]}, "co.uk hits co.uk (Public Suffix List)"),
        ("POST", f"{GAMES}/names", {"add": ["be"]}, "be hits be (single label)"),
    ],
)
def test_an_edit_that_hits_the_guard_is_held_back(games: Plane, method: str, path: str, body: Any, reason: str) -> None:
    before = games.done("GET", GAMES)["tiers"]
    changed = games.done(method, path, body)
    assert changed["tiers"] == before
    update = games.done("GET", f"/v1/updates/{changed['held_back']}")
    assert reason in update["reasons"][0]["text"]
    games.done("POST", f"/v1/updates/{changed['held_back']}/accept", {"at_once": True})
    after = games.done("GET", GAMES)
    assert (after["held_back"], after["tiers"] == before) == (None, False)


def test_nothing_is_left_to_decide_of_a_service_that_was_removed(games: Plane) -> None:
    held = games.done("POST", f"{GAMES}/names", {"add": ["be"]})["held_back"]
    games.done("DELETE", GAMES)
    assert games.done("GET", f"/v1/updates/{held}")["state"] == "replaced"


def test_only_operators_of_the_authority_change_its_services(games: Plane) -> None:
    _, elsewhere = games.account("elsewhere", ("operator", "zone"))
    _, reader = games.account("looks", ("reader", "town"))
    _, operator = games.account("here", ("operator", "town"))
    acts = (
        ("PUT", GAMES, BODY),
        ("PATCH", GAMES, {"note": "x"}),
        ("POST", f"{GAMES}/names", {"add": [OTHER]}),
        ("DELETE", GAMES, None),
    )
    for method, path, body in acts:
        for token in (elsewhere, reader):
            assert games.call(method, path, body, token=token).status_code == 403
        assert games.call(method, path, body, token=operator).is_success
    assert games.call("GET", "/v1/services", token=elsewhere).status_code == 200


def test_acts_are_recorded_and_equal_ones_are_not(games: Plane) -> None:
    revision = games.revision()
    games.done("PUT", GAMES, BODY)
    assert games.revision() == revision
    games.done("POST", f"{GAMES}/names", {"add": [OTHER]})
    games.done("DELETE", GAMES)
    acts = games.done("GET", "/v1/audit", params={"act": "service"})["items"]
    assert sorted((act["seq"], act["act"], act["object"], tuple(act["authorities"])) for act in acts) == [
        (seq, f"service.{verb}", f"service/{SLUG}", ("town",))
        for seq, verb in zip(sorted(act["seq"] for act in acts), ("define", "update", "remove"), strict=True)
    ]
    change = games.done("GET", f"/v1/revisions/{games.revision()}")["changes"]["items"]
    assert [(one["object"], one["after"]) for one in change] == [(f"service/{SLUG}", None)]


def test_a_banned_service_is_not_removed_before_the_ban_ends(games: Plane) -> None:
    path = f"/v1/authorities/zone/bans/{SLUG}"
    games.done("PUT", path, ban())
    answer = games.call("DELETE", GAMES)
    assert (answer.status_code, f"zone/{SLUG}" in answer.text) == (409, True)
    games.clock.now += 10
    games.done("POST", f"{path}/end", {"reason": "decided so"})
    games.clock.now += 10
    games.done("DELETE", GAMES)
    assert games.call("GET", GAMES).status_code == 404
    assert "See dnsfilterctl service list" in games.call("GET", "/v1/authorities/town/services/chess").text


def test_a_service_on_a_prohibited_list_is_not_removed_before_it_is_taken_off(games: Plane) -> None:
    path = "/v1/authorities/zone/lists/play"
    games.done("PUT", path, {"services": [SLUG, "alpha"]})
    assert "zone/play" in games.call("DELETE", GAMES).json()["detail"]
    games.done("POST", f"{path}/adopt", {key: ban()[key] for key in ("decision", "terms")})
    games.clock.now += 10
    answer = games.call("DELETE", GAMES)
    assert (answer.status_code, "zone/play" in answer.json()["detail"]) == (409, True)
    games.done("POST", f"{path}/versions", {"remove": [SLUG], "reason": "annulled"})
    games.done("DELETE", GAMES)


def test_an_authority_with_services_is_not_removed_and_a_closed_one_defines_none(games: Plane) -> None:
    for slug, prefix in RANGES.items():
        games.done("DELETE", f"/v1/ranges/default/{prefix}")
        games.call("DELETE", f"/v1/authorities/{slug}/bans/alpha")
    assert games.call("DELETE", "/v1/authorities/town").status_code == 409
    games.done("POST", "/v1/authorities/zone/close", {"reason": "merged"})
    assert games.call("PUT", "/v1/authorities/zone/services/chess", BODY).status_code == 409


def test_a_stale_change_is_refused(games: Plane) -> None:
    seen = games.call("GET", GAMES).headers["ETag"]
    games.done("PATCH", GAMES, {"note": "first"})
    headers = {"Authorization": f"Bearer {games.token}", "If-Match": seen}
    assert games.call("PATCH", GAMES, {"note": "second"}, headers=headers).status_code == 412


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"add": [OTHER]}, 200),
        ({"remove": [HOST], "exact": True}, 202),
        ({"remove": [NAME], "add": ["example.org"]}, 200),
    ],
    ids=["added", "removed", "covered by a wider name"],
)
def test_names_that_are_no_longer_refused_need_a_second_person(games: Plane, body: Any, status: int) -> None:
    games.done("PUT", f"/v1/authorities/town/bans/{SLUG}", ban())
    games.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    _, operator = games.account("here", ("operator", "town"))
    answer = games.call("POST", f"{GAMES}/names", body, token=operator)
    assert answer.status_code == status, answer.text
    assert _verdict(games, HOST) == "refuse"
    if status == 202:
        _, approver = games.account("approves", ("approver", "town"))
        games.done("POST", f"/v1/requests/{answer.json()['number']}/approve", {}, token=approver)
        assert _verdict(games, HOST) == "pass"


def _import(plane: Plane, text: str, query: str = "", path: str = GAMES, token: str | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {token or plane.token}", "Content-Type": "text/plain"}
    return plane.call("POST", f"{path}/import{query}", headers=headers, content=text.encode())


@pytest.mark.parametrize(
    ("text", "pending", "held", "skipped"),
    [
        (f"{NAME}\nnew.example.com\n" + "# a remark\n" * 8, 1, [], 0),
        (f"||{NAME}^\n||new.example.com^\n@@||a.new.example.com^\n@@||b.new.example.com^\n", 1, [], 0),
        (f"{NAME}\nnew.example.com\n192.0.2.1\n" + "# a remark\n" * 8, 1, [], 1),
        (f"{NAME}\nnew.example.com\n192.0.2.1\n", 0, ["unreadable"], 1),
        (f"{NAME}\nakamaiedge.net\n", 0, ["guarded"], 0),
    ],
    ids=["good", "with exceptions", "a line is skipped", "damaged", "guarded"],
)
def test_names_of_a_file_are_monitored_first_and_a_damaged_file_is_held_back(
    games: Plane, text: str, pending: int, held: list[str], skipped: int
) -> None:
    done = _import(games, text).json()
    assert (done["names"], done["lines"], done["skipped"]) == (2, text.count("\n"), skipped)
    update = games.done("GET", "/v1/updates")["items"][0]
    assert done["update"] == update
    assert (update["source"], update["pending"]) == ("import", pending)
    assert [each["reason"] for each in update["reasons"]] == held
    assert games.done("GET", GAMES)["tiers"][0]["domains"] == ([NAME] if held else [NAME, "new.example.com"])


def test_a_file_defines_a_service_at_once_and_changes_its_fields(games: Plane) -> None:
    path, query = "/v1/authorities/town/services/shops", "?name=Shops&source=letter+8&format=hosts"
    assert "shops is new: give its name" in _import(games, "shop.example.org\n", path=path).text
    assert "co.uk hits" in _import(games, "co.uk\n", "?name=Shops", path).text
    done = _import(games, "0.0.0.0 shop.example.org\n", query, path).json()
    assert (done["service"], done["format"], done["names"], done["update"]) == ("town:shops", "hosts", 1, None)
    again = _import(games, "shop.example.org\nmall.example.org\n", "?name=Malls&exact=true", path).json()
    found = games.done("GET", path)
    assert (found["name"], found["source"], found["tiers"][0]["domains"]) == ("Malls", "letter 8", [])
    assert found["tiers"][0]["hosts"] == ["mall.example.org", "shop.example.org"]
    assert (again["update"]["added"], again["revision"]) == (1, games.revision())
    with games.database.reading() as session:
        assert {content_of(row).name for row in own_services(session)} == {"Games", "Malls"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<!DOCTYPE html><html></html>", "web page"),
        ("# no name\n", "no name in"),
        ("", "no name in"),
    ],
)
def test_a_file_that_is_no_list_is_refused_and_the_names_stay(games: Plane, text: str, message: str) -> None:
    before = games.revision()
    answer = _import(games, text, "?format=domains")
    assert (answer.status_code, message in answer.text) == (422, True), answer.text
    assert games.revision() == before


def test_a_file_that_lifts_refusals_waits_for_a_second_person(games: Plane) -> None:
    games.done("PUT", f"/v1/authorities/town/bans/{SLUG}", ban())
    games.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    _, operator = games.account("here", ("operator", "town"))
    asked = _import(games, f"{NAME}\n", "?reason=it+has+moved", token=operator)
    assert (asked.status_code, _verdict(games, HOST)) == (202, "refuse")
    _, approver = games.account("approves", ("approver", "town"))
    games.done("POST", f"/v1/requests/{asked.json()['number']}/approve", {}, token=approver)
    assert (_verdict(games, HOST), _verdict(games, NAME)) == ("pass", "refuse")


def test_requests_about_the_updates_of_two_services_wait_next_to_each_other(games: Plane) -> None:
    chess = "/v1/authorities/town/services/chess"
    games.done("PUT", chess, {**BODY, "domains": ["chess.example.org"]})
    for slug in (SLUG, "town:chess"):
        games.done("PUT", f"/v1/authorities/town/bans/{slug}", ban())
    updates = [
        _import(games, f"{name}\nnew-{name}\n", path=path).json()["update"]["number"]
        for path, name in ((GAMES, NAME), (chess, "chess.example.org"))
    ]
    games.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    _, approver = games.account("here", ("approver", "town"))
    asked = [
        games.call("POST", f"/v1/updates/{number}/object", {"names": [name], "reason": "it must work"}, token=approver)
        for number, name in zip(updates, (f"new-{NAME}", "new-chess.example.org"), strict=True)
    ]
    assert [answer.status_code for answer in asked] == [202, 202], asked[-1].text
    assert [answer.json()["object"] for answer in asked] == [f"service/{SLUG}", "service/town:chess"]
