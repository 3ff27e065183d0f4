"""A ban is adopted in the console: three steps and a check, or by following another one. Faults are at their fields."""

import re
from html import unescape

import pytest

from api.console import adopt
from tests.unit.api.conftest import Plane, authority, ban
from tests.unit.api.console.conftest import Session, signed_in

WHAT = {"authority": "town", "service": "beta"}
DECISION = {"legal_basis": "decree 1", "reference": "T-2026-1"}
SCOPE = {"until": "2026-12-31", "mode": "enforce", "reply": "refused"}


def _kept(page: str) -> dict[str, str]:
    return dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page))


def test_a_ban_is_adopted_in_three_steps_after_a_check(session: Session) -> None:
    assert "Step 1 of 4" in session.shown("/console/adopt")
    second = session.send("/console/adopt", **WHAT, to="decision").text
    assert "Step 2 of 4" in second
    third = session.send("/console/adopt", **_kept(second) | DECISION, to="scope").text
    kept = {name: value for name, value in _kept(third).items() if name != "csrf"}
    assert kept == {**WHAT, **DECISION}
    check = session.send("/console/adopt", **kept, **SCOPE, to="check").text
    for text in ("In 1 registered network", "31 December 2026", "T-2026-1", "Adopt the ban"):
        assert text in check
    assert session.plane.call("GET", "/v1/authorities/town/bans/beta").status_code == 404, "the check adopts nothing"
    sent = {name: value for name, value in _kept(check).items() if name != "csrf"}
    answer = session.send("/console/adopt", **sent, to="adopt")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/bans/town/beta?done=adopted")
    made = session.plane.done("GET", "/v1/authorities/town/bans/beta")
    assert (made["state"], made["decision"]["reference"], made["terms"][0]["through"]) == (
        "in_force",
        "T-2026-1",
        "2026-12-31",
    )


def test_another_authority_s_ban_is_followed_in_two_steps(session: Session) -> None:
    session.plane.done("PUT", "/v1/authorities/village", authority())
    assert "town/alpha" in session.shown("/console/adopt?follow=true")
    fields = {"authority": "village", "follows": "town/alpha", **DECISION}
    check = session.send("/console/adopt", **fields, to="check").text
    assert "Step 2 of 2" in check
    assert "No registered network is covered" in check
    assert session.send("/console/adopt", **fields, to="adopt").status_code == 303
    assert session.plane.done("GET", "/v1/authorities/village/bans/alpha")["decision"]["follows"] == "town/alpha"


def next_page(page: str) -> str:
    found = re.search(r'href="(/console/[^"]*cursor=[^"]+)"', page)
    assert found is not None
    return unescape(found[1])


def test_services_are_in_alphabetical_order(session: Session) -> None:
    session.plane.done("PUT", "/v1/authorities/town/services/games", {"name": "Zoo", "domains": ["zoo.example.org"]})
    names = re.findall(r"<option value=[^>]*>(\w+) \(", session.shown("/console/adopt"))
    assert names == ["Alpha", "Beta", "Zoo"]


def test_services_that_a_page_does_not_list_are_on_the_next_one(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adopt, "LISTED", 1)
    first = session.shown("/console/adopt")
    assert ('<option value="alpha"' in first, '<option value="beta"' in first) == (True, False)
    assert '<option value="beta"' in session.shown(next_page(first))
    again = session.send("/console/adopt", **WHAT, to="what").text
    assert '<option value="beta" selected>' in again


def test_bans_that_a_page_does_not_list_are_on_the_next_one(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopt, "LISTED", 1)
    session.plane.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    first = session.shown("/console/adopt?follow=true")
    assert ('<option value="town/alpha"' in first, '<option value="zone/beta"' in first) == (True, False)
    assert '<option value="zone/beta"' in session.shown(next_page(first))


def test_a_fault_brings_back_the_step_of_its_field(session: Session) -> None:
    missing = session.send("/console/adopt", **WHAT, **SCOPE, reference="T-1", to="check")
    assert missing.status_code == 422
    assert "Step 2 of 4" in missing.text
    assert 'id="legal_basis-fault"' in missing.text
    wrong = session.send("/console/adopt", **WHAT, **DECISION, **{**SCOPE, "until": "soon"}, to="check")
    assert (wrong.status_code, "Step 3 of 4" in wrong.text, 'id="until-fault"' in wrong.text) == (422, True, True)
    assert 'value="soon"' in wrong.text


def test_who_may_not_decide_is_refused_and_nothing_is_adopted(town: Plane) -> None:
    reader = signed_in(town, town.account("reader", ("reader", "town"))[1])
    for to in ("check", "adopt"):
        refused = reader.send("/console/adopt", **WHAT, **DECISION, **SCOPE, to=to)
        assert (refused.status_code, "operator" in refused.text) == (422, True)
    assert town.call("GET", "/v1/authorities/town/bans/beta").status_code == 404


def test_what_was_entered_is_text_in_the_next_step(session: Session) -> None:
    page = session.send("/console/adopt", **WHAT, legal_basis='"><script>x</script>', to="scope").text
    assert "<script>x" not in page
    assert 'value="&#34;&gt;&lt;script&gt;' in page
