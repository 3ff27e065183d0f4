"""Ask for, approve, reject and revoke exemptions."""

from typing import Any

import pytest

from api.timestamps import stored_instant
from tests.unit.api.conftest import START, Plane, on_both_databases

pytestmark = pytest.mark.heavy

QUESTION = "/v1/decision?client=192.0.2.10&name=alpha1.example.org"
BODY: dict[str, Any] = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}


def _verdict(plane: Plane, at: str = "") -> str:
    return str(plane.done("GET", QUESTION + (f"&at={at}" if at else ""))["verdict"])


def _approved(plane: Plane, number: int) -> str:
    """Return the state of an exemption after another account approves it."""
    return str(plane.done("POST", f"/v1/exemptions/{number}/approve", {"note": "fine"}, token=plane.other())["state"])


@on_both_databases
def test_a_request_has_effect_only_once_approved_and_until_revoked(town: Plane) -> None:
    made = town.done("POST", "/v1/exemptions", BODY)
    path = f"/v1/exemptions/{made['number']}"
    assert (made["state"], _verdict(town)) == ("requested", "refuse")
    assert town.call("POST", f"{path}/revoke", {"reason": "too early"}).status_code == 409
    assert town.call("POST", f"{path}/approve", {"note": "fine"}).status_code == 403
    assert _approved(town, made["number"]) == "in_force"
    assert _verdict(town) == "pass"
    revision = town.revision()
    _approved(town, made["number"])
    assert town.revision() == revision
    assert town.call("POST", f"{path}/reject", {"reason": "too late"}).status_code == 409
    town.clock.now += 60
    assert town.done("POST", f"{path}/revoke", {"reason": "over"})["state"] == "revoked"
    assert _verdict(town) == "refuse"
    assert town.call("POST", f"{path}/approve", token=town.other()).status_code == 409


@pytest.mark.parametrize(
    ("change", "note"),
    [
        ({"audience": "public", "funding": "private"}, "192.0.2.0/24 (public users, private devices)"),
        ({"audience": "pupils"}, "192.0.2.0/24 (pupil users, public devices)"),
        ({"label": "the town hall"}, None),
    ],
)
def test_an_exemption_of_a_range_that_the_ban_does_not_cover_says_so(
    town: Plane, change: dict[str, str], note: str | None
) -> None:
    town.done("PATCH", "/v1/ranges/default/192.0.2.0/24", change)
    made = town.done("POST", "/v1/exemptions", BODY)
    expected = [] if note is None else [f"town/alpha does not cover {note}: the exemption changes nothing there."]
    assert made["notes"] == expected
    assert town.done("GET", f"/v1/exemptions/{made['number']}")["notes"] == expected
    assert "notes" not in town.done("GET", "/v1/audit?limit=1")["items"][0]["after"]


def test_repeated_request_conflicts(town: Plane) -> None:
    number = town.done("POST", "/v1/exemptions", BODY)["number"]
    town.clock.now += 5
    refused = town.call("POST", "/v1/exemptions", BODY)
    message = f"Exemption {number} already asks for this and is waiting for a decision."
    assert (refused.status_code, refused.json()["detail"]) == (409, message)
    for other in ({"start": "2026-12-01"}, {"reason": "research"}, {"hours": ["Mon 09:00-10:00"]}):
        assert town.call("POST", "/v1/exemptions", {**BODY, **other}).status_code == 201
    _approved(town, number)
    assert town.call("POST", "/v1/exemptions", {**BODY, "for": "29 days"}).status_code == 409, (
        "the approved one is as long"
    )
    assert town.call("POST", "/v1/exemptions", {**BODY, "for": "31 days"}).status_code == 201, "for longer"
    town.done("POST", f"/v1/exemptions/{number + 4}/reject", {"reason": "too long"})
    town.clock.now += 32 * 86_400
    assert town.call("POST", "/v1/exemptions", BODY).status_code == 201, "after it has ended"


