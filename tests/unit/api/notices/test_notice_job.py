"""Notices reach a real mailbox, once; whatever the server does meanwhile, no act waits for it."""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import update

from api.db.models import AuthorityRow, NoticeRow
from api.delivery.destinations import Login, MailPlace, parse_mail_place
from api.notices import notice_job as module
from api.notices.kinds import Due, Kind
from api.notices.letters import Letter, letter
from api.notices.notice_job import GIVE_UP_S, NO_ADDRESS, TOO_LATE, Notifier
from api.server.notice_metrics import NoticesCollector
from api.tls.pem import make_context
from dnsfilter.telemetry.logs import KeyValueFormatter
from tests.support.certificates import Authority
from tests.support.mail_and_syslog import Mailbox, mail_server
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases
from tests.unit.api.notices.support import SENDER, begun, messages, notifier, rows

pytestmark = pytest.mark.slow


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as found:
        yield found


@pytest.fixture
def asked(town: Plane) -> Plane:
    """With a proposal of which zone is to be told, and a law of which the village is."""
    contacts = {"zone": "zone@example.org", "village": "village@example.org"}
    for slug, contact in contacts.items():
        town.done("PUT", f"/v1/authorities/{slug}", authority(contact=contact))
    begun(town)
    for ground, slug in (("agreement", "zone"), ("law", "village")):
        body = {
            "ban": "town/alpha",
            "authority": slug,
            "ground": ground,
            "instrument": "council 12",
            "date": "2026-09-01",
        }
        town.done("POST", "/v1/bindings", body)
    town.clock.now += 1
    return town


def _states(plane: Plane) -> list[tuple[str, int, str]]:
    def word(row: NoticeRow) -> str:
        return "sent" if row.sent_s is not None else "failed" if row.next_try_s is None else "waiting"

    return [(word(row), row.tries, row.failure) for row in rows(plane)]


@on_both_databases
def test_what_is_due_arrives_once(asked: Plane, mailbox: Mailbox) -> None:
    telling = notifier(asked, mailbox)
    assert (telling.look(), telling.send()) == (2, 2)
    assert (telling.look(), telling.send()) == (0, 0)
    first, second = messages(mailbox)
    assert [envelope.rcpt_tos for envelope in mailbox.received] == [["zone@example.org"], ["village@example.org"]]
    assert (first["From"], first["To"], first["Auto-Submitted"]) == (SENDER, "zone@example.org", "auto-generated")
    assert first["Date"]
    assert first["Message-ID"] != second["Message-ID"]
    assert first.get_content_type() == "text/plain"
    text = first.get_content()
    assert "dnsfilterctl binding accept 1" in text
    assert "Alpha (Stad)" in text
    assert "Alpha (Ville)" in text
    assert first["Subject"].startswith("dnsfilter: voorstel om het verbod op Alpha ook bij u te laten gelden / ")
    assert _states(asked) == [("sent", 1, ""), ("sent", 1, "")]


