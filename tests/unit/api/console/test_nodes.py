"""Nodes in the console: what each has in force, and how many there are for those who may not see them."""

from api.timestamps import timestamp_text
from tests.unit.api.conftest import START
from tests.unit.api.console.conftest import Session, signed_in
from tests.unit.api.nodes.conftest import Machine, crowd

LATER = timestamp_text(START + 3600)


def test_each_node_has_its_policy_its_age_and_what_was_done_on_it(session: Session) -> None:
    assert "No node is registered." in session.shown("/console/nodes")
    node = Machine.enrolled(session.plane, "office-1")
    node.report(
        revision=session.plane.revision(),
        age_s=7200,
        version="9.9.9",
        suspended=[{"authority": "town", "until": LATER}],
        names=[{"authority": "town", "name": "example.org", "exact": False, "verdict": "allow", "until": LATER}],
    )
    page = session.shown("/console/nodes")
    expected = ("office-1", "up to date", "In use for 2 hours", "9.9.9", "Nothing is refused for Stad until")
    for text in (*expected, "1 name is refused or allowed", f"Revision {session.plane.revision()}"):
        assert text in page
    session.plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
    session.plane.clock.now += 30
    assert "1 revision behind" in session.shown("/console/nodes")
    session.plane.clock.now += 60
    assert "does not report" in session.shown("/console/nodes")


def test_others_see_how_many_nodes_there_are_and_no_name(session: Session) -> None:
    Machine.enrolled(session.plane, "office-1").report(revision=session.plane.revision())
    operator = signed_in(session.plane, session.plane.account("desk", ("operator", "town"))[1])
    page = operator.shown("/console/nodes")
    assert "<dt>Up to date</dt><dd>1</dd>" in page
    assert "office-1" not in page
    assert signed_in(session.plane, session.plane.account("nobody")[1]).get("/console/nodes").status_code == 403


def test_what_a_node_reports_is_shown_as_text(session: Session) -> None:
    node = Machine.enrolled(session.plane, "office-1")
    node.report(revision=session.plane.revision(), trouble="<b>x</b>", version="<i>1</i>")
    page = session.shown("/console/nodes")
    assert "&lt;b&gt;x" in page
    assert "&lt;i&gt;1" in page
    assert "<b>x" not in page


def test_many_nodes_are_shown_in_pages(session: Session) -> None:
    crowd(session.plane, 60)
    first = session.shown("/console/nodes")
    following = first.partition('href="/console/nodes?cursor=')[2].partition('"')[0]
    second = session.shown(f"/console/nodes?cursor={following}")
    assert (first.count('<th scope="row">'), second.count('<th scope="row">')) == (50, 10)
    assert "Next page" not in second