@pytest.mark.parametrize(
    ("first", "then", "minutes", "status"),
    [
        ({}, {}, 5, 409),
        ({}, {"for": "29 days"}, 60, 409),
        ({}, {}, 15, 409),
        ({}, {}, 1440, 201),
        ({}, {"for": "60 days"}, 0, 201),
        ({}, {"start": "2026-10-15"}, 0, 201),
        ({}, {"start": "2026-10-01", "for": "7 days"}, 0, 409),
        ({"start": "2026-10-01"}, {"start": "2026-10-01"}, 60, 409),
        ({"start": "2026-10-01"}, {}, 0, 201),
    ],
    ids=[
        "sent again", "within it", "on the same day", "on a later day", "for longer",
        "until later", "a part", "from a day on", "from earlier",
    ],
)  # fmt: skip
def test_a_request_for_time_that_was_not_asked_for_is_another_one(
    town: Plane, first: dict[str, str], then: dict[str, str], minutes: int, status: int
) -> None:
    town.done("POST", "/v1/exemptions", BODY | first)
    town.clock.now += minutes * 60
    assert town.call("POST", "/v1/exemptions", BODY | then).status_code == status


@pytest.mark.parametrize("approved", [False, True])
@pytest.mark.parametrize(
    ("first", "span", "minutes", "status"),
    [
        ("2026-09-30T21:58:00Z", "3 months", 4, 409),
        ("2027-02-28T22:58:00Z", "1 month", 4, 409),
        ("2026-09-30T21:58:00Z", "4 months", 4, 201),
        ("2026-09-30T21:58:00Z", "3 months", 14, 201),
    ],
    ids=["a day on", "a month's last day, four days on", "for longer", "much later"],
)
def test_repeated_request_conflicts_after_midnight(
    town: Plane, first: str, span: str, minutes: int, status: int, approved: bool
) -> None:
    town.clock.now = stored_instant(first)
    body = {**BODY, "for": "3 months" if status == 201 else span}
    number = town.done("POST", "/v1/exemptions", body)["number"]
    if approved:
        _approved(town, number)
    town.clock.now += minutes * 60
    assert town.call("POST", "/v1/exemptions", {**body, "for": span}).status_code == status


@on_both_databases
def test_an_approval_never_alters_the_past(town: Plane) -> None:
    """An exemption with an earlier start takes effect at its approval, and traces show that."""
    timestamps = ("2026-09-21T14:13:20Z", "2026-09-21T15:13:19Z", "2026-09-21T15:13:20Z")
    number = town.done("POST", "/v1/exemptions", {**BODY, "start": "2026-09-01", "for": "60 days"})["number"]
    town.clock.now += 3600
    decisions = [town.done("GET", f"{QUESTION}&at={at}") for at in timestamps]
    assert [each["verdict"] for each in decisions] == ["refuse"] * 3
    approved = town.done("POST", f"/v1/exemptions/{number}/approve", token=town.other())
    assert (approved["start"], approved["approved"]) == ("2026-08-31T22:00:00Z", timestamps[-1])
    town.clock.now += 86_400
    for before, at in zip(decisions[:-1], timestamps, strict=False):
        now = town.done("GET", f"{QUESTION}&at={at}")
        assert {**now, "revision": None} == {**before, "revision": None}
    assert _verdict(town, timestamps[-1]) == "pass"
    traced = [town.done("GET", f"/v1/trace?client=192.0.2.10&name=alpha1.example.org&at={at}") for at in timestamps]
    assert [each["decision"]["verdict"] for each in traced] == ["refuse", "refuse", "pass"]
    assert [[one["number"] for one in each["exemptions"]] for each in traced] == [[], [], [number]]
    assert town.done("GET", f"/v1/exemptions/{number}")["approved"] == timestamps[-1]


def test_a_rejected_request_stays_on_record(town: Plane) -> None:
    number = town.done("POST", "/v1/exemptions", BODY)["number"]
    town.done("POST", f"/v1/exemptions/{number}/reject", {"reason": "not needed"})
    listed = town.done("GET", "/v1/exemptions?ban=town/alpha")["items"]
    assert [(item["state"], item["note"]) for item in listed] == [("rejected", "not needed")]


