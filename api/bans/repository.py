"""Queries on bans."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from api.bans.standing import ENDING_S
from api.db.models import AuditRow, BanRow, BindingRow, ExemptionRow, TermRow
from api.errors import NotFound
from api.pagination import Sorting, sorted_page
from dnsfilter.policy.model import Instant

STATES = ("planned", "in_force", "ending", "lapsed")
"""What a list can be filtered by: `ending` bans are in force too."""

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
        raise NotFound(f"{authority} has no ban on {service}")
    return row


def find_reference(session: Session, reference: str) -> BanRow | None:
    """The ban of a reference `authority/service`, or None."""
    authority, _, service = reference.partition("/")
    return find(session, authority, service)


def references(session: Session, numbers: set[int]) -> Mapping[int, str]:
    """The reference `authority/service` of each ban number."""
    if not numbers:
        return {}
    rows = session.execute(select(BanRow.number, BanRow.authority, BanRow.service).where(BanRow.number.in_(numbers)))
    return {number: f"{authority}/{service}" for number, authority, service in rows}


def page(
    session: Session,
    now: Instant,
    *,
    state: str | None,
    authority: str | None,
    service: str | None,
    mode: str | None,
    sort: str,
    limit: int,
    cursor: str | None,
) -> tuple[Sequence[BanRow], str | None]:
    """A page of bans in the order of `sort`."""
    statement = select(BanRow)
    if authority is not None:
        statement = statement.where(BanRow.authority == authority)
    if service is not None:
        statement = statement.where(BanRow.service == service)
    if mode is not None:
        statement = statement.where(BanRow.mode == mode)
    if state is not None:
        statement = statement.where(_in_state(state, now))
    return sorted_page(session, statement, SORTING, sort, limit, cursor)


def referred_to(session: Session, number: int) -> bool:
    """Whether a binding or an exemption names the ban."""
    used = or_(exists().where(BindingRow.ban == number), exists().where(ExemptionRow.ban == number))
    return bool(session.scalar(select(used)))


def is_followed(session: Session, number: int) -> bool:
    """Whether a decision of another ban, of a term of it, or of a term's early end follows the ban."""
    decided = exists().where(BanRow.number != number, BanRow.decision["follows"].as_integer() == number)
    of_terms = (TermRow.decision, TermRow.ended_decision)
    renewed_or_ended = or_(*(decision["follows"].as_integer() == number for decision in of_terms))
    return bool(session.scalar(select(or_(decided, exists().where(TermRow.ban != number, renewed_or_ended)))))


def provisional_since(session: Session, subject: str) -> Instant | None:
    """When the ban that the audit calls `subject` was adopted provisionally; None if it was not.

    There is at most one such act: the ban has begun with it, and what has begun is not removed.
    """
    act = select(AuditRow.time_s).where(AuditRow.act == "ban.adopt_provisionally", AuditRow.object == subject)
    return session.scalar(act)


def _in_state(state: str, now: Instant) -> ColumnElement[bool]:
    end = func.coalesce(TermRow.ended_s, TermRow.end_s)
    own = TermRow.ban == BanRow.number
    begun = and_(TermRow.start_s <= now, TermRow.recorded_s <= now)
    held = exists().where(own, begun, or_(end.is_(None), end > now))
    ahead = exists().where(own, TermRow.start_s > now, or_(end.is_(None), end > TermRow.start_s))
    beyond = exists().where(own, or_(end.is_(None), and_(end > now + ENDING_S, end > TermRow.start_s)))
    match state:
        case "in_force":
            return held
        case "ending":
            return and_(held, not_(beyond))
        case "planned":
            return and_(not_(held), ahead)
        case _:
            return and_(not_(held), not_(ahead))
