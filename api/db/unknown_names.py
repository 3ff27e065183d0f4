"""Messages about unknown authorities, sites, bans and numbers. They suggest names, which every account may read."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.db.base import Base
from api.db.models import AuthorityRow, BanRow, SiteRow
from api.errors import NotFound, see_list, unknown
from dnsfilter.translatable import Text

Row = TypeVar("Row", bound=Base)


def no_authority(session: Session, slug: str) -> str:
    """Return the message about an authority that is not registered."""
    return unknown("authority", slug, session.scalars(select(AuthorityRow.slug)))


def no_site(session: Session, slug: str) -> str:
    """Return the message about a site that is not registered."""
    return unknown("site", slug, session.scalars(select(SiteRow.slug)))


def no_ban(session: Session, reference: str) -> str:
    """Return the message about a ban `authority/service` that does not exist."""
    rows = session.execute(select(BanRow.authority, BanRow.service))
    return unknown("ban", reference, [f"{row.authority}/{row.service}" for row in rows])


def no_number(noun: str, number: int, command: str = "") -> str:
    """Return the message about a row that does not exist; `command`, by default `noun`, lists such rows."""
    return Text("No {noun} {number}.{hint}", noun=noun, number=number, hint=see_list(command or noun))


def numbered(kind: type[Row], noun: str, command: str = "") -> Callable[[Session, int], Row]:
    """Return the function that finds a row by its number, and raises NotFound if there is none."""

    def get(session: Session, number: int) -> Row:
        row = session.get(kind, number)
        if row is None:
            raise NotFound(no_number(noun, number, command))
        return row

    return get
