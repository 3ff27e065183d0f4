"""Import a table of ranges, all or none, with the same audit log entries and versions as single requests.

`make_plan` compares and checks, and writes nothing. It runs once before the turn to write, so that nobody waits for a
file that cannot be imported, and again afterwards.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import NamedTuple, TypeAlias, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from api.auth.permit import Permit
from api.authorities.state import is_closed
from api.bindings.repository import binders
from api.db import versions
from api.db.base import Base, Json
from api.db.bulk import BATCH, insert_all, update_all
from api.db.models import AuthorityRow, RangeRow, SiteRow, SpaceRow
from api.db.unit_of_work import Act, UnitOfWork
from api.errors import BadRows, Conflict, Fault, Forbidden, Withheld
from api.http.parameters import demand_authority, demand_site
from api.range_import.csv_table import LINE, Row, fault, line_of
from api.range_import.running import Import
from api.ranges import repository
from api.ranges.schemas import Stage
from api.ranges.service import shown_fields
from api.spaces.registration import RegistrationRules, make_rules
from dnsfilter.policy.fleets import is_fleet_text
from dnsfilter.policy.model import Instant, Prefix, Range
from dnsfilter.translatable import Text, either

DEFAULT_REMOVALS = 10
MAX_NAMED = 3
_RANGES = Base.metadata.tables[RangeRow.__tablename__]
T = TypeVar("T")
_Columns: TypeAlias = tuple[str, str, str, str, str, str]
"""Site, prefix, authority, label, funding and audience of a range."""


class RegisteredRow(NamedTuple):
    """A registered range, by the columns of its row."""

    id: int
    site: str
    prefix: str
    authority: str
    label: str
    funding: str
    audience: str


@dataclass(frozen=True, slots=True)
class Sync:
    """Remove what `authority` has at `site` and not in the table: at most `most` ranges.

    Without `most`, the limit is `DEFAULT_REMOVALS`; a table without rows then removes nothing, because it may be a
    failed export.
    """

    authority: str
    site: str
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """The valid rows of a table, the faults of the others, and whether other ranges are to be removed."""

    rows: tuple[Row, ...]
    sync: Sync | None = None
    faults: tuple[Fault, ...] = ()
    where: str = LINE


@dataclass(slots=True)
class Plan:
    """What a table asks for, in the order of its lines. Nothing is done yet."""

    register: list[Range] = field(default_factory=list)
    change: list[tuple[RegisteredRow, Range]] = field(default_factory=list)
    remove: list[RegisteredRow] = field(default_factory=list)
    unchanged: int = 0
    withheld: str = ""
    """Why it is not carried out although every row is valid; empty if it is carried out."""

    def demand_allowed(self) -> None:
        """Raise `Withheld` if it is withheld."""
        if self.withheld:
            raise Withheld(Text("{withheld}. Nothing was done.", withheld=self.withheld))

    @property
    def count(self) -> int:
        """Return the number of acts."""
        return len(self.register) + len(self.change) + len(self.remove)

    @property
    def owners(self) -> frozenset[str]:
        """Return the authorities of the ranges that change or are removed."""
        return frozenset(known.authority for known in (*self.remove, *(held for held, _ in self.change)))

    def acts(self, concerned: Mapping[str, tuple[str, ...]]) -> Iterator[Act]:
        """Yield the acts, removals first.

        `concerned` maps an authority to the others that its ranges concern.
        """
        for known in self.remove:
            yield _act("range.remove", known[1:], None, concerned)
        for wanted in self.register:
            yield _act("range.register", None, _columns(wanted), concerned)
        for known, wanted in self.change:
            yield _act("range.change", known[1:], _columns(wanted), concerned)


def demand_importable(
    session: Session, permit: Permit, wanted: Wanted, site: str, now_s: int, *, dry_run: bool
) -> None:
    """Raise the error that prevents the import, as far as it is known before the turn to write."""
    authority = None if wanted.sync is None else wanted.sync.authority
    _demand(permit, {row.value.authority for row in wanted.rows} | ({authority} if authority is not None else set()))
    demand_site(session, site)
    if authority is not None:
        demand_authority(session, authority)
    plan = make_plan(session, wanted, permit.visible(), now_s, administers=permit.caller.administers)
    if not dry_run:
        plan.demand_allowed()


def _demand(permit: Permit, owners: set[str]) -> None:
    """Raise `Forbidden` if the caller acts for none of the authorities whose ranges the file has."""
    own = permit.visible()
    if own is not None and owners and not own & owners:
        named = sorted(owners)[:MAX_NAMED]
        raise Forbidden(
            Text("this needs the role operator of {named}{ended}", named=either(named), ended=permit.ended(named))
        )


def make_plan(
    session: Session, wanted: Wanted, acting_for: frozenset[str] | None, now_s: Instant, *, administers: bool
) -> Plan:
    """Return what the table asks for. `acting_for` are the authorities that the caller operates; None for all.

    Raise `BadRows` with every row that cannot be imported, and `Conflict` for removals of exempted ranges. Withhold the
    plan if more would be removed than the request allows.
    """
    plan, faults = Plan(), list(wanted.faults)
    known = _known(session, wanted)
    authorities = {row.slug: row.closes_s for row in session.execute(select(AuthorityRow.slug, AuthorityRow.closes_s))}
    sites = set(session.scalars(select(SiteRow.slug)))
    rules = {} if administers else _rules(session, wanted, known)
    for row in wanted.rows:
        value = row.value
        held = known.get((value.site, str(value.prefix)))
        wrong = _unknown(value, authorities, sites) or _foreign(value, wanted.sync, acting_for)
        differs = held is None or held[1:] != _columns(value)
        # Outside the authority's space, do not show an operator what others have there.
        if wrong is None and differs and not administers:
            wrong = rules[value.site].refusal(value.prefix, value.authority)
        if wrong is None and held is None:
            wrong = _closed(value.authority, authorities[value.authority], now_s)
        if wrong is None and held is not None:
            wrong = _taken(value, held, acting_for)
        if wrong is not None:
            faults.append(fault(row.line, wrong, wanted.where))
        elif held is None:
            plan.register.append(value)
        elif differs:
            plan.change.append((held, value))
        else:
            plan.unchanged += 1
    faults.sort(key=line_of)
    # While rows cannot be read, it is not known which ranges the file lacks.
    if wanted.sync is not None and not wanted.faults:
        plan.remove = _missing(wanted, known, wanted.sync)
        faults += [] if administers else _not_theirs(plan.remove, rules)
    if faults:
        raise BadRows(faults)
    if wanted.sync is not None:
        _check_exempted(session, plan, now_s)
        plan.withheld = _withheld(plan, wanted, wanted.sync)
    return plan


def carry_out(unit: UnitOfWork, plan: Plan, watched: Import) -> None:
    """Do what is planned, with an audit log entry and a version for each range; raise `Withheld` if it is withheld."""
    plan.demand_allowed()
    if not plan.count:
        return
    watched.enter(Stage.RECORDING, plan.count)
    session, revision = unit.session, unit.new_revision()
    session.flush()
    unit.record_all(plan.acts(binders(session, unit.now_s)), watched.reach)
    for known in _batches(plan.remove):
        session.execute(delete(_RANGES).where(_RANGES.c.id.in_([one.id for one in known])))
    for fresh in _batches(plan.register):
        insert_all(session, _RANGES, [_row(value, revision) for value in fresh])
    for changes in _batches(plan.change):
        update_all(session, _RANGES, [{"id": held.id, **_changed(value, revision)} for held, value in changes])
    versions.keep_all(session, "range", revision, _versions(session, plan, revision))


def _versions(session: Session, plan: Plan, revision: int) -> Iterator[tuple[int, Json | None]]:
    """Yield each removed range, and each whose row has the revision, as the session's own rows would leave them."""
    yield from ((known.id, None) for known in plan.remove)
    names = _RANGES.columns.keys()
    for row in session.execute(select(_RANGES).where(_RANGES.c.revision == revision).order_by(_RANGES.c.id)):
        yield row.id, dict(zip(names, row, strict=True))


