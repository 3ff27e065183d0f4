"""Prohibited lists in the console: what is on them, and what waits for an authority is accepted or adopted."""

import pytest

from tests.unit.api.conftest import Plane, ban
from tests.unit.api.console.conftest import Session, signed_in

LIST = "/v1/authorities/zone/lists/apps"


def _list(plane: Plane, **link: str) -> None:
    plane.done("PUT", LIST, {"title": "<b>Apps</b>", "services": ["beta"]})
    plane.done("POST", f"{LIST}/adopt", ban())
    plane.done("POST", "/v1/list-links", {"list": "zone/apps", "authority": "town", **link})


def test_a_list_shows_its_services_versions_and_links_as_text(session: Session) -> None:
    assert "No authority has a prohibited list." in session.shown("/console/lists")
    _list(session.plane, ground="following")
    for path in ("/console/lists", "/console/lists/zone/apps"):
        page = session.shown(path)
        assert "&lt;b&gt;Apps" in page
        assert "<b>Apps" not in page
    assert "Version 1 of" in page
    assert "it follows the list" in page


def test_what_an_agreement_proposes_is_accepted_by_the_bound_authority(town: Plane) -> None:
    _list(town, ground="agreement", instrument="a", date="2026-09-01")
    reader, operator = (signed_in(town, town.account(role, (role, "town"))[1]) for role in ("reader", "operator"))
    assert "Accept the agreement" not in reader.shown("/console/lists")
    assert reader.send("/console/lists/links/1/accept").status_code == 422
    assert "Accept the agreement" in operator.shown("/console/lists")
    assert operator.send("/console/lists/links/1/accept").status_code == 303
    assert town.done("GET", "/v1/list-links/1")["bound"] == ["beta"]


def test_what_a_followed_list_adds_is_adopted_by_a_decision_of_its_own(town: Plane) -> None:
    _list(town, ground="following")
    approver = signed_in(town, town.account("approver", ("approver", "town"))[1])
    missing = approver.send("/console/lists/links/1/adopt", reference="T-1")
    assert missing.status_code == 422
    assert 'id="legal_basis-1-fault"' in missing.text
    assert 'value="T-1"' in missing.text
    done = approver.send("/console/lists/links/1/adopt", reference="T-1", legal_basis="decree 1")
    assert done.status_code == 303
    assert town.done("GET", "/v1/authorities/town/bans/beta")["prohibited_list"] == "zone/apps"


NEW, DECISION = "/console/lists/new", {"legal_basis": "decree 1", "reference": "T-2", "until": "2027-03-01"}
ADOPT = "/console/lists/town/play/adopt"


def test_a_list_starts_from_a_category_is_checked_and_adopted_as_a_study(town: Plane) -> None:
    desk = signed_in(town, town.account("desk", ("operator", "town"))[1])
    assert NEW in desk.shown("/console/lists")
    made = desk.send(NEW, authority="town", list_slug="play", title="Play", category="video", services="")
    assert made.headers["location"] == "/console/lists/town/play?done=prepared"
    found = town.done("GET", "/v1/authorities/town/lists/play")
    assert (found["state"], found["category"]) == ("draft", "video")
    services = {each["service"] for each in found["services"]}
    assert {"alpha", "beta"} <= services
    assert ADOPT in desk.shown("/console/lists/town/play")
    check = desk.send(ADOPT, to="check", mode="monitor", **DECISION)
    assert check.status_code == 200, check.text
    page = " ".join(check.text.split())
    assert "1 service is banned already. Its ban stays as it is: alpha" in page
    assert "Only monitor, for a study: answer, and count the queries" in page
    assert town.done("GET", "/v1/authorities/town/lists/play")["state"] == "draft"
    back = desk.send(ADOPT, to="form", mode="monitor", **DECISION).text
    assert 'value="T-2"' in back
    assert 'value="monitor" checked' in back
    done = desk.send(ADOPT, to="adopt", mode="monitor", **DECISION)
    assert done.headers["location"] == "/console/lists/town/play?done=list-adopted"
    ban_of = town.done("GET", "/v1/authorities/town/bans/beta")
    assert (ban_of["mode"], ban_of["prohibited_list"]) == ("monitor", "town/play")
    assert ADOPT not in desk.shown("/console/lists/town/play")


def test_a_list_of_chosen_services_is_prepared_and_removed(session: Session) -> None:
    session.send(NEW, authority="town", list_slug="two", title="Two", services="alpha,\n beta")
    services = session.plane.done("GET", "/v1/authorities/town/lists/two")["services"]
    assert [each["service"] for each in services] == ["alpha", "beta"]
    assert session.send(NEW, authority="town", list_slug="two", services="alpha").status_code == 422
    assert session.plane.done("GET", "/v1/authorities/town/lists/two")["title"] == "Two"
    gone = session.send("/console/lists/town/two/remove")
    assert gone.headers["location"] == "/console/lists?done=list-removed"
    assert session.get("/console/lists/town/two").status_code == 404


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"list_slug": ""}, "Give the list a short name."),
        ({"authority": ""}, "Choose an authority."),
        ({"services": "alhpa"}, "Did you mean &#34;alpha&#34;?"),
        ({"services": "alpha", "category": "video"}, 'id="category-fault"'),
        ({"services": ""}, 'id="services-fault"'),
    ],
)
def test_a_fault_of_a_new_list_is_shown_and_nothing_is_made(
    session: Session, fields: dict[str, str], fault: str
) -> None:
    sent = {"authority": "town", "list_slug": "play", "title": "<b>Play</b>", **fields}
    answer = session.send(NEW, **sent)
    assert answer.status_code == 422
    assert fault in answer.text
    assert "<b>Play</b>" not in answer.text
    assert session.plane.done("GET", "/v1/lists")["items"] == []


def test_a_fault_of_the_decision_is_next_to_its_field_and_readers_adopt_nothing(session: Session) -> None:
    session.send(NEW, authority="town", list_slug="play", services="beta")
    for fields, fault in (({"legal_basis": ""}, "legal_basis"), ({"until": ""}, "until"), ({"until": "x"}, "until")):
        answer = session.send(ADOPT, to="check", **{**DECISION, **fields})
        assert answer.status_code == 422
        assert f'id="{fault}-fault"' in answer.text, fault
    reader = signed_in(session.plane, session.plane.account("reader", ("reader", "town"))[1])
    assert ADOPT not in reader.shown("/console/lists/town/play")
    assert reader.send(ADOPT, to="adopt", **DECISION).status_code == 422
    assert session.plane.done("GET", "/v1/authorities/town/lists/play")["state"] == "draft"
