"""Queries on single names. A refused name is a ban, an allowed one a row of its own."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from sqlalchemy import Select, String, cast, literal, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.bans.refusable_names import is_free
from api.db.models import AllowedNameRow, BanRow
from api.errors import NotFound, did_you_mean
from api.http.pagination import Paging, cut_page, decode_keys
from api.names.state import is_on_name, is_refused
from dnsfilter.policy.model import Instant
from dnsfilter.policy.single_names import NameVerdict
from dnsfilter.translatable import Text

NamedRow: TypeAlias = BanRow | AllowedNameRow
"""The row of a single name: of a refused one, or of an allowed one."""


def find(session: Session, authority: str, name: str, now: Instant) -> NamedRow | None:
    """Return the row by which the authority refuses or allows exactly this name now or later, or None."""
    ban, allowed = BanRow, AllowedNameRow
    refused = select(ban).where(ban.authority == authority, ban.service == name, is_refused(now))
    free = select(allowed).where(allowed.authority == authority, allowed.name == name, is_free(now))
    return session.scalar(refused) or session.scalar(free.order_by(allowed.number.desc()))


def get_live(session: Session, authority: str, name: str, now: Instant) -> NamedRow:
    """Return the row of `find`; raise `NotFound` if there is none."""
    row = find(session, authority, name, now)
    if row is None:
        raise NotFound(_no_name(session, authority, name, now))
    return row


def get(session: Session, authority: str, name: str, now: Instant) -> NamedRow:
    """Return the row of `find`, or else the one that has ended last; raise `NotFound` if there is none."""
    row = find(session, authority, name, now)
    if row is not None:
        return row
    ban, allowed = BanRow, AllowedNameRow
    refused = session.scalar(select(ban).where(ban.authority == authority, ban.service == name))
    free = select(allowed).where(allowed.authority == authority, allowed.name == name)
    ended = [one for one in (refused, session.scalar(free.order_by(allowed.number.desc()))) if one is not None]
    if not ended:
        raise NotFound(_no_name(session, authority, name, now))
    return max(ended, key=lambda one: one.revision)


def _no_name(session: Session, authority: str, name: str, now: Instant) -> str:
    known = [*(row.service for row in refused_names(session, authority, now))]
    known += [row.name for row in allowed_names(session, authority, now)]
    hint = did_you_mean(name, known) or Text(" See dnsfilterctl name list {authority}.", authority=authority)
    return Text(
        "{authority} neither refuses nor allows {name} by itself.{hint}", authority=authority, name=name, hint=hint
    )


def refused_names(session: Session, authority: str, now: Instant) -> Sequence[BanRow]:
    """Return the bans by which the authority refuses single names now or later, by number."""
    statement = select(BanRow).where(BanRow.authority == authority, is_refused(now))
    return session.scalars(statement.order_by(BanRow.number)).all()


def allowed_names(session: Session, authority: str, now: Instant) -> Sequence[AllowedNameRow]:
    """Return the names that the authority allows now or later, by number."""
    row = AllowedNameRow
    return session.scalars(select(row).where(row.authority == authority, is_free(now)).order_by(row.number)).all()


def page(
    session: Session, now: Instant, authority: str | None, verdict: NameVerdict | None, ended: bool, paging: Paging
) -> tuple[Sequence[NamedRow], str | None]:
    """Return a page of single names, by authority, name and number; those that have ended only with `ended`."""
    keys = union_all(*_keys(now, authority, verdict, ended)).subquery()
    statement = select(keys)
    position = tuple_(keys.c.authority, keys.c.name, keys.c.verdict, keys.c.number)
    if paging.cursor is not None:
        last = decode_keys(paging.cursor, (str, str, str, int))
        statement = statement.where(position > tuple_(*last))
    found = session.execute(statement.order_by(*keys.c).limit(paging.limit + 1)).all()
    wanted, following = cut_page(found, paging.limit, list)
    numbers = {kind: [row.number for row in wanted if row.verdict == kind] for kind in NameVerdict}
    bans = select(BanRow).where(BanRow.number.in_(numbers[NameVerdict.REFUSE]))
    allowed = select(AllowedNameRow).where(AllowedNameRow.number.in_(numbers[NameVerdict.ALLOW]))
    rows: dict[tuple[str, int], NamedRow] = {
        **{(NameVerdict.REFUSE, row.number): row for row in session.scalars(bans)},
        **{(NameVerdict.ALLOW, row.number): row for row in session.scalars(allowed)},
    }
    return [rows[row.verdict, row.number] for row in wanted], following


def _keys(now: Instant, authority: str | None, verdict: NameVerdict | None, ended: bool) -> list[Select[Any]]:
    ban, allowed = BanRow, AllowedNameRow
    refused = _keys_of(ban.authority, ban.service, NameVerdict.REFUSE, ban.number)
    free = _keys_of(allowed.authority, allowed.name, NameVerdict.ALLOW, allowed.number)
    refused = refused.where(is_on_name() if ended else is_refused(now))
    free = free if ended else free.where(is_free(now))
    if authority is not None:
        refused, free = refused.where(ban.authority == authority), free.where(allowed.authority == authority)
    return [one for kind, one in ((NameVerdict.REFUSE, refused), (NameVerdict.ALLOW, free)) if verdict in (None, kind)]


def _keys_of(
    authority: InstrumentedAttribute[str],
    name: InstrumentedAttribute[str],
    verdict: NameVerdict,
    number: InstrumentedAttribute[int],
) -> Select[Any]:
    said = cast(literal(str(verdict)), String)
    columns: list[Any] = [
        authority.label("authority"),
        name.label("name"),
        said.label("verdict"),
        number.label("number"),
    ]
    return select(*columns)
