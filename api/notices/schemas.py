"""Schemas of notices."""

from enum import StrEnum

from api.http.schemas import Page, Read, Slug, Strict, Timestamp


class NoticeState(StrEnum):
    """State of a notice.

    `failed`: given up because it was refused, tried for too long, or has no address. `not_mailed`: there was no mail
    server, or no contact of the installation. Receivers of events get every notice.
    """

    WAITING = "waiting"
    SENT = "sent"
    FAILED = "failed"
    NOT_MAILED = "not_mailed"


class NoticeRead(Read):
    """A notice to an authority's contact, or to the installation's contact (`authority` is null), by mail.

    `ban` is the ban that it is about, if any. `failure` is why the last try failed, or why the notice was given up.
    """

    number: int
    kind: str
    authority: str | None
    ban: str | None
    state: NoticeState
    recorded: Timestamp
    sent: Timestamp | None
    next_try: Timestamp | None
    tries: int
    failure: str


class NoticeTestWrite(Strict):
    """A test mail: to the contact of `authority`, or without it to the contact of the installation."""

    authority: Slug | None = None


class NoticeTestRead(Read):
    """The result of a test mail. `failure` is why the server did not take it, empty if it did."""

    authority: str | None
    recipients: list[str]
    sent: bool
    failure: str


class NoticesRead(Page[NoticeRead]):
    """A page of notices. `mail` says whether a mail server is set: without one, no notice is mailed."""

    mail: bool
