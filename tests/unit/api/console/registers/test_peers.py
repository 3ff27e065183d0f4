"""Peers in the console: other installations whose checkpoints are held here are added, listed and ended."""

from html import unescape

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

PEERS, PEER = "/console/peers", "/v1/peers/harbour"
BODY = {"url": "https://dns.example.org/v1/register/harbour", "key": "a" * 64}


def test_a_peer_is_added_listed_ended_and_begun_again(session: Session) -> None:
    assert "No checkpoint of another installation is held here." in session.shown(PEERS)
    sent = session.send(PEERS, name="harbour", **BODY)
    assert (sent.status_code, sent.headers["location"]) == (303, f"{PEERS}?done=peer-set")
    page = session.shown(PEERS)
    assert "nothing held yet" in page
    ended = session.send(f"{PEERS}/harbour/end")
    assert ended.headers["location"] == f"{PEERS}?done=peer-ended"
    assert session.plane.done("GET", PEER)["state"] == "ended"
    assert "no longer fetched" in session.shown(PEERS)
    again = session.send(f"{PEERS}/harbour/end")
    assert (again.status_code, "has ended already" in again.text) == (422, True)
    assert session.send(PEERS, name="harbour", **BODY).status_code == 303
    assert session.plane.done("GET", PEER)["state"] == "new"


def test_the_row_of_a_peer_leads_to_a_form_that_is_filled_in(session: Session) -> None:
    session.plane.done("PUT", PEER, BODY)
    page = unescape(session.shown(PEERS))
    address = page.partition(f'href="{PEERS}?')[2].partition("#")[0]
    form = session.shown(f"{PEERS}?{address}")
    for value in ("harbour", *BODY.values()):
        assert f'value="{value}"' in form


@pytest.mark.parametrize(
    ("field", "value"), [("name", ""), ("name", "a/b"), ("name", "The Harbour"), ("url", "http://x"), ("key", "<b>")]
)
def test_a_fault_is_next_to_its_field_and_what_was_typed_is_kept(session: Session, field: str, value: str) -> None:
    refused = session.send(PEERS, **{"name": "harbour", **BODY, field: value})
    assert refused.status_code == 422
    assert f'id="{field}-fault"' in refused.text
    assert BODY["key" if field != "key" else "url"] in refused.text
    assert "<b>" not in refused.text
    assert session.plane.done("GET", "/v1/peers")["items"] == []


def test_auditors_read_peers_operators_do_not_and_neither_changes_them(town: Plane) -> None:
    town.done("PUT", PEER, BODY)
    auditor, operator = (
        signed_in(town, town.account(role, (role, where))[1])
        for role, where in (("auditor", None), ("operator", "town"))
    )
    page = auditor.shown(PEERS)
    assert "harbour" in page
    assert "Hold its checkpoints" not in page
    assert operator.get(PEERS).status_code == 403
    for session in (auditor, operator):
        assert session.send(f"{PEERS}/harbour/end").status_code in (403, 422)
        assert session.send(PEERS, name="other", **BODY).status_code in (403, 422)
    assert [each["name"] for each in town.done("GET", "/v1/peers")["items"]] == ["harbour"]
    assert town.done("GET", PEER)["ended"] is None
