"""Notices about new names of services, to the authority of the service, or to the installation for the catalogue."""

from collections.abc import Iterator, Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.bans.state import live_terms
from api.db.base import Json
from api.db.models import BanRow, NoticeRow, UpdateRow
from api.notices.kinds import Due, Hour, Kind
from api.updates.schemas import Outcome, UpdateState
from api.updates.state import in_state
from api.usage.pending_counts import pending_counts
from dnsfilter.policy.model import DAY_S, Service, WireName
from dnsfilter.wire.names import name_text

OFTEN = 20
"""Queries for a pending name that cause a notice. A browser sends three for a page: this is about seven visits."""
COUNTED_BEFORE_S = 2 * DAY_S
"""Seconds before pending names are enforced from which they cause a notice. They were counted for a day by then."""
MOST_ASKED = 10
"""Names that a notice gives with their queries. `update show` lists all."""


def due_updates(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield a notice for each update that is held back."""
    row, kind = UpdateRow, Kind.UPDATE_HELD_BACK
    for found in session.scalars(select(row).where(row.outcome == Outcome.HELD_BACK).order_by(row.number)):
        if hour.fresh(found.proposed_s):
            facts = {"service": found.service, "number": found.number, "at_s": found.proposed_s}
            yield Due(f"{kind}/{found.number}", kind, found.authority, facts)


def due_asked_names(session: Session, hour: Hour, services: Mapping[str, Service]) -> Iterator[Due]:
    """Yield one notice for each update with pending names that clients ask for often. `services` are those in force."""
    row, kind = UpdateRow, Kind.PENDING_NAMES_ASKED
    near = row.enforced_from_s <= hour.now + COUNTED_BEFORE_S
    pending = select(row).where(in_state(UpdateState.PENDING, hour.now), near).order_by(row.number)
    found = {f"{kind}/{update.number}": update for update in session.scalars(pending)}
    # Names are looked up once: a service may have a million.
    made = set(session.scalars(select(NoticeRow.key).where(NoticeRow.key.in_(found))))
    for key, update in found.items():
        service = services.get(update.service)
        if key in made or service is None:
            continue
        asked = _asked_often(session, update, service)
        if asked:
            facts = {"service": update.service, "number": update.number, "at_s": update.enforced_from_s}
            facts |= {"asked": asked[:MOST_ASKED], "asked_count": len(asked)}
            yield Due(key, kind, update.authority, facts)


def due_removed_names(session: Session, hour: Hour) -> Iterator[Due]:
    """Yield a notice to each authority that bans another's own service, for each update that removes names of it."""
    row, kind = UpdateRow, Kind.NAMES_REMOVED
    taken_s = func.coalesce(row.decided_s, row.proposed_s)
    statement = select(row, taken_s, BanRow).join(BanRow, BanRow.service == row.service)
    others = (row.authority.is_not(None), BanRow.authority != row.authority)
    taken = (row.outcome == Outcome.TAKEN, row.removed > 0, taken_s > hour.oldest)
    for update, at_s, ban in session.execute(statement.where(*taken, *others).order_by(row.number, BanRow.number)):
        if hour.fresh(at_s) and live_terms(ban.terms, at_s):
            facts: Json = {"service": update.service, "feed": update.service, "source": update.authority}
            facts |= {"number": update.removed, "at_s": at_s}
            yield Due(f"{kind}/{update.number}/{ban.authority}", kind, ban.authority, facts)


def _asked_often(session: Session, update: UpdateRow, service: Service) -> Sequence[tuple[str, int]]:
    """Return the pending names of the update that clients ask for often, with their queries: the most first."""
    counts = pending_counts(session, service.slug, update.proposed_s)
    often = {name: queries for name, queries in counts.items() if queries >= OFTEN}
    if not often:
        return ()
    tiers = [tier for tier in service.tiers if tier.enforced_from == update.enforced_from_s]
    pending = frozenset[WireName]().union(*(names for tier in tiers for names in (tier.domains, tier.hosts)))
    asked = [(name, often[name]) for name in map(name_text, pending) if name in often]
    return sorted(asked, key=lambda each: (-each[1], each[0]))
