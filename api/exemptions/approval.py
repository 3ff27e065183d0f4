"""Who may approve which request for an exemption, and who may take away what it leaves.

An exemption counts as one of the whole authority, and an administrator decides, unless a tenth of the authority's
addresses stays under the ban, of each version of IP in which it names ranges. What stays are ranges that the ban
covers, neither named by it, or by an approved one of its time, nor inside one that is; and only those that were there
when it was asked for, and for 30 days when it is approved, or since the ban was adopted. So what is left is neither a
token nor made for the occasion.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from ipaddress import ip_network
from typing import NamedTuple, TypeAlias

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.auth.caller import Permit
from api.auth.roles import Role
from api.db.base import Json
from api.db.models import AuditRow, BanRow, ConcernRow, ExemptionRow, MatterRow, RangeRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Forbidden
from api.exemptions import repository
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import APPROVED, exemption_state, is_approved
from api.http.prefixes import maps_by_site
from dnsfilter.policy.intervals import Interval, union
from dnsfilter.policy.model import Instant

SHARE = 10
"""One in so many of an authority's addresses stays under the ban."""
STOOD_S = 30 * 86_400
"""For so long a range has to be there, unless it is older than the ban."""
_Place: TypeAlias = tuple[str, str]
"""Site and prefix of a range."""
_Wide: TypeAlias = tuple[str, int]
"""A site and a version of IP."""


class _Left(NamedTuple):
    site: str
    prefix: str
    funding: str
    audience: str
    revision: int


def demand(unit: UnitOfWork, permit: Permit, row: ExemptionRow) -> None:
    """Raises Forbidden where the caller, who may decide about exemptions from the ban, may not approve this one."""
    ban, whole = unit.session.get_one(BanRow, row.ban), None
    if exemption_state(row, unit.now_s) is ExemptionState.REQUESTED:
        whole = whole_authority(unit.session, row, unit.now_s)
    roles = permit.rule.roles if whole is None else frozenset({Role.ADMINISTRATOR})
    permit.another_person(unit.session, row.requested_by, roles, ban.authority, unit.now_s)
    if whole is not None and not permit.caller.administers:
        why = "less than a tenth of it would stay under the ban, in ranges that were there before"
        if _leaves_enough(unit.session, row, whole, row.revision, unit.now_s):
            why = "what would stay under the ban are ranges that have been as they are for less than 30 days"
        raise Forbidden(f"this counts as an exemption of the whole of {whole}: an administrator approves that ({why})")


@contextmanager
def leaving_some(unit: UnitOfWork, permit: Permit, authorities: Collection[str]) -> Iterator[None]:
    """While ranges of `authorities` are changed or deregistered: raises Forbidden where that makes an approved
    exemption one of the whole authority, unless the caller is an administrator."""
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
            what = f"exemption {row.number} would then be one of the whole of {owner}"
            raise Forbidden(f"{what}: an administrator changes or deregisters what it has to leave")


def whole_authority(session: Session, row: ExemptionRow, now: Instant) -> str | None:
    """An authority of which too little is left by the exemption that is asked for and the approved ones of its time.

    Of weekly hours nothing is believed: they may add up to a whole week. Ranges that the ban does not cover do not
    count, unless it covers none: its scope may be widened.
    """
    for owner in sorted(set(repository.owners(session, row.site, row.ranges).values())):
        if not _leaves_long_standing(session, row, owner, now):
            return owner
    return None


def _leaves_long_standing(session: Session, row: ExemptionRow, owner: str, now: Instant) -> bool:
    """Whether it leaves enough in ranges that were there for long enough."""
    stood = _revision_at(session, _known_since(session.get_one(BanRow, row.ban), row, now))
    return _leaves_enough(session, row, owner, min(row.revision, stood), now)


def _leaves_enough(session: Session, row: ExemptionRow, owner: str, since: int, now: Instant) -> bool:
    """Whether of each version of IP in which it names ranges of `owner` a tenth of the addresses is left there.

    Of what is left, only what has been as it is since the revision `since` counts.
    """
    ban = session.get_one(BanRow, row.ban)
    # Columns, as they are now: an import changes rows behind the session's back.
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
    # What a range that is left has of exempted ones inside it is exempted.
    without = _sizes(named)
    rest = {wide: size - without.get(wide, 0) for wide, size in _sizes([*stays, *named]).items()}
    for version in asked:
        here, there = (sum(n for (_, other), n in sizes.items() if other == version) for sizes in (rest, gone))
        if here * SHARE < here + there:
            return False
    return True


def _sizes(places: Iterable[_Place]) -> Mapping[_Wide, int]:
    """How many addresses these have at each site, of each version of IP."""
    spans: defaultdict[_Wide, list[Interval]] = defaultdict(list)
    for site, prefix in places:
        network = ip_network(prefix)
        first = int(network.network_address)
        spans[site, network.version].append((first, first + network.num_addresses))
    return {wide: sum(end - start for start, end in union(found)) for wide, found in spans.items()}


def _outside(items: Iterable[_Left], named: set[_Place]) -> Iterator[_Left]:
    """Those that are neither one of `named` nor inside one of them."""
    maps = maps_by_site((site, ip_network(prefix), True) for site, prefix in named)
    for item in items:
        if item.site not in maps or maps[item.site].of(ip_network(item.prefix)) is None:
            yield item


def _known_since(ban: BanRow, row: ExemptionRow, now: Instant) -> Instant:
    """When a range has to be there for the exemption to leave it, approved when it was, or now."""
    approved = now if row.approved_s is None else row.approved_s
    return min(max(min(term.recorded_s for term in ban.terms), approved - STOOD_S), row.requested_s)


def _revision_at(session: Session, at: Instant) -> int:
    return session.scalar(select(func.max(AuditRow.revision)).where(AuditRow.time_s <= at)) or 0


def _changed_since(session: Session, owner: str, revision: int) -> frozenset[str]:
    """The ranges of `owner` that have become what they are since that revision; another label changes nothing."""
    acts = select(AuditRow.object, AuditRow.before, AuditRow.after).join(MatterRow, MatterRow.seq == AuditRow.seq)
    theirs = acts.where(MatterRow.authority == owner, AuditRow.revision > revision, AuditRow.act.startswith("range."))
    return frozenset(
        subject for subject, before, after in session.execute(theirs) if _matters(before) != _matters(after)
    )


def _subject(item: _Left) -> str:
    return f"range/{item.site}/{item.prefix}"


def _matters(shown: Json | None) -> tuple[object, ...] | None:
    return None if shown is None else tuple(shown.get(name) for name in ("authority", "funding", "audience"))


def _approved(session: Session, authorities: Collection[str]) -> list[tuple[ExemptionRow, str]]:
    """The approved exemptions of ranges of each authority, with the authority."""
    statement = (
        select(ExemptionRow, ConcernRow.authority)
        .join(ConcernRow, ConcernRow.exemption == ExemptionRow.number)
        .where(ConcernRow.authority.in_(authorities), ExemptionRow.approved_s.is_not(None))
    )
    return [(row, owner) for row, owner in session.execute(statement)]


def _overlapping(session: Session, row: ExemptionRow, now: Instant) -> list[ExemptionRow]:
    """The other approved exemptions from the same ban that have effect while this one would."""
    other, begin = ExemptionRow, max(row.start_s, now)
    statement = select(other).where(
        other.ban == row.ban,
        other.number != row.number,
        is_approved(begin),
        other.start_s < row.end_s,
    )
    return list(session.scalars(statement))
