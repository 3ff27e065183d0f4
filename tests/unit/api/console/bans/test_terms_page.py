"""Terms of a ban: renewed by a new decision, ended early, removed before they begin."""

import pytest

from tests.unit.api.conftest import Plane, ban
from tests.unit.api.console.conftest import Session, signed_in

PAGE = "/console/bans/town/alpha"
API = "/v1/authorities/town/bans/alpha"
REASON = "the decision is annulled"
RENEWAL = {"until": "2027-12-31", "reference": "C-2", "legal_basis": "decree 2", "date": "2026-09-20"}


def test_a_ban_is_renewed_by_a_decision(session: Session) -> None:
    assert "through 21 March 2027" in session.shown(f"{PAGE}/renew")
    answer = session.send(f"{PAGE}/renew", link="https://www.example.org/c-2", **RENEWAL)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done=renewed")
    first, second = session.plane.done("GET", API)["terms"]
    assert (second["start"], second["through"]) == (first["end"], "2027-12-31")
    assert second["decision"]["reference"] == "C-2"
    page = session.shown(PAGE)
    assert "through 31 December 2027" in page
    assert '<a href="https://www.example.org/c-2" rel="noreferrer">C-2</a>' in page
    assert "Terms of the ban on a time line" in page


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"reference": ""}, 'id="reference-fault"'),
        ({"until": "2026-02-30"}, 'id="until-fault"'),
        ({"until": ""}, 'id="until-fault"'),
        ({"start": "2026-01-01", "until": "2026-02-01"}, 'id="until-fault"'),
        ({"link": "javascript:alert(1)"}, 'id="link-fault"'),
    ],
)
def test_a_fault_of_a_renewal_is_next_to_its_field(session: Session, changes: dict[str, str], fault: str) -> None:
    answer = session.send(f"{PAGE}/renew", **{**RENEWAL, **changes})
    assert answer.status_code == 422
    assert fault in answer.text
    assert 'value="decree 2"' in answer.text
    assert len(session.plane.done("GET", API)["terms"]) == 1


def test_a_ban_is_ended_early_for_a_reason(session: Session) -> None:
    page = session.shown(f"{PAGE}/end")
    assert "It cannot be undone." in page
    assert "It concerns 1 network of this authority." in page
    answer = session.send(f"{PAGE}/end", reason=REASON, at="2026-10-01T12:00", reference="C-3")
    assert answer.headers["location"] == f"{PAGE}?done=ended"
    (term,) = session.plane.done("GET", API)["terms"]
    assert (term["ended"], term["ended_reason"]) == ("2026-10-01T10:00:00Z", REASON)
    page = session.shown(PAGE)
    assert "ended early on 1 October 2026, 12:00" in page
    assert REASON in page


def test_an_end_needs_a_reason(session: Session) -> None:
    answer = session.send(f"{PAGE}/end", reason="")
    assert answer.status_code == 422
    assert 'id="reason-fault"' in answer.text
    assert session.plane.done("GET", API)["state"] == "in_force"


def test_an_early_end_waits_for_a_colleague_where_the_authority_wants_it(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    _, token = town.account("desk", ("operator", "town"))
    desk = signed_in(town, token)
    assert "A colleague must approve this before it takes effect." in desk.shown(f"{PAGE}/end")
    assert desk.send(f"{PAGE}/end", reason=REASON).headers["location"] == f"{PAGE}?done=waiting"
    assert 'href="/console/requests/1"' in desk.shown(PAGE)
    assert town.done("GET", API)["state"] == "in_force"


def test_a_ban_that_has_not_begun_is_removed(session: Session) -> None:
    planned = ban(terms=[{"start": "2026-10-01", "for": "6 months"}])
    session.plane.done("PUT", "/v1/authorities/town/bans/beta", planned)
    assert "It is removed, and only the audit log keeps it." in session.shown("/console/bans/town/beta/end")
    answer = session.send("/console/bans/town/beta/remove", reason=REASON)
    assert answer.headers["location"] == "/console/bans?done=removed"
    assert session.plane.call("GET", "/v1/authorities/town/bans/beta").status_code == 404
    assert "ban has begun" in session.send(f"{PAGE}/remove", reason=REASON).text


def test_only_operators_change_terms(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "town"))
    reader = signed_in(town, token)
    assert f"{PAGE}/renew" not in reader.shown(PAGE)
    for form, fields in (("renew", RENEWAL), ("end", {"reason": REASON})):
        answer = reader.send(f"{PAGE}/{form}", **fields)
        assert answer.status_code == 422
        assert "operator" in answer.text
    assert len(town.done("GET", API)["terms"]) == 1
