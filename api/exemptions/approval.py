"""Who may approve which request for an exemption, and who may take away what it leaves.

What an exemption leaves of an authority are ranges that the ban covers, registered before it was asked for: neither
named by it, or by an approved one of its time, nor inside one that is. Where nothing is left it exempts the whole
authority, and an administrator decides.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from typing import NamedTuple, TypeAlias

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from api.auth.caller import Permit
from api.auth.permissions import Role
from api.db.base import Json
from api.db.models import AuditRow, BanRow, ConcernRow, ExemptionRow, RangeRow
from api.db.unit import UnitOfWork
from api.errors import Forbidden
from api.exemptions import repository
from api.exemptions.schemas import ExemptionState, exemption_state
from dnsfilter.policy.model import Instant

OWN = "nobody approves a request of their own: somebody else has to"
_Place: TypeAlias = tuple[str, str]
"""Site and prefix of a range."""


class _Left(NamedTuple):
    site: str
    prefix: str
    funding: str
    audience: str
    revision: int


def demand(unit: UnitOfWork, permit: Permit, row: ExemptionRow) -> None:
    """Raises Forbidden where the caller, who may decide about exemptions from the ban, may not approve this one."""
    permit.not_for_oneself(unit.session, row.requested_by, OWN)
    if exemption_state(row, unit.now_s) is not ExemptionState.REQUESTED:
        return
    ban = unit.session.get_one(BanRow, row.ban)
    whole, roles = whole_authority(unit.session, row, ban, unit.now_s), permit.rule.roles
    if whole is not None:
        roles = frozenset({Role.ADMINISTRATOR})
        if not permit.caller.administers:
            raise Forbidden(f"this would exempt the whole of {whole}: an administrator approves that")
    permit.not_given_by(unit.session, row.requested_by, roles, ban.authority, unit.now_s, OWN)


@contextmanager
def leaving_some(unit: UnitOfWork, permit: Permit, authorities: Collection[str]) -> Iterator[None]:
    """While ranges of `authorities` are changed or deregistered: raises Forbidden where that takes away the last one
    that an approved exemption leaves, unless the caller is an administrator."""
    if permit.caller.administers or not authorities:
        yield
        return
    session, now = unit.session, unit.now_s
    approved = [(row, owner) for row, owner in _approved(session, authorities) if _has_effect(row, now)]
    before = [{(item.site, item.prefix) for item in _left(session, row, owner, now)} for row, owner in approved]
    yield
    session.flush()
    for (row, owner), known in zip(approved, before, strict=True):
        left = _left(session, row, owner, now)
        if known - {(item.site, item.prefix) for item in left} and not _any_stood(session, left, row.revision):
            what = f"exemption {row.number} would then be one of the whole of {owner}"
            raise Forbidden(f"{what}: an administrator changes or deregisters the last range that it leaves")


def whole_authority(session: Session, row: ExemptionRow, ban: BanRow, now: Instant) -> str | None:
    """An authority of which nothing is left by the exemption that is asked for and the approved ones of its time.

    Of weekly hours nothing is believed: they may add up to a whole week. Ranges that the ban does not cover do not
    count, unless it covers none: its scope may be widened.
    """
    for owner in sorted(set(repository.owners(session, row.site, row.ranges).values())):
        if not _any_stood(session, _left(session, row, owner, now), row.revision):
            return owner
    return None


def _left(session: Session, row: ExemptionRow, owner: str, now: Instant) -> list[_Left]:
    """The ranges of `owner` that the exemption and the approved ones of its time leave, however long they are there."""
    ban = session.get_one(BanRow, row.ban)
    # Columns, as they are now: an import changes rows behind the session's back.
    columns = [getattr(RangeRow, name) for name in _Left._fields]
    registered = [_Left(*item) for item in session.execute(select(*columns).where(RangeRow.authority == owner))]
    covered = [item for item in registered if item.funding in ban.funding and item.audience in ban.audience]
    named = {(row.site, prefix) for prefix in row.ranges}
    for other in _overlapping(session, row, now):
        named |= {(other.site, prefix) for prefix in other.ranges}
    return list(_outside(covered or registered, named))


def _outside(items: Iterable[_Left], named: set[_Place]) -> Iterator[_Left]:
    """Those that are neither one of `named` nor inside one of them."""
    networks: defaultdict[tuple[str, int, int], set[int]] = defaultdict(set)
    for site, prefix in named:
        network = ip_network(prefix)
        networks[site, network.version, network.prefixlen].add(int(network.network_address))
    for item in items:
        network = ip_network(item.prefix)
        first, width = int(network.network_address), network.max_prefixlen
        if not any(
            (item.site, network.version) == (site, version)
            and length <= network.prefixlen
            and first >> (width - length) << (width - length) in known
            for (site, version, length), known in networks.items()
        ):
            yield item


def _any_stood(session: Session, items: Iterable[_Left], revision: int) -> bool:
    """Whether one of the ranges has been what it is since that revision."""
    return any(item.revision <= revision or _stood(session, item, revision) for item in items)


def _stood(session: Session, item: _Left, revision: int) -> bool:
    """Whether since that revision the range was given another label at most."""
    subject = f"range/{item.site}/{item.prefix}"
    acts = select(AuditRow.before, AuditRow.after).where(AuditRow.object == subject, AuditRow.revision > revision)
    return all(_matters(before) == _matters(after) for before, after in session.execute(acts))


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


def _has_effect(row: ExemptionRow, now: Instant) -> bool:
    return exemption_state(row, now) in (ExemptionState.IN_FORCE, ExemptionState.PLANNED)


def _overlapping(session: Session, row: ExemptionRow, now: Instant) -> list[ExemptionRow]:
    """The other approved exemptions from the same ban that have effect while this one would."""
    other, begin = ExemptionRow, max(row.start_s, now)
    statement = select(other).where(
        other.ban == row.ban,
        other.number != row.number,
        other.approved_s.is_not(None),
        other.rejected_s.is_(None),
        other.start_s < row.end_s,
        other.end_s > begin,
        or_(other.revoked_s.is_(None), other.revoked_s > begin),
    )
    return list(session.scalars(statement))
