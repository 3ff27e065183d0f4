"""One name is refused or freed by itself, at once, and what that does not change is said."""

from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.db.models import AuditRow
from api.timestamps import timestamp_text
from dnsfilter.policy.model import DAY_S
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases

pytestmark = pytest.mark.heavy

NAMES = "/v1/authorities/town/names"
WHY = "phishing, reported by the desk"
REFUSE = {"verdict": "refuse", "reason": WHY}
ALLOW = {"verdict": "allow", "reason": "the tax portal needs it"}
ALPHA = "alpha1.example.org"
"""A name that the town's ban on alpha refuses."""
BELOW = f"cdn.{ALPHA}"


def verdict(plane: Plane, name: str, client: str = "192.0.2.10", at: int | None = None) -> str:
    """Return the verdict for a client of the town."""
    when = "" if at is None else f"&at={timestamp_text(at)}"
    return str(plane.done("GET", f"/v1/decision?client={client}&name={name}{when}")["verdict"])


def acts(plane: Plane) -> list[tuple[str, str]]:
    """Return the acts on single names, with their objects."""
    with plane.database.reading() as session:
        rows = session.scalars(select(AuditRow).where(AuditRow.act.startswith("name.")).order_by(AuditRow.seq))
        return [(row.act, row.object) for row in rows]


def put(plane: Plane, name: str, body: Any, **options: Any) -> httpx.Response:
    """Refuse or allow a name in the town."""
    return plane.call("PUT", f"{NAMES}/{name}", body, **options)


@on_both_databases
def test_refused_name_is_refused_with_all_below_it_until_its_end_and_is_a_ban(town: Plane) -> None:
    assert verdict(town, "www.example.com") == "pass"
    made = put(town, "example.com", {**REFUSE, "for": "7 days"})
    assert made.status_code == 201, made.text
    read = made.json()
    assert (read["state"], read["verdict"], read["mode"], read["end"]) == (
        "ending", "refuse", "enforce", "2026-09-28T22:00:00Z",
    )  # fmt: skip
    assert [verdict(town, name) for name in ("example.com", "www.example.com", "example.net")] == [
        "refuse", "refuse", "pass",
    ]  # fmt: skip
    assert verdict(town, "example.com", "198.51.100.10") == "pass", "another authority refuses nothing"
    shown = town.done("GET", "/v1/authorities/town/bans/example.com")
    assert (shown["number"], shown["mode_reason"], shown["tiers"]) == (read["number"], WHY, [1])
    winner = town.done("GET", "/v1/decision?client=192.0.2.10&name=www.example.com")["winner"]
    assert (winner["ban"], winner["suffix"]) == ("town/example.com", "example.com")
    revision = town.revision()
    town.clock.now = START + 8 * DAY_S
    assert verdict(town, "example.com") == "pass"
    assert town.revision() == revision
    assert town.done("GET", f"{NAMES}/example.com")["state"] == "lapsed"
    assert acts(town) == [("name.refuse", "ban/town/example.com")]


def test_exactly_a_name_leaves_the_names_below_it_alone(town: Plane) -> None:
    assert put(town, "example.com", {**REFUSE, "exact": True}).json()["exact"] is True
    assert [verdict(town, name) for name in ("example.com", "www.example.com")] == ["refuse", "pass"]
    assert put(town, ALPHA, {**ALLOW, "exact": True}).json()["exact"] is True
    assert [verdict(town, name) for name in (ALPHA, BELOW)] == ["pass", "refuse"]


