"""Changing what a ban covers and what devices get: the form, the check with what it does, the act."""

import re
from typing import Any

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

PAGE = "/console/bans/town/alpha"
CHANGE = f"{PAGE}/change"
API = "/v1/authorities/town/bans/alpha"
REASON = "the schools have networks of their own"
WANTED: dict[str, Any] = {
    "reply": "address",
    "addresses": "192.0.2.80, 2001:db8::80",
    "funding": ["public", "partly_public"],
    "audience": ["pupils"],
    "has_groups": "yes",
    "tiers": ["1"],
    "reason": REASON,
}
"""Fields that change all of a ban: it loses the only network of the town, and group 2."""


def _network(plane: Plane, prefix: str, audience: str, authority: str = "town") -> None:
    body = {"authority": authority, "funding": "public", "audience": audience, "label": f"hall for {audience}"}
    plane.done("PUT", f"/v1/ranges/default/{prefix}", body)


def _tag(page: str) -> str:
    found = re.search(r'name="tag" value="([^"]+)"', page)
    assert found is not None
    return found[1].replace("&#34;", '"')


def test_the_form_has_each_reply_with_its_consequences_and_what_holds_now(session: Session) -> None:
    page = session.shown(CHANGE)
    for said in (
        "A device that knows another resolver may get round it",
        "people see a warning there",
        "Devices ask no other resolver",
    ):
        assert said in page
    for checked in ('value="refused" checked', 'value="staff" checked', 'value="1" checked', 'value="public" checked'):
        assert checked in page
    assert CHANGE in session.shown(PAGE)


def test_a_change_is_checked_with_the_networks_that_get_or_lose_the_ban_and_then_made(session: Session) -> None:
    _network(session.plane, "192.0.2.0/25", "staff")
    _network(session.plane, "192.0.2.128/25", "pupils")
    _network(session.plane, "203.0.113.0/25", "pupils", "zone")
    law = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "act 1", "date": "2026-09-01"}
    session.plane.done("POST", "/v1/bindings", law)
    answer = session.send(CHANGE, to="check", **WANTED)
    assert answer.status_code == 200, answer.text
    page = " ".join(answer.text.split())
    for said in (
        "1 network of this authority gets the ban:",
        "<code>192.0.2.128/25</code> hall for pupils",
        "1 network of another authority, which the ban binds, gets it too.",
        "networks of this authority lose the ban. The service is answered there:",
        "<code>192.0.2.0/25</code> hall for staff",
        "The 1 name of group 2 is answered.",
        "The resolver gives the address of a page that explains the ban.",
        "192.0.2.80, 2001:db8::80",
    ):
        assert said in page, said
    assert session.plane.done("GET", API)["reply"] == "refused"
    answer = session.send(CHANGE, to="change", tag=_tag(answer.text), **WANTED)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{PAGE}?done=changed")
    found = session.plane.done("GET", API)
    assert (found["reply"], found["addresses"]) == ("address", ["192.0.2.80", "2001:db8::80"])
    assert (found["funding"], found["audience"], found["tiers"]) == (["partly_public", "public"], ["pupils"], [1])
    acts = session.plane.done("GET", "/v1/audit", params={"object": "ban/town/alpha"})["items"]
    assert {"ban.change", "ban.set_scope"} <= {each["act"] for each in acts}


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"addresses": ""}, 'id="addresses-fault"'),
        ({"addresses": "next door"}, 'id="addresses-fault"'),
        ({"audience": []}, 'id="audience-fault"'),
        ({"reply": "shrug"}, 'id="reply-fault"'),
        ({"tiers": ["7"]}, "has no tiers [7]"),
    ],
)
def test_a_fault_is_next_to_its_field_and_nothing_changes(
    session: Session, fields: dict[str, str | list[str]], fault: str
) -> None:
    before = session.plane.done("GET", API)
    answer = session.send(CHANGE, to="check", **{**WANTED, **fields})
    assert answer.status_code == 422
    assert fault in answer.text
    assert session.plane.done("GET", API) == before


def test_what_changes_nothing_is_said(session: Session) -> None:
    same: dict[str, Any] = {
        "reply": "refused",
        "funding": ["public", "partly_public"],
        "audience": ["staff"],
        "tiers": ["1", "2"],
    }
    answer = session.send(CHANGE, to="check", has_groups="yes", **same)
    assert answer.status_code == 422
    assert "This is how the ban is now." in answer.text


def test_going_back_keeps_what_was_chosen(session: Session) -> None:
    page = session.send(CHANGE, to="form", **WANTED).text
    assert 'value="pupils" checked' in page
    assert 'value="staff" checked' not in page
    assert 'value="192.0.2.80, 2001:db8::80"' in page


def test_a_change_after_somebody_elses_is_refused(session: Session) -> None:
    tag = _tag(session.send(CHANGE, to="check", **WANTED).text)
    session.plane.done("PATCH", API, {"reply": "nodata"})
    assert session.send(CHANGE, to="change", tag=tag, **WANTED).status_code == 422
    assert session.plane.done("GET", API)["reply"] == "nodata"


def test_a_colleague_must_approve_if_less_is_refused(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True, "off_needs_reason": True})
    _, token = town.account("desk", ("operator", "town"))
    desk = signed_in(town, token)
    page = desk.send(CHANGE, to="check", **WANTED).text
    assert "a colleague must approve this before it takes effect" in page
    refused = desk.send(CHANGE, to="change", tag=_tag(page), **{**WANTED, "reason": ""})
    assert refused.status_code == 422
    assert 'id="reason-fault"' in refused.text
    answer = desk.send(CHANGE, to="change", tag=_tag(page), **WANTED)
    assert answer.headers["location"] == f"{PAGE}?done=waiting"
    assert town.done("GET", API)["reply"] == "refused"


def test_readers_change_nothing_and_see_no_link(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "town"))
    reader = signed_in(town, token)
    assert CHANGE not in reader.shown(PAGE)
    assert reader.send(CHANGE, to="check", **WANTED).status_code == 422
    assert reader.send(CHANGE, to="change", **WANTED).status_code == 422
    assert town.done("GET", API)["reply"] == "refused"


def test_labels_of_others_stay_text(session: Session) -> None:
    body = {"authority": "town", "funding": "public", "audience": "pupils", "label": "<b>hall</b>"}
    session.plane.done("PUT", "/v1/ranges/default/192.0.2.128/25", body)
    page = session.send(CHANGE, to="check", **WANTED).text
    assert "&lt;b&gt;hall&lt;/b&gt;" in page
    assert "<b>hall</b>" not in page
