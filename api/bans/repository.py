"""Queries on bans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from api.bans.schemas import State
from api.bans.state import in_state, sql_mode_at
from api.db.models import AuditRow, AuthorityRow, BanRow, BindingRow, ExemptionRow, TermRow
from api.db.subjects import subject
from api.db.unknown_names import no_authority, no_ban
from api.errors import Invalid, NotFound, did_you_mean
from api.http.pagination import Sorting, sorted_page, within
from dnsfilter.policy.model import Instant
from dnsfilter.translatable import Text

SORTING = Sorting(
    BanRow.number,
    {
        "number": BanRow.number,
        "authority": BanRow.authority,
        "service": BanRow.service,
        "mode": BanRow.mode,
        "revision": BanRow.revision,
    },
)


def find(session: Session, authority: str, service: str) -> BanRow | None:
    """Return the authority's ban on the service, or None."""
    return session.scalar(select(BanRow).where(BanRow.authority == authority, BanRow.service == service))


def get(session: Session, authority: str, service: str) -> BanRow:
    """Return the authority's ban on the service; raise `NotFound` if there is none."""
    row = find(session, authority, service)
    if row is None:
        if session.get(AuthorityRow, authority) is None:
            raise NotFound(no_authority(session, authority))
        theirs = session.scalars(select(BanRow.service).where(BanRow.authority == authority))
        raise NotFound(
            Text(
                "{authority} has no ban on {service}.{hint}",
                authority=authority,
                service=service,
                hint=did_you_mean(service, theirs),
            )
        )
    return row


def find_reference(session: Session, reference: str) -> BanRow | None:
    """Return the ban of a reference `authority/service`, or None."""
    authority, _, service = reference.partition("/")
    return find(session, authority, service)


def number_of(session: Session, reference: str, location: str) -> int:
    """Return the number of the ban of a reference `authority/service`; raise Invalid if there is none."""
    authority, _, service = reference.partition("/")
    wanted = BanRow.authority == authority, BanRow.service == service
    number = session.scalar(select(BanRow.number).where(*wanted))
    if number is None:
        raise Invalid.at(location, no_ban(session, reference))
    return number


def named(session: Session, reference: str, location: str) -> BanRow:
    """Return the ban of a reference `authority/service`; raise Invalid if there is none."""
    row = find_reference(session, reference)
    if row is None:
        raise Invalid.at(location, no_ban(session, reference))
    return row


def references(session: Session, numbers: set[int]) -> Mapping[int, str]:
    """Return the reference `authority/service` of each ban number."""
    if not numbers:
        return {}
    rows = session.execute(select(BanRow.number, BanRow.authority, BanRow.service).where(BanRow.number.in_(numbers)))
    return {number: f"{authority}/{service}" for number, authority, service in rows}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Filters of a list of bans; None does not filter. `follows` is a reference, `mine` are authorities."""

    state: State | None
    authority: str | None
    service: str | None
    mode: str | None
    follows: str | None
    mine: frozenset[str] | None = None


def page(
    session: Session, now: Instant, wanted: Wanted, sort: str, limit: int, cursor: str | None
) -> tuple[Sequence[BanRow], str | None]:
    """Return a page of bans in the order of `sort`. Raise `Invalid` if there is no ban `follows`."""
    statement = select(BanRow).where(*within(BanRow.authority, wanted.mine))
    if wanted.authority is not None:
        statement = statement.where(BanRow.authority == wanted.authority)
    if wanted.service is not None:
        statement = statement.where(BanRow.service == wanted.service)
    if wanted.mode is not None:
        statement = statement.where(sql_mode_at(now) == wanted.mode)
    if wanted.follows is not None:
        followed = number_of(session, wanted.follows, "query.follows")
        # A ban follows one on the same service. Without this, all bans would be searched.
        statement = statement.where(BanRow.service == wanted.follows.partition("/")[2], _follows(followed))
    if wanted.state is not None:
        statement = statement.where(in_state(wanted.state, now))
    return sorted_page(session, statement, SORTING, sort, limit, cursor)


def referred_to(session: Session, number: int) -> bool:
    """Return whether a binding or an exemption names the ban."""
    used = or_(*(exists().where(kind.ban == number) for kind in (BindingRow, ExemptionRow)))
    return bool(session.scalar(select(used)))


def is_followed(session: Session, number: int) -> bool:
    """Return whether a formal decision about another ban, its terms or an early end follows the ban."""
    decided = exists().where(BanRow.number != number, BanRow.decision["follows"].as_integer() == number)
    of_terms = (TermRow.decision, TermRow.ended_decision)
    renewed_or_ended = or_(*(decision["follows"].as_integer() == number for decision in of_terms))
    return bool(session.scalar(select(or_(decided, exists().where(TermRow.ban != number, renewed_or_ended)))))


def followed_by(row: BanRow) -> list[int]:
    """Return the numbers of the bans that formal decisions about the ban follow."""
    stored = [row.decision] + [term.decision for term in row.terms] + [term.ended_decision for term in row.terms]
    return [decision["follows"] for decision in stored if decision.get("follows") is not None]


def leads_to(session: Session, row: BanRow, number: int) -> bool:
    """Return whether the ban follows the ban `number`, directly or through other bans."""
    known, ahead = {row.number}, [row]
    while ahead:
        following = set(followed_by(ahead.pop())) - known
        if number in following:
            return True
        known |= following
        ahead += [found for found in (session.get(BanRow, other) for other in following) if found is not None]
    return False


def provisional_since(session: Session, row: BanRow) -> Instant | None:
    """Return when the ban was adopted provisionally; None if it was not.

    There is at most one such act: the ban begins with it, and a ban that has begun is never removed.
    """
    act = select(AuditRow.time_s).where(AuditRow.act == "ban.adopt_provisionally", AuditRow.object == subject(row))
    return session.scalar(act)


def _follows(number: int) -> ColumnElement[bool]:
    """Select the bans whose formal decision, or that of a term, follows the ban `number`."""
    of_term = exists().where(TermRow.ban == BanRow.number, TermRow.decision["follows"].as_integer() == number)
    return or_(BanRow.decision["follows"].as_integer() == number, of_term)