@on_both_databases
def test_allowed_name_is_free_until_it_is_removed(town: Plane) -> None:
    assert [verdict(town, name) for name in (BELOW, f"a.{BELOW}", ALPHA)] == ["refuse"] * 3
    made = put(town, BELOW, ALLOW).json()
    assert (made["state"], made["still_refused_by"], made["notes"], made["mode"]) == ("in_force", [], [], None)
    assert made["review_by"] == "2027-03-21T23:00:00Z", "six months"
    assert [verdict(town, name) for name in (BELOW, f"a.{BELOW}", ALPHA)] == ["pass", "pass", "refuse"]
    town.clock.now += 60
    assert town.call("DELETE", f"{NAMES}/{BELOW}?reason=it+moved").status_code == 204
    assert verdict(town, BELOW) == "refuse"
    ended = town.done("GET", f"{NAMES}/{BELOW}")
    assert (ended["state"], ended["ended"], ended["ended_reason"]) == ("lapsed", timestamp_text(START + 60), "it moved")
    assert town.call("DELETE", f"{NAMES}/{BELOW}").status_code == 404
    assert acts(town) == [(act, f"name/town/{BELOW}") for act in ("name.allow", "name.end")]


@pytest.mark.parametrize("ground", ["law", "agreement"])
def test_ban_that_binds_still_refuses_an_allowed_name_and_the_answer_says_who_decided_it(
    town: Plane, ground: str
) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    bound = {"ban": "zone/alpha", "authority": "town", "ground": ground, "instrument": "A-1", "date": "2026-09-01"}
    number = town.done("POST", "/v1/bindings", bound)["number"]
    if ground == "agreement":
        town.done("POST", f"/v1/bindings/{number}/accept")
    made = put(town, BELOW, ALLOW).json()
    assert made["still_refused_by"] == [{"ban": "zone/alpha", "ground": ground, "binding": number}]
    assert f"zone/alpha still refuses {BELOW}" in made["notes"][0]
    assert verdict(town, BELOW) == "refuse"
    assert town.done("GET", f"/v1/decision?client=192.0.2.10&name={BELOW}")["winner"]["ban"] == "zone/alpha"


def test_allowing_what_nobody_refuses_says_so(town: Plane) -> None:
    (note,) = put(town, "example.net", ALLOW).json()["notes"]
    assert note.startswith("No ban of town refuses example.net itself: this frees its answers that lead to refused")


@pytest.mark.parametrize(
    ("held", "body", "name", "other", "verb"),
    [
        (("example.com", ALLOW), REFUSE, "www.example.com", "example.com", "allows"),
        (("example.com", ALLOW), REFUSE, "example.com", "example.com", "allows"),
        (("www.example.com", REFUSE), ALLOW, "example.com", "www.example.com", "refuses"),
        (("example.com", REFUSE), {**ALLOW, "exact": True}, "example.com", "example.com", "refuses"),
    ],
)
def test_contradiction_names_the_other_name_and_the_command_that_ends_it(
    town: Plane, held: tuple[str, Any], body: Any, name: str, other: str, verb: str
) -> None:
    assert put(town, *held).status_code == 201
    refused = put(town, name, body)
    assert refused.status_code == 409
    assert f"town {verb} " in refused.json()["detail"]
    assert refused.json()["detail"].endswith(f"dnsfilterctl name remove town {other}")
    assert town.call("DELETE", f"{NAMES}/{other}").status_code == 204
    town.clock.now += 2
    assert put(town, name, body).status_code == 201


def test_part_of_a_refused_name_can_be_allowed_and_around_an_allowed_one_refused(town: Plane) -> None:
    assert put(town, "example.com", REFUSE).status_code == 201
    assert put(town, "www.example.com", ALLOW).status_code == 201
    assert [verdict(town, name) for name in ("example.com", "www.example.com")] == ["refuse", "pass"]
    assert put(town, "example.net", {**ALLOW, "exact": True}).status_code == 201
    assert put(town, "www.example.net", REFUSE).status_code == 201
    assert verdict(town, "www.example.net") == "refuse"


@pytest.mark.parametrize(
    ("name", "exact", "part"),
    [
        ("microsoft.com", False, "microsoft.com must always be answered"),
        ("akamaiedge.net", False, "hits probe.akamaiedge.net, which must always be answered"),
        ("github.io", False, "github.io is a public suffix"),
        ("co.uk", True, "co.uk is a public suffix"),
        ("com", False, "is a top-level domain"),
        ("192.0.2.1", False, "not an address"),
        ("exa mple.com", False, "exa mple.com"),
    ],
)
def test_name_that_may_not_be_refused_is_wrong_input_with_its_fault(
    town: Plane, name: str, exact: bool, part: str
) -> None:
    revision = town.revision()
    refused = put(town, name.replace(" ", "%20"), {**REFUSE, "exact": exact})
    assert refused.status_code == 422, refused.text
    assert part in refused.text
    assert town.revision() == revision


