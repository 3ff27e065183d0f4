"""Sending notices to a real mailbox: each arrives once, and no act waits for the mail server."""

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

from api.db.models import AuthorityRow
from api.delivery.destinations import Login, MailDestination, parse_mail_destination
from api.notices import notice_job as module
from api.notices.kinds import Due, Kind
from api.notices.letters import Letter, letter
from api.notices.notice_job import GIVE_UP_S, NO_ADDRESS, TOO_LATE, Notifier, Status
from api.notices.repository import NO_CONTACT, NO_MAIL, state_of
from api.server.metrics.collectors import Scraped, notices
from api.tls.pem import make_context
from blocklists.catalogue import Catalogue
from dnsfilter.telemetry.logs import KeyValueFormatter
from tests.support.certificates import Authority
from tests.support.mail_and_syslog import Mailbox, mail_server
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases
from tests.unit.api.notices.support import SENDER, begun, messages, notifier, rows

pytestmark = pytest.mark.heavy


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as found:
        yield found


@pytest.fixture
def bindings(town: Plane) -> Plane:
    """Return a plane with an agreement proposed to the zone and a binding of the village by law."""
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
    return [(state_of(row).value, row.tries, row.failure) for row in rows(plane)]


@on_both_databases
def test_due_notices_arrive_once(bindings: Plane, mailbox: Mailbox) -> None:
    job = notifier(bindings, mailbox)
    assert (job.look(), job.send()) == (2, 2)
    assert (job.look(), job.send()) == (0, 0)
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
    assert first["Subject"].startswith("dnsfilter: voorstel om het verbod op Alpha ook op u toe te passen / ")
    assert _states(bindings) == [("sent", 1, ""), ("sent", 1, "")]


def test_unreachable_server_is_retried_with_growing_pauses_for_three_days(
    bindings: Plane, caplog: pytest.LogCaptureFixture
) -> None:
    job = notifier(bindings)
    job.look()
    began = bindings.clock.now
    tried, tries = [], 0
    while rows(bindings)[0].next_try_s is not None:
        job.send()
        if rows(bindings)[0].tries > tries:
            tries = rows(bindings)[0].tries
            tried.append(int(bindings.clock.now - began))
        bindings.clock.now += 60 if tries < 9 else 3600
    hours = [at / 3600 for at in tried]
    assert tried[:6] == [0, 60, 180, 420, 900, 1860]
    assert all(after - before <= 7 for before, after in pairwise(hours))
    assert GIVE_UP_S <= tried[-1] < GIVE_UP_S + 7 * 3600
    assert [state for state, _, _ in _states(bindings)] == ["failed", "failed"]
    assert len([one for one in caplog.records if "notice given up" in one.getMessage()]) == 2


@on_both_databases
def test_new_process_sends_notices_that_the_last_one_could_not_send(bindings: Plane, mailbox: Mailbox) -> None:
    away = notifier(bindings)
    away.look()
    assert away.send() == 0
    assert [state for state, _, _ in _states(bindings)] == ["waiting", "waiting"]
    restarted = notifier(bindings, mailbox)
    assert (restarted.look(), restarted.send()) == (0, 0)
    bindings.clock.now += 60
    assert restarted.send() == 2


def test_permanently_refused_recipient_does_not_affect_other_notices(bindings: Plane, mailbox: Mailbox) -> None:
    mailbox.answers["zone@example.org"] = "550 no such user Jan Example"
    job = notifier(bindings, mailbox)
    job.look()
    assert job.send() == 1
    assert _states(bindings) == [("failed", 1, "recipient refused with 550"), ("sent", 1, "")]


def test_greylisted_notice_is_retried(bindings: Plane, mailbox: Mailbox) -> None:
    mailbox.answers["zone@example.org"] = "450 come back later"
    job = notifier(bindings, mailbox)
    job.look()
    assert job.send() == 1
    assert _states(bindings) == [("waiting", 1, "recipient refused with 450"), ("sent", 1, "")]
    mailbox.answers.clear()
    assert job.send() == 0
    bindings.clock.now += 60
    assert job.send() == 1
    assert _states(bindings) == [("sent", 2, ""), ("sent", 1, "")]


def test_temporary_refusal_is_retried(bindings: Plane, mailbox: Mailbox) -> None:
    mailbox.refusing = True
    job = notifier(bindings, mailbox)
    job.look()
    assert job.send() == 0
    assert _states(bindings) == [("waiting", 1, "refused with 451")] * 2


