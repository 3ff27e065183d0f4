"""The page Why?: what a client gets for a name, in words, and what can be done about it."""

import re
from html import unescape
from urllib.parse import urlencode

import pytest

from tests.unit.api.conftest import START, Plane, authority, ban
from tests.unit.api.console.conftest import Session, signed_in

ALPHA = "/v1/authorities/town/bans/alpha"
CLIENT, NAME = "192.0.2.10", "www.alpha1.example.org"
REASON = "the library needs it"


def asked(**changes: str) -> str:
    return "/console/why?" + urlencode({"client": CLIENT, "name": NAME, **changes})


def spoken(session: Session, **changes: str) -> str:
    """Return the answer in words, which must be shown."""
    found = re.search(r'<p class="spoken">(.*?)</p>', session.shown(asked(**changes)), re.DOTALL)
    assert found is not None
    return unescape(found[1])


def test_a_refusal_is_explained_in_words_with_its_decision_its_end_and_whom_to_ask(session: Session) -> None:
    said = spoken(session)
    assert said.startswith("Refused, because Stad banned Alpha by decision C-1, through ")
    assert said.endswith("If you have questions, contact Stad: ict@example.org.")
    shown = session.shown(asked())
    assert "This ban decides." in shown
    assert "192.0.2.0/24" in shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "https://www.alpha1.example.org/@video?x=1"}, "Refused, because Stad banned Alpha"),
        ({"name": "www.example.net"}, "Answered, because no list of services has the name www.example.net."),
        ({"name": "www.beta1.example.org"}, "Answered, because Stad has no ban on Beta."),
        ({"client": "203.0.113.9"}, "Refused, because the address 203.0.113.9 is in no registered network."),
        ({"name": "org"}, "Answered, because no list of services has the name org."),
    ],
)
def test_each_question_has_a_clear_answer(session: Session, changes: dict[str, str], said: str) -> None:
    assert said in spoken(session, **changes)


@pytest.mark.parametrize(
    ("changes", "field", "fault"),
    [
        ({"client": "printer"}, "client", "&#39;printer&#39; is not an IP address"),
        ({"client": ""}, "client", "is not an IP address"),
        ({"name": "Alpha"}, "name", "Alpha is a service. Try "),
        ({"name": "192.0.2.1"}, "name", "a name is required, not an address"),
        ({"name": ""}, "name", "a name is required"),
        ({"at": "soon"}, "at", "soon"),
        ({"site": "nowhere"}, "", "nowhere"),
    ],
)
def test_bad_input_has_its_fault_next_to_the_field(
    session: Session, changes: dict[str, str], field: str, fault: str
) -> None:
    answer = session.get(asked(**changes))
    assert answer.status_code in (404, 422)
    assert 'role="alert"' in answer.text
    assert fault in answer.text
    assert not field or f'id="{field}-fault"' in answer.text
    assert 'class="spoken"' not in answer.text


def test_the_page_without_a_question_is_only_the_form(session: Session) -> None:
    shown = session.shown("/console/why")
    assert 'name="client"' in shown
    assert 'role="alert"' not in shown


def _exempt(plane: Plane) -> None:
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "2 days", "reason": REASON}
    number = plane.done("POST", "/v1/exemptions", body)["number"]
    plane.done("POST", f"/v1/exemptions/{number}/approve", token=plane.other())


def _suspend(plane: Plane) -> None:
    plane.done("POST", "/v1/suspensions", {"authority": "town", "for": "30m", "reason": REASON})


def _allow(plane: Plane) -> None:
    plane.done("PUT", f"/v1/authorities/town/names/{NAME}", {"verdict": "allow", "reason": REASON})


