"""The public register of an authority is switched on and named in the console."""

from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

PAGE = "/console/public-register"
TOWN = "/v1/authorities/town"


def test_a_register_is_published_with_its_identifier_and_withdrawn(session: Session) -> None:
    assert 'name="authority"' in session.shown(PAGE)
    assert "not published" in session.shown(f"{PAGE}?authority=town")
    sent = session.send(f"{PAGE}/town", public_register="yes", filtering_database="town-be")
    assert (sent.status_code, sent.headers["location"]) == (303, f"{PAGE}/town?done=changed")
    found = session.plane.done("GET", TOWN)
    assert (found["public_register"], found["filtering_database"]) == (True, "town-be")
    page = session.shown(f"{PAGE}/town")
    assert 'href="/register/town"' in page
    assert 'value="town-be"' in page
    session.send(f"{PAGE}/town", public_register="no", filtering_database="")
    found = session.plane.done("GET", TOWN)
    assert (found["public_register"], found["filtering_database"]) == (False, "")


def test_a_wrong_identifier_has_its_fault_next_to_it(session: Session) -> None:
    refused = session.send(f"{PAGE}/town", public_register="yes", filtering_database="<b>Town</b>")
    assert refused.status_code == 422
    assert 'id="filtering_database-fault"' in refused.text
    assert "<b>Town" not in refused.text
    assert session.plane.done("GET", TOWN)["public_register"] is False


def test_only_administrators_change_it(town: Plane) -> None:
    approver = signed_in(town, town.account("desk", ("approver", "town"))[1])
    page = approver.shown(PAGE)
    assert "Only administrators change this." in page
    assert 'name="filtering_database"' not in page
    assert approver.send(f"{PAGE}/town", public_register="yes").status_code == 422
    assert town.done("GET", TOWN)["public_register"] is False
