"""Who may approve an exemption, and who may change ranges that an approved exemption leaves under the ban.

An approver may approve an exemption if it leaves a tenth of the authority's addresses under the ban; otherwise an
administrator must. The share counts for each version of IP in which the exemption names ranges. Only ranges that the
ban covers count. They must be neither in an approved exemption of that time nor inside an exempted range. They must
have existed when the exemption was requested. At the approval, they must be 30 days old or as old as the ban. So nobody
can leave a token range, or register one for the occasion.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_network
from typing import NamedTuple, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.auth.permit import Permit
from api.auth.roles import Role
from api.auth.second_person import demand_second_person
from api.db.base import Json
from api.db.models import AuditRow, BanRow, ConcernRow, ExemptionRow, MatterRow, RangeRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Forbidden
from api.exemptions import repository
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import APPROVED, exemption_state, is_approved
from api.http.prefixes import maps_by_site
from dnsfilter.policy.intervals import Interval, union
from dnsfilter.policy.model import DAY_S, Instant
from dnsfilter.translatable import Text

SHARE = 10
"""One address in this many of an authority must stay under the ban."""
MIN_AGE_S = 30 * DAY_S
"""Seconds that a range must have existed, unless it is older than the ban."""
_SitePrefix: TypeAlias = tuple[str, str]
"""Site and prefix of a range."""
_SiteVersion: TypeAlias = tuple[str, int]
"""A site and a version of IP."""


class _Left(NamedTuple):
    site: str
    prefix: str
    funding: str
    audience: str
    revision: int


def demand(unit: UnitOfWork, permit: Permit, row: ExemptionRow) -> None:
    """Raise `Forbidden` if the caller may decide about exemptions from the ban but not approve this one."""
    ban, exempted = unit.session.get_one(BanRow, row.ban), None
    if exemption_state(row, unit.now_s) is ExemptionState.REQUESTED:
        exempted = exempted_authority(unit.session, row, unit.now_s)
    roles = permit.rule.roles if exempted is None else frozenset({Role.ADMINISTRATOR})
    demand_second_person(permit.caller, unit.session, row.requested_by, roles, ban.authority, unit.now_s)
    if exempted is not None and not permit.caller.administers:
        why = Text("less than a tenth of its addresses would stay under the ban, in ranges that existed before")
        if _leaves_enough(unit.session, row, exempted, row.revision, unit.now_s):
            why = Text("the ranges that would stay under the ban have changed in the last 30 days")
        raise Forbidden(
            Text(
                "this counts as an exemption of all of {exempted}: {why}. Ask an administrator to approve it.",
                exempted=exempted,
                why=why,
            )
        )


def demand_concerned(unit: UnitOfWork, permit: Permit, row: ExemptionRow) -> None:
    """Raise `Forbidden` unless the caller has the role in an authority that the exemption concerns."""
    permit.demand(*repository.concerned(unit.session, row))


def demand_of_ban(unit: UnitOfWork, permit: Permit, row: ExemptionRow) -> None:
    """Raise `Forbidden` unless the caller acts for the authority of the ban."""
    permit.demand(unit.session.get_one(BanRow, row.ban).authority)


def demand_of_ranges(unit: UnitOfWork, permit: Permit, row: ExemptionRow) -> None:
    """Raise `Forbidden` unless the caller acts for the authority of every range."""
    for owner in sorted(repository.affected(unit.session, row)):
        permit.demand(owner)


@contextmanager
def keeping_enough_under_ban(unit: UnitOfWork, permit: Permit, authorities: Collection[str]) -> Iterator[None]:
    """Guard changes of ranges of `authorities` in the block: keep enough of them under the ban.

    Raise `Forbidden` after the block if an approved exemption then leaves too little, unless the caller is an
    administrator.
    """
    if permit.caller.administers or not authorities:
        yield
        return
    session, now = unit.session, unit.now_s
    approved = [(row, owner) for row, owner in _approved(session, authorities) if exemption_state(row, now) in APPROVED]
    partial = [(row, owner) for row, owner in approved if _leaves_long_standing(session, row, owner, now)]
    yield
    session.flush()
    for row, owner in partial:
        if not _leaves_long_standing(session, row, owner, now):
            raise Forbidden(
                Text(
                    "exemption {number} would then leave less than a tenth of {authority} under the ban. "
                    "Ask an administrator to make this change.",
                    number=row.number,
                    authority=owner,
                )
            )


def exempted_authority(session: Session, row: ExemptionRow, now: Instant) -> str | None:
    """Return an authority of which the exemption, with approved ones of its time, leaves too little; or None.

    Weekly hours do not count as leaving anything: together they may cover a complete week. Ranges that the ban does not
    cover do not count, unless it covers none: its scope may be widened.
    """
    for owner in sorted(set(repository.owners(session, row.site, row.ranges).values())):
        if not _leaves_long_standing(session, row, owner, now):
            return owner
    return None


def _leaves_long_standing(session: Session, row: ExemptionRow, owner: str, now: Instant) -> bool:
    """Return whether the exemption leaves enough in ranges that have existed long enough."""
    stood = _revision_at(session, _known_since(session.get_one(BanRow, row.ban), row, now))
    return _leaves_enough(session, row, owner, min(row.revision, stood), now)


def _leaves_enough(session: Session, row: ExemptionRow, owner: str, since: int, now: Instant) -> bool:
    """Return whether the exemption leaves a tenth of the addresses of `owner`.

    Check each version of IP in which it names ranges of `owner`. Count only ranges that have not changed since the
    revision `since`.
    """
    ban = session.get_one(BanRow, row.ban)
    # Select columns: an import changes rows without the session.
    columns = [getattr(RangeRow, name) for name in _Left._fields]
    registered = [_Left(*item) for item in session.execute(select(*columns).where(RangeRow.authority == owner))]
    covered = [item for item in registered if item.funding in ban.funding and item.audience in ban.audience]
    counted = covered or registered
    named = {(row.site, prefix) for prefix in row.ranges}
    asked = {ip_network(item.prefix).version for item in counted if (item.site, item.prefix) in named}
    for other in _overlapping(session, row, now):
        named |= {(other.site, prefix) for prefix in other.ranges}
    left = list(_outside(counted, named))
    gone = _sizes((item.site, item.prefix) for item in set(counted).difference(left))
    changed = _changed_since(session, owner, since) if any(item.revision > since for item in left) else frozenset()
    stays = [(item.site, item.prefix) for item in left if item.revision <= since or _subject(item) not in changed]
    # Exempted ranges inside a range that is left are exempted.
    without = _sizes(named)
    rest = {wide: size - without.get(wide, 0) for wide, size in _sizes([*stays, *named]).items()}
    for version in asked:
        here, there = (sum(n for (_, other), n in sizes.items() if other == version) for sizes in (rest, gone))
        if here * SHARE < here + there:
            return False
    return True


def _sizes(ranges: Iterable[_SitePrefix]) -> Mapping[_SiteVersion, int]:
    """Return the number of addresses in these ranges, at each site and of each version of IP."""
    spans: defaultdict[_SiteVersion, list[Interval]] = defaultdict(list)
    for site, prefix in ranges:
        network = ip_network(prefix)
        first = int(network.network_address)
        spans[site, network.version].append((first, first + network.num_addresses))
    return {wide: sum(end - start for start, end in union(found)) for wide, found in spans.items()}


def _outside(items: Iterable[_Left], named: set[_SitePrefix]) -> Iterator[_Left]:
    """Yield the ranges that are neither in `named` nor inside one of `named`."""
    maps = maps_by_site((site, ip_network(prefix), True) for site, prefix in named)
    for item in items:
        if item.site not in maps or maps[item.site].of(ip_network(item.prefix)) is None:
            yield item


def _known_since(ban: BanRow, row: ExemptionRow, now: Instant) -> Instant:
    """Return since when a range must have existed, for an exemption that is approved when it was, or now."""
    approved = now if row.approved_s is None else row.approved_s
    return min(max(min(term.recorded_s for term in ban.terms), approved - MIN_AGE_S), row.requested_s)


def _revision_at(session: Session, at: Instant) -> int:
    return session.scalar(select(func.max(AuditRow.revision)).where(AuditRow.time_s <= at)) or 0


def _changed_since(session: Session, owner: str, revision: int) -> frozenset[str]:
    """Return the ranges of `owner` that have changed since that revision; a new label is no change."""
    acts = select(AuditRow.object, AuditRow.before, AuditRow.after).join(MatterRow, MatterRow.seq == AuditRow.seq)
    theirs = acts.where(MatterRow.authority == owner, AuditRow.revision > revision, AuditRow.act.startswith("range."))
    return frozenset(
        subject
        for subject, before, after in session.execute(theirs)
        if _relevant_fields(before) != _relevant_fields(after)
    )


def _subject(item: _Left) -> str:
    return f"range/{item.site}/{item.prefix}"


def _relevant_fields(shown: Json | None) -> tuple[object, ...] | None:
    return None if shown is None else tuple(shown.get(name) for name in ("authority", "funding", "audience"))


def _approved(session: Session, authorities: Collection[str]) -> list[tuple[ExemptionRow, str]]:
    """Return the approved exemptions of ranges of each authority, with the authority."""
    statement = (
        select(ExemptionRow, ConcernRow.authority)
        .join(ConcernRow, ConcernRow.exemption == ExemptionRow.number)
        .where(ConcernRow.authority.in_(authorities), ExemptionRow.approved_s.is_not(None))
    )
    return [(row, owner) for row, owner in session.execute(statement)]


def _overlapping(session: Session, row: ExemptionRow, now: Instant) -> list[ExemptionRow]:
    """Return the other approved exemptions from the same ban that are in force while this one would be."""
    other, begin = ExemptionRow, max(row.start_s, now)
    statement = select(other).where(
        other.ban == row.ban,
        other.number != row.number,
        is_approved(begin),
        other.start_s < row.end_s,
    )
    return list(session.scalars(statement))