@pytest.mark.parametrize("slug", ["town", "zone"])
def test_ban_on_a_name_refuses_no_more_than_the_guard_allows(town: Plane, slug: str) -> None:
    name = "digicert.cn"
    assert put(town, name, {**REFUSE, "exact": True}).status_code == 201
    path = f"/v1/authorities/{slug}/bans/{name}"
    refused = town.call("PUT", path, {"tiers": [1]} if slug == "town" else ban(tiers=[1]))
    assert refused.status_code == 422, refused.text
    assert "hits crl.digicert.cn, which must always be answered" in refused.text
    assert f"dnsfilterctl name refuse {slug} {name} --exact" in refused.text
    assert town.call("PUT", path, {"mode": "monitor"} if slug == "town" else ban(tiers=[2])).status_code in (200, 201)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "", {"terms": [{"for": "1 month"}]}),
        ("POST", "/terms", {"for": "1 month", "decision": {"reference": "R-1", "legal_basis": "B-1"}}),
    ],
)
def test_ban_on_a_name_is_not_renewed_while_its_authority_allows_the_name(
    town: Plane, method: str, path: str, body: Any
) -> None:
    put(town, "www.example.com", REFUSE)
    town.clock.now += 60
    town.call("DELETE", f"{NAMES}/www.example.com")
    town.clock.now += 60
    assert put(town, "example.com", ALLOW).status_code == 201
    refused = town.call(method, f"/v1/authorities/town/bans/www.example.com{path}", body)
    assert refused.status_code == 409, refused.text
    assert "Remove it first: dnsfilterctl name remove town example.com" in refused.text


def test_name_is_understood_in_any_script_and_case(town: Plane) -> None:
    assert put(town, "B%C3%BCcher.Example.COM.", REFUSE).json()["name"] == "xn--bcher-kva.example.com"
    assert verdict(town, "www.b%C3%BCcher.example.com") == "refuse"
    assert town.done("GET", f"{NAMES}/xn--bcher-kva.example.com")["state"] == "in_force"


def test_repeated_request_changes_nothing_and_another_end_begins_again(town: Plane) -> None:
    for name, body in (("example.com", REFUSE), (BELOW, ALLOW)):
        first = put(town, name, {**body, "for": "7 days"}).json()
        revision = town.revision()
        town.clock.now += 60
        again = put(town, name, {**body, "for": "7 days"})
        assert (again.status_code, again.json(), town.revision()) == (200, first, revision)
        longer = put(town, name, {**body, "for": "30 days"})
        assert (longer.status_code, longer.json()["end"]) == (200, "2026-10-21T22:00:00Z")
    assert len(town.done("GET", f"{NAMES}?ended=true")["items"]) == 3, "the allowed name's first row stays on record"
    town.clock.now = START + 8 * DAY_S
    assert [verdict(town, name) for name in ("example.com", BELOW)] == ["refuse", "pass"]


@pytest.mark.parametrize(
    ("change", "location"),
    [
        ({"for": "2 years"}, "body.end"),
        ({"review_by": "2028-01-01"}, "body.review_by"),
        ({"end": "2026-09-01"}, "body.end"),
        ({"reason": ""}, "body.reason"),
        ({"verdict": "deny"}, "body.verdict"),
    ],
)
@pytest.mark.parametrize("body", [REFUSE, ALLOW])
def test_wrong_time_or_missing_reason_is_named(town: Plane, body: Any, change: Any, location: str) -> None:
    refused = put(town, "example.com", {**body, **change})
    assert (refused.status_code, [fault["location"] for fault in refused.json()["faults"]]) == (422, [location])


