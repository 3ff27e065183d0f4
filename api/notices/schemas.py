"""Notices as read."""

from api.db.models import NoticeRow
from api.moments import moment_text, optional_text
from api.notices.repository import NoticeState, state_of
from api.schemas import Page, Read, Timestamp


class NoticeRead(Read):
    """Mail to an authority's contact, or to the installation's (null), and what became of it.

    `ban` is the one that it is about, if it is about one. `failure` is why the last try failed, or why it was given up.
    """

    number: int
    kind: str
    authority: str | None
    ban: str | None
    state: NoticeState
    made: Timestamp
    sent: Timestamp | None
    next_try: Timestamp | None
    tries: int
    failure: str


class NoticesRead(Page[NoticeRead]):
    """A part of the list of notices; `mail` tells whether there is a mail server: without one there are no new ones."""

    mail: bool


def read_notice(row: NoticeRow) -> NoticeRead:
    """A notice as the API shows it."""
    return NoticeRead(
        number=row.number,
        kind=row.kind,
        authority=row.authority,
        ban=row.facts.get("ban"),
        state=state_of(row),
        made=moment_text(row.made_s),
        sent=optional_text(row.sent_s),
        next_try=optional_text(row.next_try_s),
        tries=row.tries,
        failure=row.failure,
    )
