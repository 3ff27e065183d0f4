"""The page Today: bans, what needs attention, the refused week, the state of DNS, and what keeps a session."""

import pytest
from sqlalchemy import event

from api.auth.sessions import IDLE_S
from api.console import authority_choice
from tests.unit.api.conftest import Plane, authority, ban
from tests.unit.api.console.conftest import Session, signed_in
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, count


def test_bans_are_shown_with_state_dates_and_decision(session: Session) -> None:
    plane = session.plane
    plane.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"for": "10 days"}]))
    law = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "act 9", "date": "2026-09-01"}
    plane.done("POST", "/v1/bindings", law)
    page = session.shown("/console")
    for text in ("in force", "in force, ends soon", "Stad: the ban on beta ends", "by law, from Stad", "act 9"):
        assert text in page
    plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off", "for": "2 hours", "mode_reason": "an event"})
    assert "until 21 September 2026, 18:13" in session.shown("/console")


def test_an_operator_sees_the_own_authorities_alone(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    operator = signed_in(town, town.account("desk", ("operator", "town"))[1])
    page = operator.shown("/console")
    assert 'id="a-town"' in page
    assert 'id="a-zone"' not in page
    assert 'id="ban-zone-beta"' not in page
    nobody = signed_in(town, town.account("nobody")[1])
    assert "You have no role in an authority" in nobody.shown("/console")


def test_the_refused_week_is_a_chart_with_a_table_and_hides_small_numbers(session: Session) -> None:
    node = Machine.enrolled(session.plane, "office-1")
    node.use(batch([count(queries=120)], start="2026-09-19T10:00:00Z", until="2026-09-19T10:10:00Z"))
    node.use(batch([count(queries=3)], start="2026-09-20T10:00:00Z", until="2026-09-20T10:10:00Z", sequence=2))
    page = session.shown("/console")
    assert '<svg class="chart"' in page
    assert '<th scope="row">19 September 2026</th><td class="number">120</td>' in page
    assert '<th scope="row">20 September 2026</th><td class="number">&lt;5</td>' in page
    assert '<dd class="big">121–124</dd>' in page
    session.plane.done("PATCH", "/v1/authorities/town/usage", {"usage": "none", "reason": "decided so"})
    assert "nothing is counted" in session.shown("/console")


def test_exemptions_in_force_are_next_to_the_state_of_their_ban(session: Session) -> None:
    plane = session.plane
    assert "exemption in force" not in session.shown("/console")
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "2 days", "reason": "the museum shows films"}
    number = plane.done("POST", "/v1/exemptions", body)["number"]
    assert "exemption in force" not in session.shown("/console/bans/town/alpha")
    plane.done("POST", f"/v1/exemptions/{number}/approve", token=plane.other())
    for path in ("/console", "/console/today/now"):
        assert 'href="/console/exemptions?state=in_force">1 exemption in force</a>' in session.shown(path)
    assert f'href="/console/exemptions/{number}">1 exemption in force</a>' in session.shown("/console/bans/town/alpha")


def test_with_more_authorities_than_a_form_lists_the_page_says_what_it_leaves_out(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = ("Exemptions are not counted here", "Bans that apply by law or agreement are not shown here")
    assert not any(text in session.shown("/console") for text in left_out)
    monkeypatch.setattr(authority_choice, "IN_LIST", 1)
    session.plane.done("PUT", "/v1/authorities/third", authority())
    page = session.shown("/console")
    assert all(text in page for text in left_out)
    assert 'id="ban-town-alpha"' in page


def test_the_state_of_dns_is_one_line(session: Session) -> None:
    page = session.shown("/console")
    assert "reports to this console." in page
    assert "Nothing." not in page
    Machine.enrolled(session.plane, "office-1").report(revision=session.plane.revision())
    assert "DNS works." in session.shown("/console")
    session.plane.clock.now += 120
    assert "1 does not report." in session.shown("/console/today/now")


def test_a_page_that_is_left_open_does_not_keep_its_session(session: Session) -> None:
    for _ in range(2):
        session.plane.clock.now += IDLE_S * 0.6
        answer = session.get("/console/today/now", **{"HX-Request": "true"})
    assert (answer.status_code, answer.headers["hx-redirect"]) == (204, "/console/sign-in")


def test_the_page_is_as_many_queries_with_many_authorities(session: Session) -> None:
    plane, statements = session.plane, list[str]()

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    def asked() -> int:
        session.shown("/console")
        statements.clear()
        event.listen(plane.database.engine, "before_cursor_execute", note)
        assert len(session.shown("/console")) < 40_000
        event.remove(plane.database.engine, "before_cursor_execute", note)
        return len(statements)

    before = asked()
    for number in range(20):
        plane.done("PUT", f"/v1/authorities/town-{number}", authority())
        plane.done("PUT", f"/v1/authorities/town-{number}/bans/alpha", ban())
    assert asked() == before


def test_hostile_texts_are_shown_as_text(session: Session) -> None:
    decision = {"legal_basis": "decree 1", "reference": "<img src=x>"}
    session.plane.done("PUT", "/v1/authorities/town/bans/beta", ban(decision=decision))
    page = session.shown("/console")
    assert "&lt;img src=x&gt;" in page
    assert "<img" not in page


def test_only_who_may_decide_is_offered_to_adopt_a_ban(town: Plane) -> None:
    reader, operator = (signed_in(town, town.account(role, (role, "town"))[1]) for role in ("reader", "operator"))
    assert "/console/adopt" in operator.shown("/console")
    assert "/console/adopt" not in reader.shown("/console")