def _known(session: Session, wanted: Wanted) -> dict[tuple[str, str], RegisteredRow]:
    sites = {row.value.site for row in wanted.rows} | ({wanted.sync.site} if wanted.sync else set())
    columns = [getattr(RangeRow, name) for name in RegisteredRow._fields]
    rows = session.execute(select(*columns).where(RangeRow.site.in_(sites)).order_by(RangeRow.id))
    # A table has no fleets: they are neither changed nor removed by one.
    return {(row.site, row.prefix): RegisteredRow(*row) for row in rows if not is_fleet_text(row.prefix)}


def _rules(
    session: Session, wanted: Wanted, known: Mapping[tuple[str, str], RegisteredRow]
) -> dict[str, RegistrationRules]:
    """Return what the caller may do at each site, from the registered ranges and those to be registered."""
    ranges: defaultdict[str, dict[str, tuple[Prefix, str]]] = defaultdict(dict)
    for row in wanted.rows:
        ranges[row.value.site][str(row.value.prefix)] = row.value.prefix, row.value.authority
    for (site, prefix), held in known.items():
        ranges[site][prefix] = ip_network(prefix), held.authority
    spaces: defaultdict[str, list[tuple[Prefix, str]]] = defaultdict(list)
    for space in session.execute(select(SpaceRow.site, SpaceRow.prefix, SpaceRow.authority)):
        spaces[space.site].append((ip_network(space.prefix), space.authority))
    return {site: make_rules(spaces[site], found.values()) for site, found in ranges.items()}


