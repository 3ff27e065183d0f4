"""Notices as read."""

from enum import StrEnum

from api.http.schemas import Page, Read, Timestamp


class NoticeState(StrEnum):
    """What became of a notice. `failed` is given up: refused, tried for too long, or without an address."""

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"


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