def test_a_server_that_is_down_is_tried_again_with_growing_pauses_and_given_up_after_three_days(
    asked: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    telling = notifier(asked)
    telling.look()
    began = asked.clock.now
    tried, tries = [], 0
    while rows(asked)[0].next_try_s is not None:
        telling.send()
        if rows(asked)[0].tries > tries:
            tries = rows(asked)[0].tries
            tried.append(int(asked.clock.now - began))
        asked.clock.now += 60 if tries < 9 else 3600
    hours = [at / 3600 for at in tried]
    assert tried[:6] == [0, 60, 180, 420, 900, 1860]
    assert all(after - before <= 7 for before, after in pairwise(hours))
    assert GIVE_UP_S <= tried[-1] < GIVE_UP_S + 7 * 3600
    assert [state for state, _, _ in _states(asked)] == ["failed", "failed"]
    assert len([one for one in caplog.records if "notice given up" in one.getMessage()]) == 2


@on_both_databases
def test_a_new_process_sends_what_the_last_one_could_not(asked: Plane, mailbox: Mailbox) -> None:
    away = notifier(asked)
    away.look()
    assert away.send() == 0
    assert [state for state, _, _ in _states(asked)] == ["waiting", "waiting"]
    restarted = notifier(asked, mailbox)
    assert (restarted.look(), restarted.send()) == (0, 0)
    asked.clock.now += 60
    assert restarted.send() == 2


def test_a_recipient_refused_for_good_is_given_up_and_the_others_are_served(asked: Plane, mailbox: Mailbox) -> None:
    mailbox.answers["zone@example.org"] = "550 no such user Jan Example"
    telling = notifier(asked, mailbox)
    telling.look()
    assert telling.send() == 1
    assert _states(asked) == [("failed", 1, "recipient refused with 550"), ("sent", 1, "")]


def test_one_that_is_greylisted_is_tried_again(asked: Plane, mailbox: Mailbox) -> None:
    mailbox.answers["zone@example.org"] = "450 come back later"
    telling = notifier(asked, mailbox)
    telling.look()
    assert telling.send() == 1
    assert _states(asked) == [("waiting", 1, "recipient refused with 450"), ("sent", 1, "")]
    mailbox.answers.clear()
    assert telling.send() == 0
    asked.clock.now += 60
    assert telling.send() == 1
    assert _states(asked) == [("sent", 2, ""), ("sent", 1, "")]


def test_a_server_that_takes_no_message_now_is_tried_again(asked: Plane, mailbox: Mailbox) -> None:
    mailbox.refusing = True
    telling = notifier(asked, mailbox)
    telling.look()
    assert telling.send() == 0
    assert _states(asked) == [("waiting", 1, "refused with 451")] * 2


def test_a_login_that_the_server_refuses_is_said_without_the_password(
    asked: Plane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, files = Authority(tmp_path / "ca"), (tmp_path / "cert.pem", tmp_path / "key.pem")
    authority.issue(*files)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    with caplog.at_level(logging.DEBUG), mail_server(login=("dns", "right"), starttls=make_context(*files)) as mailbox:
        place = parse_mail_place(f"smtp://dns:wrong@127.0.0.1:{mailbox.port}?from={SENDER}", least=0)
        wrong = Notifier(asked.database, {}, place, asked.clock)
        wrong.look()
        assert wrong.send() == 0
        assert _states(asked) == [("waiting", 1, "user or password refused with 535")] * 2
        asked.clock.now += 60
        assert Notifier(asked.database, {}, replace(place, login=Login("dns", "right")), asked.clock).send() == 2
        tried = set(mailbox.logins)
    assert tried == {("dns", "wrong"), ("dns", "right")}
    said = [KeyValueFormatter().format(record) for record in caplog.records if record.name.startswith("dnsfilter")]
    assert any('error="user or password refused with 535"' in line for line in said)
    assert not any("wrong" in line for line in said)


def test_a_server_that_says_nothing_is_left(asked: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.delivery.mail.TIMEOUT_S", 0.2)
    mailbox.hanging_s = 2.0
    telling = notifier(asked, mailbox)
    telling.look()
    assert telling.send() == 0
    assert [(state, tries) for state, tries, _ in _states(asked)] == [("waiting", 1), ("waiting", 1)]


def test_a_contact_that_is_no_mail_address_is_said_once_and_listed(
    asked: Plane, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    for slug in ("zone", "village"):
        asked.done("PATCH", f"/v1/authorities/{slug}", {"contact": "helpdesk, 02 123 45 67"})
    asked.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    number = asked.done("POST", "/v1/bindings", _to_village("zone"))["number"]
    assert number == 3
    asked.clock.now += 1
    telling = notifier(asked, mailbox)
    with caplog.at_level(logging.WARNING):
        assert (telling.look(), telling.send()) == (3, 0)
    assert _states(asked) == [("failed", 0, NO_ADDRESS)] * 3
    assert len([one for one in caplog.records if "no mail address" in one.getMessage()]) == 2
    assert telling.status().given_up == 3


def _to_village(of: str) -> dict[str, str]:
    return {
        "ban": f"{of}/alpha",
        "authority": "village",
        "ground": "law",
        "instrument": "decree 3",
        "date": "2026-09-01",
    }


def test_a_contact_that_changes_gets_what_waits(asked: Plane, mailbox: Mailbox) -> None:
    notifier(asked, mailbox).look()
    asked.done("PATCH", "/v1/authorities/zone", {"contact": "new@example.org"})
    assert notifier(asked, mailbox).send() == 2
    assert mailbox.received[0].rcpt_tos == ["new@example.org"]


def test_what_waited_for_longer_than_three_days_is_not_sent_any_more(asked: Plane, mailbox: Mailbox) -> None:
    notifier(asked).look()
    asked.clock.now += GIVE_UP_S
    assert notifier(asked, mailbox).send() == 0
    assert _states(asked) == [("failed", 1, TOO_LATE)] * 2


def test_a_clock_that_ran_ahead_puts_nothing_off(asked: Plane, mailbox: Mailbox) -> None:
    asked.clock.now += 86_400
    away = notifier(asked)
    away.look()
    away.send()
    asked.clock.now -= 86_400
    assert notifier(asked, mailbox).send() == 2


def test_the_installation_gets_what_has_no_authority_and_no_copies(town: Plane, mailbox: Mailbox) -> None:
    to = ("one@example.org", "two@example.org")
    begun(town)
    town.done("POST", "/v1/suspensions", {"authority": None, "for": "30m", "reason": "nobody can work"})
    town.clock.now += 1
    telling = notifier(town, mailbox, to)
    mailbox.answers["two@example.org"] = "550 no such user"
    assert (telling.look(), telling.send()) == (3, 3)
    received = sorted(envelope.rcpt_tos for envelope in mailbox.received)
    assert received == [["ict@example.org"], ["ict@example.org"], ["one@example.org"]]
    (whole,) = [message for message in messages(mailbox) if "one@example.org" in message["To"]]
    assert "for all authorities" in " ".join(whole.get_content().split())
    assert [failure for _, _, failure in _states(town) if failure] == ["1 of 2 recipients refused"]


def test_without_a_contact_of_the_installation_nothing_is_made_for_it(town: Plane, mailbox: Mailbox) -> None:
    telling = begun(town, mailbox)
    town.done("POST", "/v1/suspensions", {"authority": None, "for": "30m", "reason": "nobody can work"})
    town.clock.now += 1
    assert telling.look() == 2


def test_the_thread_sends_and_stops(asked: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    telling = notifier(asked, mailbox)
    telling.start()
    try:
        until = time.monotonic() + 30
        while len(mailbox.received) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        telling.stop()
    assert len(mailbox.received) == 2


def test_a_publication_is_looked_at_before_the_next_round(
    asked: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(module, "SOON_S", 0.0)
    place = MailPlace("127.0.0.1", mailbox.port, False, SENDER, ())
    counted = [0]
    telling = Notifier(asked.database, {}, place, asked.clock, lambda: counted[0])
    telling.start()
    try:
        _wait(mailbox, 2)
        asked.done("POST", "/v1/bindings/1/accept")
        asked.clock.now += 1
        counted[0] += 1
        _wait(mailbox, 3)
    finally:
        telling.stop()
    assert mailbox.received[-1].rcpt_tos == ["ict@example.org"]


def _wait(mailbox: Mailbox, count: int) -> None:
    until = time.monotonic() + 30
    while len(mailbox.received) < count:
        assert time.monotonic() < until, "not sent"
        time.sleep(0.01)


def test_an_act_does_not_wait_for_a_server_that_hangs(
    asked: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(module, "STOP_S", 0.1)
    monkeypatch.setattr("api.delivery.mail.TIMEOUT_S", 60.0)
    mailbox.hanging_s = 60.0
    telling = notifier(asked, mailbox)
    telling.start()
    try:
        assert mailbox.asked.wait(timeout=30)
        asked.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
        assert [tries for _, tries, _ in _states(asked)] == [0, 0], "the server had not answered by then"
    finally:
        telling.stop()


def test_metrics_tell_what_waits_and_for_how_long(asked: Plane) -> None:
    telling = notifier(asked)
    registry = CollectorRegistry()
    registry.register(NoticesCollector(telling))

    def values() -> list[float | None]:
        names = ("notices_waiting", "notice_waiting_seconds", "notices_given_up", "notice_failures_total")
        return [registry.get_sample_value(f"dnsfilter_api_{name}") for name in names]

    assert values() == [0, 0, 0, 0]
    telling.look()
    asked.clock.now += 90
    assert values() == [2, 90, 0, 0]
    telling.send()
    assert values() == [2, 90, 0, 2]
    assert asked.clock.now > START


@pytest.fixture
def odd(asked: Plane) -> Plane:
    """Where the proposal's contact is no mailbox by now, and nobody has noticed."""
    with asked.database.writing() as session:
        session.execute(update(AuthorityRow).where(AuthorityRow.slug == "zone").values(contact="=?x?q?a=0Ab?=@b.c"))
    return asked


def test_a_contact_that_makes_no_header_holds_up_no_other(
    odd: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_mailbox", lambda _text: True)
    telling = notifier(odd, mailbox)
    assert (telling.look(), telling.send()) == (2, 1)
    assert _states(odd) == [("failed", 1, NO_ADDRESS), ("sent", 1, "")]


def test_a_contact_that_became_none_is_given_up(odd: Plane, mailbox: Mailbox) -> None:
    telling = notifier(odd, mailbox)
    assert (telling.look(), telling.send()) == (2, 1)
    assert _states(odd) == [("failed", 0, NO_ADDRESS), ("sent", 1, "")]


def test_a_message_with_an_error_of_its_own_holds_up_no_other(
    asked: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def made(kind: Kind, *rest: Any) -> Letter:
        if kind is Kind.BINDING_PROPOSED:
            raise AttributeError("of a program")
        return letter(kind, *rest)

    monkeypatch.setattr(module, "letter", made)
    telling = notifier(asked, mailbox)
    assert (telling.look(), telling.send()) == (2, 1)
    assert _states(asked) == [("waiting", 1, "AttributeError"), ("sent", 1, "")]
    asked.clock.now += GIVE_UP_S
    telling.send()
    assert _states(asked) == [("failed", 2, TOO_LATE), ("sent", 1, "")]
    assert [record.message for record in caplog.records if record.exc_info] == ["unexpected error, going on"]


def test_the_thread_outlives_an_error_and_sends_what_is_written_down(
    asked: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> list[Due]:
        raise KeyError("node")

    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    telling = notifier(asked, mailbox)
    telling.look()
    asked.done("POST", "/v1/bindings/1/accept")
    asked.clock.now += 1
    with monkeypatch.context() as patch:
        patch.setattr(module, "due", broken)
        telling.start()
        _wait(mailbox, 2)
    _wait(mailbox, 3)
    telling.stop()
    assert mailbox.received[-1].rcpt_tos == ["ict@example.org"]
