"""A control plane whose notices go to a mailbox of loopback."""

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from sqlalchemy import select

from api.db.models import NoticeRow
from api.delivery.destinations import MailPlace
from api.notices.notice_job import Notifier
from tests.support.mail_and_syslog import Mailbox
from tests.unit.api.conftest import Plane

SENDER = "dns@example.org"
DAY_S = 86_400


def notifier(plane: Plane, mailbox: Mailbox | None = None, to: tuple[str, ...] = ()) -> Notifier:
    """One that sends to `mailbox`; the installation's own contact is `to`."""
    place = MailPlace("127.0.0.1", mailbox.port if mailbox is not None else 1, False, SENDER, to)
    return Notifier(plane.database, {"alpha": "Alpha"}, place, plane.clock, elapsed=plane.clock)


def begun(plane: Plane, mailbox: Mailbox | None = None, to: tuple[str, ...] = ()) -> Notifier:
    """One that has looked once, a second ago."""
    made = notifier(plane, mailbox, to)
    made.look()
    plane.clock.now += 1
    return made


def rows(plane: Plane) -> list[NoticeRow]:
    """Every notice, in order."""
    with plane.database.reading() as session:
        statement = select(NoticeRow).where(NoticeRow.kind != "beginning").order_by(NoticeRow.number)
        return list(session.scalars(statement))


def new_kinds(plane: Plane, look: Callable[[], object]) -> list[tuple[str, str | None]]:
    """Kind and authority of the notices that a look has made."""
    known = {row.number for row in rows(plane)}
    look()
    return sorted(((row.kind, row.authority) for row in rows(plane) if row.number not in known), key=_order)


def _order(told: tuple[str, str | None]) -> tuple[str, str]:
    return told[0], told[1] or ""


def messages(mailbox: Mailbox) -> list[EmailMessage]:
    """What has arrived."""
    found = []
    for envelope in mailbox.received:
        message = message_from_bytes(bytes(envelope.original_content or b""), policy=policy.default)
        assert isinstance(message, EmailMessage)
        found.append(message)
    return found
