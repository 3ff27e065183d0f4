"""Queries on bans."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, exists, or_, select
from sqlalchemy.orm import Session

from api.bans.schemas import State
from api.bans.state import in_state, sql_mode_at
from api.db.models import AuditRow, BanRow, BindingRow, ExemptionRow, RequestRow, TermRow
from api.db.unknown_names import no_ban
from api.errors import Invalid, NotFound, did_you_mean
from api.http.pagination import Sorting, sorted_page
from dnsfilter.policy.model import Instant

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
    """The authority's ban on the service, or None."""
    return session.scalar(select(BanRow).where(BanRow.authority == authority, BanRow.service == service))


def get(session: Session, authority: str, service: str) -> BanRow:
    """The authority's ban on the service; raises NotFound."""
    row = find(session, authority, service)
    if row is None:
        theirs = session.scalars(select(BanRow.service).where(BanRow.authority == authority))
        raise NotFound(f"{authority} has no ban on {service}.{did_you_mean(service, theirs)}")
    return row


def find_reference(session: Session, reference: str) -> BanRow | None:
    """The ban of a reference `authority/service`, or None."""
    authority, _, service = reference.partition("/")
    return find(session, authority, service)


def named(session: Session, reference: str, place: str) -> BanRow:
    """Return the ban of a reference `authority/service`; raise Invalid if there is none."""
    row = find_reference(session, reference)
    if row is None:
        raise Invalid.at(place, no_ban(session, reference))
    return row


def references(session: Session, numbers: set[int]) -> Mapping[int, str]:
    """The reference `authority/service` of each ban number."""
    if not numbers:
        return {}
    rows = session.execute(select(BanRow.number, BanRow.authority, BanRow.service).where(BanRow.number.in_(numbers)))
    return {number: f"{authority}/{service}" for number, authority, service in rows}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list of bans is narrowed to; None does not narrow it. `follows` is the number of a ban."""

    state: State | None
    authority: str | None
    service: str | None
    mode: str | None
    follows: int | None


def page(
    session: Session, now: Instant, wanted: Wanted, sort: str, limit: int, cursor: str | None
) -> tuple[Sequence[BanRow], str | None]:
    """A page of bans in the order of `sort`."""
    statement = select(BanRow)
    if wanted.authority is not None:
        statement = statement.where(BanRow.authority == wanted.authority)
    if wanted.service is not None:
        statement = statement.where(BanRow.service == wanted.service)
    if wanted.mode is not None:
        statement = statement.where(sql_mode_at(now) == wanted.mode)
    if wanted.follows is not None:
        statement = statement.where(_follows(wanted.follows))
    if wanted.state is not None:
        statement = statement.where(in_state(wanted.state, now))
    return sorted_page(session, statement, SORTING, sort, limit, cursor)


def referred_to(session: Session, number: int) -> bool:
    """Whether a binding, an exemption or a request names the ban."""
    used = or_(*(exists().where(kind.ban == number) for kind in (BindingRow, ExemptionRow, RequestRow)))
    return bool(session.scalar(select(used)))


def is_followed(session: Session, number: int) -> bool:
    """Whether a decision of another ban, of a term of it, or of a term's early end follows the ban."""
    decided = exists().where(BanRow.number != number, BanRow.decision["follows"].as_integer() == number)
    of_terms = (TermRow.decision, TermRow.ended_decision)
    renewed_or_ended = or_(*(decision["follows"].as_integer() == number for decision in of_terms))
    return bool(session.scalar(select(or_(decided, exists().where(TermRow.ban != number, renewed_or_ended)))))


def followed_by(row: BanRow) -> list[int]:
    """The numbers of the bans that decisions about the ban follow."""
    stored = [row.decision] + [term.decision for term in row.terms] + [term.ended_decision for term in row.terms]
    return [decision["follows"] for decision in stored if decision.get("follows") is not None]


def leads_to(session: Session, row: BanRow, number: int) -> bool:
    """Whether the ban, or one that it follows, and so on, follows the ban `number`."""
    known, ahead = {row.number}, [row]
    while ahead:
        following = set(followed_by(ahead.pop())) - known
        if number in following:
            return True
        known |= following
        ahead += [found for found in (session.get(BanRow, other) for other in following) if found is not None]
    return False


def provisional_since(session: Session, subject: str) -> Instant | None:
    """When the ban that the audit calls `subject` was adopted provisionally; None if it was not.

    There is at most one such act: the ban has begun with it, and what has begun is not removed.
    """
    act = select(AuditRow.time_s).where(AuditRow.act == "ban.adopt_provisionally", AuditRow.object == subject)
    return session.scalar(act)


def _follows(number: int) -> ColumnElement[bool]:
    """That the decision of the ban, or of a term of it, follows the ban `number`."""
    of_term = exists().where(TermRow.ban == BanRow.number, TermRow.decision["follows"].as_integer() == number)
    return or_(BanRow.decision["follows"].as_integer() == number, of_term)