def test_hours_hold_in_the_time_zone_of_the_ranges(town: Plane) -> None:
    number = town.done("POST", "/v1/exemptions", {**BODY, "hours": ["Mon-Fri 09:00-12:00"]})["number"]
    _approved(town, number)
    verdicts = [_verdict(town, f"2026-09-22T{time}Z") for time in ("06:59:59", "07:00:00", "09:59:59", "10:00:00")]
    assert verdicts == ["refuse", "pass", "pass", "refuse"]


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"ban": "zone/alpha"}, 422),
        ({"ranges": []}, 422),
        ({"ranges": ["192.0.2.0/25"]}, 422),
        ({"ranges": ["198.51.100.0/24"]}, 422),
        ({"ranges": ["192.0.2.1/24"]}, 422),
        ({"for": "2 years"}, 422),
        ({"for": "366 days"}, 422),
        ({"for": "1 year"}, 201),
        ({"start": "2027-03-01", "for": "366 days"}, 201),
        ({"for": None}, 422),
        ({"reason": ""}, 422),
        ({"hours": ["Mon-Fri 12:00-09:00"]}, 422),
        ({"hours": ["Mon 09:00-10:00 UTC"]}, 201),
        ({"time_zone": "Mars/Base"}, 422),
        ({"site": "depot"}, 422),
    ],
)
def test_what_a_request_needs(town: Plane, changes: dict[str, Any], status: int) -> None:
    response = town.call("POST", "/v1/exemptions", {**BODY, **changes})
    assert response.status_code == status, response.text
    assert len(town.done("GET", "/v1/exemptions")["items"]) == (1 if status == 201 else 0)


def test_a_bound_authority_exempts_its_own_range(town: Plane) -> None:
    binding = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "law 1", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", binding)
    number = town.done("POST", "/v1/exemptions", {**BODY, "ranges": ["198.51.100.0/24"]})["number"]
    _approved(town, number)
    decision = town.done("GET", "/v1/decision?client=198.51.100.9&name=alpha1.example.org")
    assert (decision["verdict"], decision["rows"][0]["standing"], decision["rows"][0]["exemption"]) == (
        "pass",
        "exempted",
        number,
    )


@pytest.mark.parametrize("start", ["2026-10-26", "2028-02-29T00:30:00+01:00"])
@pytest.mark.parametrize("time_zone", ["UTC", "Europe/Brussels", "Asia/Tokyo"])
def test_a_year_is_one_in_the_zone_that_the_exemption_is_asked_for_in(town: Plane, start: str, time_zone: str) -> None:
    town.done(
        "POST", "/v1/authorities/town/bans/alpha/terms", {"until": "2030-12-31", "decision": {"reference": "C-2"}}
    )
    asked = {**BODY, "start": start, "for": "1 year", "time_zone": time_zone}
    number = town.done("POST", "/v1/exemptions", asked)["number"]
    assert _approved(town, number) == "planned"
    longer = {**asked, "for": "1 year 1 hour", "reason": "more"}
    assert town.call("POST", "/v1/exemptions", longer).status_code == 422


def test_more_than_a_year_is_said_to_be_so_at_the_end(town: Plane) -> None:
    response = town.call("POST", "/v1/exemptions", {**BODY, "for": "13 months"})
    assert response.json()["faults"] == [
        {"location": "body.end", "message": "an exemption lasts at most a year: give an earlier end"}
    ]


def test_weekly_hours_show_whether_they_hold_and_when_next(town: Plane) -> None:
    number = town.done("POST", "/v1/exemptions", {**BODY, "hours": ["Mon-Fri 09:00-12:00"]})["number"]
    path = f"/v1/exemptions/{number}"
    assert _holding(town.done("GET", path)) == ("requested", False, None)
    _approved(town, number)
    found = []
    for now in (START, 1_790_060_400, 1_790_071_199, 1_790_071_200):
        town.clock.now = now
        (listed,) = town.done("GET", "/v1/exemptions?state=in_force")["items"]
        assert {**listed, "notes": []} == town.done("GET", path)
        found.append(_holding(listed))
    assert found == [
        ("in_force", False, "2026-09-22T07:00:00Z"),
        ("in_force", True, None),
        ("in_force", True, None),
        ("in_force", False, "2026-09-23T07:00:00Z"),
    ]
    town.done("POST", f"{path}/revoke", {"reason": "not used"})
    assert _holding(town.done("GET", path)) == ("revoked", False, None)


def test_planned_exemption_shows_when_it_begins(town: Plane) -> None:
    number = town.done("POST", "/v1/exemptions", {**BODY, "start": "2026-10-01"})["number"]
    _approved(town, number)
    assert _holding(town.done("GET", f"/v1/exemptions/{number}")) == ("planned", False, "2026-09-30T22:00:00Z")


def _holding(found: dict[str, Any]) -> tuple[str, bool, str | None]:
    return found["state"], found["holds"], found["next"]