def _unknown(value: Range, authorities: Collection[str], sites: Collection[str]) -> str | None:
    if value.authority not in authorities:
        return Text(
            "authority {authority} is not registered: correct it, or register it first", authority=value.authority
        )
    if value.site not in sites:
        return Text("site {site} is not registered: correct it, or register it first", site=value.site)
    return None


def _closed(authority: str, closes_s: Instant | None, now_s: Instant) -> str | None:
    text = Text("authority {authority} is closed: name an open authority", authority=authority)
    return text if is_closed(closes_s, now_s) else None


def _foreign(value: Range, sync: Sync | None, acting_for: frozenset[str] | None) -> str | None:
    """Return why the row may not name its authority; None if it may."""
    if acting_for is not None and value.authority not in acting_for:
        return Text("you are not an operator of {authority}", authority=value.authority)
    if sync is not None and (value.authority, value.site) != (sync.authority, sync.site):
        return Text(
            "only ranges of {authority} at site {site} are synchronised: remove this row",
            authority=sync.authority,
            site=sync.site,
        )
    return None


def _taken(value: Range, held: RegisteredRow, acting_for: frozenset[str] | None) -> str | None:
    """Return that another authority already has the prefix; None if not."""
    if held.authority == value.authority:
        return None
    owner = held.authority if acting_for is None or held.authority in acting_for else Text("another authority")
    return Text(
        "{prefix} at site {site} is already registered to {authority}",
        prefix=value.prefix,
        site=value.site,
        authority=owner,
    )


def _missing(wanted: Wanted, known: Mapping[tuple[str, str], RegisteredRow], sync: Sync) -> list[RegisteredRow]:
    named = {(row.value.site, str(row.value.prefix)) for row in wanted.rows}
    return [
        held
        for key, held in known.items()
        if key not in named and (held.authority, held.site) == (sync.authority, sync.site)
    ]


def _not_theirs(removed: Sequence[RegisteredRow], rules: Mapping[str, RegistrationRules]) -> list[Fault]:
    refused = ((held, rules[held.site].refusal(ip_network(held.prefix), held.authority)) for held in removed)
    return [
        Fault(_subject(held), Text("is not in the file, and {why}", why=why))
        for held, why in refused
        if why is not None
    ]


def _check_exempted(session: Session, plan: Plan, now_s: Instant) -> None:
    exempted = repository.exempted(session, now_s)
    named = [held for held in plan.remove if (held.site, held.prefix) in exempted]
    if named:
        message = Text("is not in the file, but an exemption names it: revoke or reject the exemption first")
        raise Conflict(
            Text("Nothing was done: exemptions name ranges that would be removed."),
            [Fault(_subject(held), message) for held in named],
        )


def _withheld(plan: Plan, wanted: Wanted, sync: Sync) -> str:
    most = DEFAULT_REMOVALS if sync.most is None else sync.most
    count = len(plan.remove)
    if count > most:
        return Text("{ranges} would be removed, but at most {most} may be", ranges=_ranges(count), most=most)
    if count and not wanted.rows and sync.most is None:
        return Text(
            "the file has no rows, and {authority} would have no range at site {site}. If that is intended, give "
            "max_removals ({ranges})",
            authority=sync.authority,
            site=sync.site,
            ranges=_ranges(count),
        )
    return ""


def _ranges(count: int) -> str:
    return Text("1 range") if count == 1 else Text("{count} ranges", count=count)


def _act(name: str, before: _Columns | None, after: _Columns | None, concerned: Mapping[str, tuple[str, ...]]) -> Act:
    site, prefix, authority, *_ = after or before or ("",) * 6
    was, becomes = (None if columns is None else shown_fields(*columns) for columns in (before, after))
    return Act(name, f"range/{site}/{prefix}", was, becomes, (authority, *concerned.get(authority, ())))


def _columns(value: Range) -> _Columns:
    return value.site, str(value.prefix), value.authority, value.label, str(value.funding), str(value.audience)


def _row(value: Range, revision: int) -> Json:
    return {**dict(zip(RegisteredRow._fields[1:], _columns(value), strict=True)), "revision": revision}


def _changed(value: Range, revision: int) -> Json:
    """Return the columns of a range that may change."""
    return {"label": value.label, "funding": str(value.funding), "audience": str(value.audience), "revision": revision}


def _subject(known: RegisteredRow) -> str:
    return f"range/{known.site}/{known.prefix}"


def _batches(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    return (rows[start : start + BATCH] for start in range(0, len(rows), BATCH))