def test_list_is_paged_by_authority_and_name(town: Plane) -> None:
    for name, body in (("c.example.com", REFUSE), ("b.example.com", ALLOW), ("a.example.com", REFUSE)):
        put(town, name, body)
    town.done("PUT", "/v1/authorities/zone/names/a.example.com", REFUSE)
    found, cursor = [], ""
    for _ in range(4):
        page = town.done("GET", f"/v1/names?limit=1{cursor}")
        found += [(item["authority"], item["name"]) for item in page["items"]]
        cursor = f"&cursor={page['next']}"
    assert found == [
        ("town", "a.example.com"),
        ("town", "b.example.com"),
        ("town", "c.example.com"),
        ("zone", "a.example.com"),
    ]
    assert page["next"] is None
    assert [item["name"] for item in town.done("GET", f"{NAMES}?verdict=allow")["items"]] == ["b.example.com"]
    assert town.call("GET", "/v1/names?authority=twon").status_code == 422
    assert town.call("GET", "/v1/names?cursor=WzFd").status_code == 422


def test_unknown_name_suggests_a_similar_one(town: Plane) -> None:
    put(town, "example.com", REFUSE)
    for method in ("GET", "DELETE"):
        answer = town.call(method, f"{NAMES}/exmaple.com")
        assert (answer.status_code, 'Did you mean "example.com"?' in answer.json()["detail"]) == (404, True)


def test_only_operators_of_the_authority_refuse_and_allow(town: Plane) -> None:
    _, desk = town.account("desk", ("operator", "town"))
    others = [town.account(f"other-{number}", role)[1] for number, role in enumerate(
        (("operator", "zone"), ("approver", "town"), ("reader", "town"), ("auditor", None))
    )]  # fmt: skip
    for token in others:
        for method, body in (("PUT", REFUSE), ("PUT", ALLOW), ("DELETE", None)):
            assert town.call(method, f"{NAMES}/example.com", body, token=token).status_code == 403
        assert town.call("GET", NAMES, token=token).status_code == 200
    assert put(town, "example.com", REFUSE, token=desk).status_code == 201
    assert town.call("DELETE", f"{NAMES}/example.com", token=desk).status_code == 204


def test_change_of_an_outdated_version_is_refused(town: Plane) -> None:
    tag = put(town, "example.com", REFUSE).headers["ETag"]
    held = {"Authorization": f"Bearer {town.token}", "If-Match": tag}
    assert put(town, "example.com", {**REFUSE, "for": "7 days"}, headers=held).status_code == 200
    assert put(town, "example.com", {**REFUSE, "for": "8 days"}, headers=held).status_code == 412


def test_closing_authority_takes_no_name_beyond_its_end(town: Plane) -> None:
    body = {"at": "2026-10-01", "reason": "a merger", "decision": {"legal_basis": "decree", "reference": "C-2"}}
    town.done("POST", "/v1/authorities/zone/close", body)
    refused = town.call("PUT", "/v1/authorities/zone/names/example.com", REFUSE)
    assert (refused.status_code, "closes on" in refused.text) == (409, True)


def test_refused_name_can_be_switched_and_refused_again_after_its_end(town: Plane) -> None:
    put(town, "example.com", {**REFUSE, "for": "1 day"})
    town.done("PATCH", "/v1/authorities/town/bans/example.com", {"mode": "monitor", "mode_reason": "to see"})
    assert verdict(town, "example.com") == "monitor"
    assert town.done("GET", f"{NAMES}/example.com")["mode"] == "monitor"
    town.clock.now = START + 3 * DAY_S
    again = put(town, "example.com", {**REFUSE, "exact": True}).json()
    assert (again["mode"], again["exact"], again["reason"]) == ("enforce", True, WHY)
    assert [verdict(town, name) for name in ("example.com", "www.example.com")] == ["refuse", "pass"]
    assert again["number"] == town.done("GET", "/v1/bans?service=example.com")["items"][0]["number"]