def test_failed_login_is_logged_without_the_password(
    bindings: Plane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority, files = Authority(tmp_path / "ca"), (tmp_path / "cert.pem", tmp_path / "key.pem")
    authority.issue(*files)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    with caplog.at_level(logging.DEBUG), mail_server(login=("dns", "right"), starttls=make_context(*files)) as mailbox:
        destination = parse_mail_destination(f"smtp://dns:wrong@127.0.0.1:{mailbox.port}?from={SENDER}", least=0)
        wrong = Notifier(bindings.database, dict, Catalogue(()), destination, bindings.clock)
        wrong.look()
        assert wrong.send() == 0
        assert _states(bindings) == [("waiting", 1, "user or password refused with 535")] * 2
        bindings.clock.now += 60
        right = replace(destination, login=Login("dns", "right"))
        assert Notifier(bindings.database, dict, Catalogue(()), right, bindings.clock).send() == 2
        tried = set(mailbox.logins)
    assert tried == {("dns", "wrong"), ("dns", "right")}
    said = [KeyValueFormatter().format(record) for record in caplog.records if record.name.startswith("dnsfilter")]
    assert any('error="user or password refused with 535"' in line for line in said)
    assert not any("wrong" in line for line in said)


def test_server_without_an_answer_times_out(bindings: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.delivery.mail.TIMEOUT_S", 0.2)
    mailbox.hanging_s = 2.0
    job = notifier(bindings, mailbox)
    job.look()
    assert job.send() == 0
    assert [(state, tries) for state, tries, _ in _states(bindings)] == [("waiting", 1), ("waiting", 1)]


def test_contact_that_is_not_a_mail_address_is_logged_once_and_listed(
    bindings: Plane, mailbox: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    for slug in ("zone", "village"):
        bindings.done("PATCH", f"/v1/authorities/{slug}", {"contact": "helpdesk, 02 123 45 67"})
    bindings.done("PUT", "/v1/authorities/zone/bans/alpha", ban())
    number = bindings.done("POST", "/v1/bindings", _to_village("zone"))["number"]
    assert number == 3
    bindings.clock.now += 1
    job = notifier(bindings, mailbox)
    with caplog.at_level(logging.WARNING):
        assert (job.look(), job.send()) == (3, 0)
    assert _states(bindings) == [("failed", 0, NO_ADDRESS)] * 3
    assert len([one for one in caplog.records if "not a mail address" in one.getMessage()]) == 2
    assert job.status().abandoned == 3


def _to_village(of: str) -> dict[str, str]:
    return {
        "ban": f"{of}/alpha",
        "authority": "village",
        "ground": "law",
        "instrument": "decree 3",
        "date": "2026-09-01",
    }


def test_changed_contact_gets_waiting_notices(bindings: Plane, mailbox: Mailbox) -> None:
    notifier(bindings, mailbox).look()
    bindings.done("PATCH", "/v1/authorities/zone", {"contact": "new@example.org"})
    assert notifier(bindings, mailbox).send() == 2
    assert mailbox.received[0].rcpt_tos == ["new@example.org"]


def test_notice_older_than_three_days_is_not_sent(bindings: Plane, mailbox: Mailbox) -> None:
    notifier(bindings).look()
    bindings.clock.now += GIVE_UP_S
    assert notifier(bindings, mailbox).send() == 0
    assert _states(bindings) == [("failed", 1, TOO_LATE)] * 2


def test_clock_that_ran_ahead_does_not_delay_notices(bindings: Plane, mailbox: Mailbox) -> None:
    bindings.clock.now += 86_400
    away = notifier(bindings)
    away.look()
    away.send()
    bindings.clock.now -= 86_400
    assert notifier(bindings, mailbox).send() == 2


def test_installation_gets_only_notices_without_an_authority(town: Plane, mailbox: Mailbox) -> None:
    to = ("one@example.org", "two@example.org")
    begun(town)
    town.done("POST", "/v1/suspensions", {"authority": None, "for": "30m", "reason": "nobody can work"})
    town.clock.now += 1
    job = notifier(town, mailbox, to)
    mailbox.answers["two@example.org"] = "550 no such user"
    assert (job.look(), job.send()) == (3, 3)
    received = sorted(envelope.rcpt_tos for envelope in mailbox.received)
    assert received == [["ict@example.org"], ["ict@example.org"], ["one@example.org"]]
    (installation,) = [message for message in messages(mailbox) if "one@example.org" in message["To"]]
    assert "for all authorities" in " ".join(installation.get_content().split())
    assert [failure for _, _, failure in _states(town) if failure] == ["1 of 2 recipients refused"]


def test_without_its_contact_a_notice_to_the_installation_is_made_and_not_mailed(town: Plane, mailbox: Mailbox) -> None:
    job = begun(town, mailbox)
    town.done("POST", "/v1/suspensions", {"authority": None, "for": "30m", "reason": "nobody can work"})
    town.clock.now += 1
    assert (job.look(), job.send()) == (3, 2)
    assert ("not_mailed", 0, NO_CONTACT) in _states(town)
    assert job.status().abandoned == 0


def test_without_a_mail_server_notices_are_made_and_not_mailed_later(bindings: Plane, mailbox: Mailbox) -> None:
    job = Notifier(bindings.database, dict, Catalogue(()), None, bindings.clock, elapsed=bindings.clock)
    assert (job.look(), job.send()) == (2, 0)
    assert _states(bindings) == [("not_mailed", 0, NO_MAIL)] * 2
    assert job.status() == Status(waiting=0, oldest_age_s=0, abandoned=0, failures=0)
    assert notifier(bindings, mailbox).send() == 0


def test_notices_that_wait_when_the_mail_server_is_taken_away_are_given_up(bindings: Plane) -> None:
    away = notifier(bindings)
    assert (away.look(), away.send()) == (2, 0)
    job = Notifier(bindings.database, dict, Catalogue(()), None, bindings.clock, elapsed=bindings.clock)
    assert job.status().waiting == 2
    job.send()
    assert (job.status().waiting, {state for state, _, _ in _states(bindings)}) == (0, {"not_mailed"})


def test_publication_causes_a_look_before_the_next_round(
    bindings: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(module, "SOON_S", 0.0)
    destination = MailDestination("127.0.0.1", mailbox.port, False, SENDER, ())
    counted = [0]
    job = Notifier(bindings.database, dict, Catalogue(()), destination, bindings.clock, lambda: counted[0])
    job.start()
    try:
        _wait(mailbox, 2)
        bindings.done("POST", "/v1/bindings/1/accept")
        bindings.clock.now += 1
        counted[0] += 1
        _wait(mailbox, 3)
    finally:
        job.stop()
    assert mailbox.received[-1].rcpt_tos == ["ict@example.org"]


def _wait(mailbox: Mailbox, count: int) -> None:
    until = time.monotonic() + 30
    while len(mailbox.received) < count:
        assert time.monotonic() < until, "not sent"
        time.sleep(0.01)


def test_act_does_not_wait_for_a_hanging_server(
    bindings: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(module, "STOP_S", 0.1)
    monkeypatch.setattr("api.delivery.mail.TIMEOUT_S", 60.0)
    mailbox.hanging_s = 60.0
    job = notifier(bindings, mailbox)
    job.start()
    try:
        assert mailbox.asked.wait(timeout=30)
        bindings.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off"})
        assert [tries for _, tries, _ in _states(bindings)] == [0, 0], "the server had not answered by then"
    finally:
        job.stop()


def test_metrics_show_waiting_notices_and_their_age(bindings: Plane) -> None:
    job = notifier(bindings)
    registry = CollectorRegistry()
    registry.register(Scraped(lambda: notices(job)))

    def values() -> list[float | None]:
        names = ("notices_waiting", "notice_waiting_seconds", "notices_given_up", "notice_failures_total")
        return [registry.get_sample_value(f"dnsfilter_api_{name}") for name in names]

    assert values() == [0, 0, 0, 0]
    job.look()
    bindings.clock.now += 90
    assert values() == [2, 90, 0, 0]
    job.send()
    assert values() == [2, 90, 0, 2]
    assert bindings.clock.now > START


@pytest.fixture
def odd(bindings: Plane) -> Plane:
    """Return a plane where the zone's contact is no longer a mailbox, changed directly in the database."""
    with bindings.database.writing() as session:
        session.execute(update(AuthorityRow).where(AuthorityRow.slug == "zone").values(contact="=?x?q?a=0Ab?=@b.c"))
    return bindings


def test_contact_that_makes_no_header_affects_no_other_notice(
    odd: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "is_mailbox", lambda _text: True)
    job = notifier(odd, mailbox)
    assert (job.look(), job.send()) == (2, 1)
    assert _states(odd) == [("failed", 1, NO_ADDRESS), ("sent", 1, "")]


def test_contact_that_became_invalid_is_given_up(odd: Plane, mailbox: Mailbox) -> None:
    job = notifier(odd, mailbox)
    assert (job.look(), job.send()) == (2, 1)
    assert _states(odd) == [("failed", 0, NO_ADDRESS), ("sent", 1, "")]


def test_error_in_one_message_affects_no_other(
    bindings: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def made(kind: Kind, *rest: Any) -> Letter:
        if kind is Kind.BINDING_PROPOSED:
            raise AttributeError("of a program")
        return letter(kind, *rest)

    monkeypatch.setattr(module, "letter", made)
    job = notifier(bindings, mailbox)
    assert (job.look(), job.send()) == (2, 1)
    assert _states(bindings) == [("waiting", 1, "AttributeError"), ("sent", 1, "")]
    bindings.clock.now += GIVE_UP_S
    job.send()
    assert _states(bindings) == [("failed", 2, TOO_LATE), ("sent", 1, "")]
    assert [record.message for record in caplog.records if record.exc_info] == ["unexpected error, continuing"]


def test_thread_survives_an_error_and_sends_stored_notices(
    bindings: Plane, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_given: object) -> list[Due]:
        raise KeyError("node")

    monkeypatch.setattr(module, "TICK_S", 0.01)
    monkeypatch.setattr(module, "LOOK_S", 0.0)
    job = notifier(bindings, mailbox)
    job.look()
    bindings.done("POST", "/v1/bindings/1/accept")
    bindings.clock.now += 1
    with monkeypatch.context() as patch:
        patch.setattr(module, "due", broken)
        job.start()
        _wait(mailbox, 2)
    _wait(mailbox, 3)
    job.stop()
    assert mailbox.received[-1].rcpt_tos == ["ict@example.org"]
