"""The audit log in the console: filters, each act with what it changed, checkpoints and the export."""

import json

import pytest

from tests.unit.api.conftest import Plane, authority
from tests.unit.api.console.conftest import Session, signed_in

HOSTILE = "<script>alert(1)</script>\u202e"
AUDIT = "/console/audit"


def test_each_act_is_opened_with_what_it_changed(session: Session) -> None:
    session.plane.done("PATCH", "/v1/authorities/town", {"contact": "desk@example.org"})
    page = session.shown(f"{AUDIT}?act=authority.change")
    assert '<th scope="row">contact</th>' in page
    assert "desk@example.org" in page
    assert "authority.register" not in page


def test_acts_are_filtered_and_the_choices_are_kept(session: Session) -> None:
    session.plane.done("PUT", "/v1/authorities/village", authority())
    shown = {
        "authority=village": "authority/village",
        "object=authority/village": "authority/village",
        "account=0": "the installation",
        "since=2026-09-21&until=2026-09-21": "authority/village",
    }
    for query, expected in shown.items():
        assert expected in session.shown(f"{AUDIT}?{query}"), query
    page = session.shown(f"{AUDIT}?authority=village&act=authority")
    assert 'value="village" selected' in page
    assert 'value="authority" selected' in page
    assert "No act fits." in session.shown(f"{AUDIT}?object=authority/none")


def test_acts_and_their_kinds_have_words_in_the_language_of_the_page(session: Session) -> None:
    page = session.shown(AUDIT, **{"Accept-Language": "nl"})
    assert "<strong>overheid geregistreerd</strong>" in page
    assert '<option value="list_link">verbodslijsten van andere overheden</option>' in page


def test_a_wrong_filter_has_its_fault_next_to_it(session: Session) -> None:
    answer = session.get(f"{AUDIT}?since=yesterday-or-so&object=ban/town/tiktok")
    assert answer.status_code == 422
    assert 'id="since-fault"' in answer.text
    assert 'value="ban/town/tiktok"' in answer.text


def test_older_acts_follow_with_the_same_filter(session: Session) -> None:
    for number in range(25):
        session.plane.done("PATCH", "/v1/authorities/town", {"contact": f"desk-{number}@example.org"})
    first = session.shown(f"{AUDIT}?act=authority.change")
    assert first.count("<details") == 15
    link = first.split('href="/console/audit?act=authority.change&amp;cursor=')[1].partition('"')[0]
    older = session.shown(f"{AUDIT}?act=authority.change&cursor={link}")
    assert older.count("<details") == 10
    assert "desk-0@example.org" in older


def test_names_and_values_show_as_text(session: Session) -> None:
    reason = f"the app {HOSTILE} does not work"
    plain = "the app <script>alert(1)</script> does not work"
    refused = session.plane.call("POST", "/v1/suspensions", {"authority": "town", "for": "1h", "reason": reason})
    assert refused.status_code == 422
    session.plane.done("POST", "/v1/suspensions", {"authority": "town", "for": "1h", "reason": plain})
    page = session.shown(f"{AUDIT}?act=suspension")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    shown = session.get(f"{AUDIT}?object={HOSTILE}")
    assert "\u202e" not in shown.text
    assert "<script>alert" not in shown.text


def test_checkpoints_and_the_export_are_for_auditors(town: Plane) -> None:
    town.done("POST", "/v1/audit/checkpoints")
    _, token = town.account("watch", ("auditor", None))
    auditor = signed_in(town, token)
    page = auditor.shown(AUDIT)
    assert "No damage is known." in page
    assert "nobody yet" in page
    answer = auditor.get(f"{AUDIT}/export")
    assert answer.headers["content-disposition"] == 'attachment; filename="audit-log.jsonl"'
    entries = [json.loads(line) for line in answer.text.splitlines()]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert entries[-1]["act"] == "session.begin"
    _, token = town.account("desk", ("operator", "town"))
    operator = signed_in(town, token)
    assert "Download all acts" not in operator.shown(AUDIT)
    assert operator.get(f"{AUDIT}/export").status_code == 403


def test_damage_of_the_audit_log_is_shown(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    damage = "entry 7 does not follow entry 6: the hash chain is broken"
    monkeypatch.setattr(type(session.plane.database), "obstacle", damage)
    page = session.shown(AUDIT)
    assert damage in page
    assert "No damage is known." not in page


def test_an_operator_sees_the_acts_of_the_own_authority_only(session: Session) -> None:
    session.plane.done("PUT", "/v1/authorities/village", authority())
    _, token = session.plane.account("desk", ("operator", "town"))
    operator = signed_in(session.plane, token)
    page = operator.shown(AUDIT)
    assert "authority/town" in page
    assert "authority/village" not in page