def _renamed(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town/names/www.example.net", {"verdict": "refuse", "reason": REASON})


def _bound(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/zone", authority(names={"nl": "Zone"}))
    plane.done("PUT", "/v1/authorities/zone/bans/beta", ban())
    body = {"ban": "zone/beta", "authority": "town", "ground": "law", "instrument": "law 1", "date": "2026-09-01"}
    plane.done("POST", "/v1/bindings", body)


@pytest.mark.parametrize(
    ("act", "changes", "said", "row"),
    [
        (_exempt, {}, "Answered, because exemption 1 sets aside the ban of Stad on Alpha here.", "Exemption 1 sets it"),
        (_suspend, {}, "Answered, because nothing is refused for now. The bans apply again from", "Suspended: nothing"),
        (_allow, {}, "Answered, because Stad allows this name.", "because the authority allows this name"),
        (
            lambda plane: plane.done("PATCH", ALPHA, {"mode": "off", "mode_reason": REASON}),
            {},
            "Answered, because Stad has switched its ban on Alpha off.",
            "Switched off.",
        ),
        (
            lambda plane: plane.done("PATCH", ALPHA, {"mode": "monitor", "mode_reason": REASON}),
            {},
            "Answered and counted, because Stad only monitors Alpha, and does not refuse it.",
            "This ban decides.",
        ),
        (
            lambda plane: plane.done("PATCH", ALPHA, {"audience": ["pupils"]}),
            {},
            "Answered, because no ban is in force here for this name.",
            "It does not cover the devices of this network.",
        ),
        (_renamed, {"name": "www.example.net"}, "Refused, because Stad refuses the name www.example.net.", "decides"),
        (
            _bound,
            {"name": "www.beta1.example.org"},
            "Refused, because Zone banned Beta by decision C-1, through ",
            "This ban decides.",
        ),
    ],
)
def test_what_sets_a_ban_aside_is_said_and_shown_in_its_row(
    session: Session, act: object, changes: dict[str, str], said: str, row: str
) -> None:
    assert callable(act)
    act(session.plane)
    assert said in spoken(session, **changes)
    assert row in unescape(session.shown(asked(**changes)))


def test_a_past_time_is_answered_by_the_policy_of_then(session: Session) -> None:
    session.plane.clock.now = START + 600
    session.plane.done("PATCH", ALPHA, {"mode": "off", "mode_reason": REASON})
    session.plane.publisher.publish_current()
    session.plane.clock.now = START + 1200
    assert "has switched its ban" in spoken(session)
    # 16:18 in Brussels, before the ban was switched off.
    assert spoken(session, at="2026-09-21T16:18").startswith("Refused, because Stad banned Alpha")
    shown = session.shown(asked(at="2026-09-21T16:18"))
    assert "What led to it" in shown
    assert "ban.adopt" in shown
    assert 'value="2026-09-21T16:18"' in shown
    early = session.get(asked(at="2020-01-01T00:00"))
    assert early.status_code == 404
    assert 'role="alert"' in early.text


def test_a_future_time_is_answered_by_the_policy_of_now(session: Session) -> None:
    shown = session.shown(asked(at="2028-01-01T12:00"))
    assert "if nothing is changed before" in shown
    assert "its term has ended" in shown


def test_an_exemption_is_asked_for_with_the_fields_filled_in(session: Session) -> None:
    found = re.search(r'href="(/console/exemptions/ask[^"]*)"', session.shown(asked()))
    assert found is not None
    form = session.shown(unescape(found[1]))
    assert "<option selected>town/alpha</option>" in form
    assert 'value="default/192.0.2.0/24" checked' in form


def test_an_operator_allows_one_name_from_here(session: Session) -> None:
    _, token = session.plane.account("desk", ("operator", "town"))
    operator = signed_in(session.plane, token)
    fields = {"client": CLIENT, "name": NAME, "site": "default", "authority": "town"}
    refused = operator.send("/console/why/allow", reason="n", **fields)
    assert refused.status_code == 422
    assert 'id="reason-fault"' in refused.text
    done = operator.send("/console/why/allow", reason=REASON, exact="yes", **fields)
    assert (done.status_code, "done=changed" in done.headers["location"]) == (303, True)
    assert spoken(operator) == "Answered, because Stad allows this name."
    assert session.plane.done("GET", f"/v1/authorities/town/names/{NAME}")["exact"] is True


def test_a_reader_sees_no_form_that_allows_and_may_not_allow(session: Session) -> None:
    _, token = session.plane.account("reader", ("reader", "town"))
    reader = signed_in(session.plane, token)
    assert "/console/why/allow" not in reader.shown(asked())
    refused = reader.send("/console/why/allow", client=CLIENT, name=NAME, authority="town", reason=REASON)
    assert refused.status_code == 422
    assert "operator" in refused.text


def test_who_may_not_read_the_authority_gets_no_answer(session: Session) -> None:
    _, token = session.plane.account("other", ("operator", "zone"))
    refused = signed_in(session.plane, token).get(asked())
    assert refused.status_code == 403
    assert "the authority, if any, that" in refused.text
    assert 'class="spoken"' not in refused.text


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>.example.org", "a\u202eb.example.org", "a\x1bb.example.org"]
)
def test_hostile_names_are_shown_as_text(session: Session, name: str) -> None:
    text = session.get(asked(name=name)).text
    assert "<script>alert" not in text
    assert "\u202e" not in text
    assert "\x1b" not in text
