"""Single names: refused, allowed and removed, each with what it does."""

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

PAGE = "/console/names"
REASON = "the tax portal needs it"
API = "/v1/authorities/town/names"
NAME = {"authority": "town", "name": "cdn.example.net", "verdict": "refuse", "reason": REASON}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "refuse"}, "Refused by itself."),
        ({"verdict": "allow"}, "Allowed: no ban of this authority refuses it."),
        ({"name": "https://cdn.example.net/film?x=1"}, "Refused by itself."),
        ({"exact": "yes"}, "Only the name itself."),
    ],
)
def test_a_name_is_refused_or_allowed_and_removed(session: Session, changes: dict[str, str], said: str) -> None:
    page = f"{PAGE}/town/cdn.example.net"
    answer = session.send(PAGE, **{**NAME, **changes})
    assert (answer.status_code, answer.headers["location"]) == (303, f"{page}?done=named")
    assert said in session.shown(page)
    listed = session.shown(f"{PAGE}?authority=town")
    assert f'href="{page}"' in listed
    assert REASON in listed
    session.plane.clock.now += 2
    assert session.send(f"{page}/remove", reason=REASON).headers["location"] == f"{PAGE}/town?done=name-removed"
    assert "No name is refused or allowed by itself." in session.shown(f"{PAGE}/town")
    assert session.plane.done("GET", API)["items"] == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"name": ""}, "name"),
        ({"name": "no name"}, "name"),
        ({"name": "org"}, "name"),
        ({"reason": "x"}, "reason"),
        ({"verdict": ""}, "verdict"),
        ({"until": "2026-09-01"}, "until"),
    ],
)
def test_a_fault_is_next_to_its_field(session: Session, changes: dict[str, str], fault: str) -> None:
    answer = session.send(PAGE, **{**NAME, **changes})
    assert answer.status_code == 422
    assert f'id="{fault}-fault"' in answer.text
    assert session.plane.done("GET", API)["items"] == []


def test_a_guarded_name_says_why(session: Session) -> None:
    answer = session.send(PAGE, **{**NAME, "name": "digicert.cn"})
    assert answer.status_code == 422
    assert "hits crl.digicert.cn, which must always be answered" in answer.text
    assert 'id="name-fault"' in answer.text
    assert session.plane.done("GET", API)["items"] == []


def test_a_ban_that_binds_still_refuses_an_allowed_name(session: Session) -> None:
    plane = session.plane
    law = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "act 1", "date": "2026-09-01"}
    plane.done("POST", "/v1/bindings", law)
    session.send(PAGE, **{**NAME, "authority": "zone", "name": "alpha1.example.org", "verdict": "allow"})
    page = session.shown(f"{PAGE}/zone/alpha1.example.org")
    assert "The ban town/alpha still refuses it: it binds this authority by law." in page


def test_refusing_what_is_allowed_names_the_other(session: Session) -> None:
    session.send(PAGE, **{**NAME, "verdict": "allow"})
    answer = session.send(PAGE, **NAME)
    assert answer.status_code == 422
    assert "cdn.example.net" in answer.text
    assert [each["verdict"] for each in session.plane.done("GET", API)["items"]] == ["allow"]


def test_readers_see_names_and_change_none(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "town"))
    reader = signed_in(town, token)
    assert "Refuse or allow a name" not in reader.shown(PAGE)
    assert reader.send(PAGE, **NAME).status_code == 422
    assert town.done("GET", API)["items"] == []


def test_an_account_without_a_role_sees_names_and_changes_none(town: Plane) -> None:
    _, token = town.account("nobody")
    assert "Refuse or allow a name" not in signed_in(town, token).shown(PAGE)