def test_name_whose_ban_was_narrowed_is_refused_as_narrowly_and_the_answer_says_so(town: Plane) -> None:
    assert put(town, "example.com", REFUSE).json()["notes"] == []
    path = "/v1/authorities/town/bans/example.com"
    town.done("PATCH", path, {"audience": ["pupils"]})
    town.clock.now += 60
    again = put(town, "example.com", {**REFUSE, "for": "7 days"})
    assert (again.status_code, verdict(town, "example.com")) == (200, "pass")
    (note,) = again.json()["notes"]
    assert "covers only ranges with funding partly_public,public and audience pupils" in note
    assert note.endswith("dnsfilterctl ban set town example.com --funding partly_public,public --audience staff")
    assert town.done("GET", f"{NAMES}/example.com")["notes"] == [note]
    town.done("PATCH", path, {"audience": ["pupils", "staff"]})
    assert town.done("GET", f"{NAMES}/example.com")["notes"] == []
    assert verdict(town, "example.com") == "refuse"


def test_names_of_the_past_stay_in_the_trace(town: Plane) -> None:
    put(town, "example.com", REFUSE)
    put(town, BELOW, ALLOW)
    town.publisher.store_in_force()
    town.clock.now += 60
    for name in ("example.com", BELOW):
        town.done("DELETE", f"{NAMES}/{name}")
    town.publisher.store_in_force()
    for name, was, now in (("example.com", "refuse", "pass"), (BELOW, "pass", "refuse")):
        where = f"/v1/trace?client=192.0.2.10&name={name}&at="
        assert town.done("GET", f"{where}{timestamp_text(START + 30)}")["decision"]["verdict"] == was
        assert town.done("GET", f"{where}{timestamp_text(START + 60)}")["decision"]["verdict"] == now
    traced = town.done("GET", f"/v1/trace?client=192.0.2.10&name={BELOW}&at={timestamp_text(START + 30)}")
    assert [act["act"] for act in traced["acts"]] == ["name.allow"]
    traced = town.done("GET", f"/v1/trace?client=192.0.2.10&name=example.com&at={timestamp_text(START + 30)}")
    assert [act["act"] for act in traced["acts"]] == ["name.refuse"]
    assert [(one["service"], one["name"]) for one in traced["lists"]] == []


def test_decision_says_which_name_frees_the_query(town: Plane) -> None:
    put(town, BELOW, ALLOW)
    found = town.done("GET", f"/v1/decision?client=192.0.2.10&name=a.{BELOW}")
    assert found["reason"].startswith("not refused: ")
    assert BELOW in found["reason"]
    assert [(row["standing"], row["allowed"]) for row in found["rows"]] == [("allowed", 1)]


def test_revisions_show_names_as_they_were(town: Plane) -> None:
    put(town, BELOW, ALLOW)
    town.done("DELETE", f"{NAMES}/{BELOW}?reason=it+moved")
    (change,) = town.done("GET", f"/v1/revisions/{town.revision()}")["changes"]["items"]
    assert (change["object"], change["before"]["ended"], change["after"]["ended_reason"]) == (
        f"name/town/{BELOW}", None, "it moved",
    )  # fmt: skip


def test_refused_name_has_a_report(town: Plane) -> None:
    put(town, "example.com", REFUSE)
    town.clock.now += 60
    report = town.done("GET", "/v1/authorities/town/bans/example.com/report?from=2026-09-21&to=2026-09-21")
    assert [part["service"] for part in report["bans"]] == ["example.com"]
    assert (
        "naam geblokkeerd"
        in town.call(
            "GET",
            "/v1/authorities/town/bans/example.com/report?from=2026-09-21&to=2026-09-21",
            headers={"Authorization": f"Bearer {town.token}", "Accept": "text/markdown"},
        ).text
    )


def test_authority_with_names_cannot_be_removed(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/empty", authority())
    town.done("PUT", "/v1/authorities/empty/names/example.com", ALLOW)
    assert town.call("DELETE", "/v1/authorities/empty").status_code == 409
