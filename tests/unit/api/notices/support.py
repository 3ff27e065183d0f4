"""A control plane that sends its notices to a local mailbox."""

from collections.abc import Callable
from email import message_from_bytes, policy
from email.message import EmailMessage

from sqlalchemy import select

from api.db.models import NoticeRow
from api.delivery.destinations import MailDestination
from api.notices.notice_job import Notifier
from tests.support.mail_and_syslog import Mailbox
from tests.unit.api.conftest import Plane

SENDER = "dns@example.org"
DAY_S = 86_400


def notifier(plane: Plane, mailbox: Mailbox | None = None, to: tuple[str, ...] = ()) -> Notifier:
    """Return a notifier that sends to `mailbox`. `to` is the installation's contact."""
    destination = MailDestination("127.0.0.1", mailbox.port if mailbox is not None else 1, False, SENDER, to)
    packaged = plane.app.state.runtime.catalogue
    return Notifier(plane.database, plane.publisher.services, packaged, destination, plane.clock, elapsed=plane.clock)


def begun(plane: Plane, mailbox: Mailbox | None = None, to: tuple[str, ...] = ()) -> Notifier:
    """Return a notifier that has looked once, a second ago."""
    made = notifier(plane, mailbox, to)
    made.look()
    plane.clock.now += 1
    return made


def rows(plane: Plane) -> list[NoticeRow]:
    """Return all notices in order."""
    with plane.database.reading() as session:
        statement = select(NoticeRow).where(NoticeRow.kind != "beginning").order_by(NoticeRow.number)
        return list(session.scalars(statement))


def new_kinds(plane: Plane, look: Callable[[], object]) -> list[tuple[str, str | None]]:
    """Return kind and authority of the notices that a look has made."""
    known = {row.number for row in rows(plane)}
    look()
    return sorted(((row.kind, row.authority) for row in rows(plane) if row.number not in known), key=_order)


def _order(notice: tuple[str, str | None]) -> tuple[str, str]:
    return notice[0], notice[1] or ""


def messages(mailbox: Mailbox) -> list[EmailMessage]:
    """Return the messages that arrived."""
    found = []
    for envelope in mailbox.received:
        message = message_from_bytes(bytes(envelope.original_content or b""), policy=policy.default)
        assert isinstance(message, EmailMessage)
        found.append(message)
    return found


def with_mail(plane: Plane, port: int, *to: str) -> None:
    """Give a control plane a mail server. Settings are otherwise read once, at its start."""
    destination = MailDestination("127.0.0.1", port, False, SENDER, to)
    object.__setattr__(plane.settings, "notices_mail", destination)
