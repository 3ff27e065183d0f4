"""Prohibited lists in the console: what is on them, and what waits for an authority is accepted or adopted."""

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
