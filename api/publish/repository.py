"""Queries that read the policy from the database."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, Subquery, event, exists, func, inspect, or_, select, true
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.db.base import Base
from api.db.models import (
    AllowedNameRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    FleetNameRow,
    InstallationRow,
    RangeRow,
    ServiceRow,
    SiteRow,
    SpaceRow,
    SuspensionRow,
)
from api.db.models.audit_log import INSTALLATION
from api.db.versions import is_watched
from api.http.prefixes import narrowest, prefixes_around
from api.publish.policy_rows import (
    Values,
    allowed_value,
    authority_value,
    ban_value,
    binding_value,
    exemption_value,
    fleet_name_value,
    present,
    range_value,
    service_value,
    site_value,
    suspension_value,
)
from api.publish.service_lists import service_of
from dnsfilter.policy.model import Address, Instant, Mode, Prefix, Range, Service, Suspension, Tier
from dnsfilter.snapshot.compiler import KEPT_PAST_S

MANY = 500
"""If more rows changed, all rows are read: the number of a statement's parameters is limited."""

Row = TypeVar("Row", bound=Base)
Value = TypeVar("Value")


class TableCache(Generic[Row, Value]):
    """The values of the rows of a table. Only changed rows are converted again: a toggle changes one of thousands.

    Each change of a row sets its revision to the one that the change makes, and no committed revision is used twice.
    Therefore a row's key and revision identify its value. The number of rows and their highest revision identify a
    complete table. Values of the newest revision are not cached: its transaction may still change rows or be rolled
    back, and then other values have the same revision.
    """

    def __init__(
        self, kind: type[Row], value: Callable[[Row], Value | None], *order: InstrumentedAttribute[Any]
    ) -> None:
        self._kind, self._value = kind, value
        self._table = inspect(kind)
        self._key, self._revision = self._table.primary_key[0], self._table.columns["revision"]
        self._stamps = select(self._key, self._revision).order_by(*order)
        self._made: Mapping[Any, tuple[int, Value | None]] = {}
        self._all: tuple[tuple[int, int], tuple[Value, ...]] | None = None

    @property
    def state(self) -> Subquery:
        """The query for the arguments of `load`: the table's number of rows and their highest revision."""
        return select(func.count(self._key).label("count"), func.max(self._revision).label("highest")).subquery()

    def load(self, session: Session, newest: int, count: int, highest: int | None) -> tuple[Value, ...]:
        """Return the values of all rows in order, without None. `newest` is the session's revision.

        `count` and `highest` are the table's `state` in this session.
        """
        if not count:
            return ()
        held = self._all
        if held is not None and held[0] == (count, highest):
            return held[1]
        stamps = session.execute(self._stamps).all()
        made = self._made
        changed = [key for key, revision in stamps if key not in made or made[key][0] != revision]
        fresh = self._read(session, changed)
        now = {key: (revision, fresh[key] if key in fresh else made[key][1]) for key, revision in stamps}
        values = present(value for _, value in now.values())
        self._made = {key: stamped for key, stamped in now.items() if stamped[0] < newest}
        if highest is not None and highest < newest:
            self._hold((count, highest), values, session)
        return values

    def _hold(self, state: tuple[int, int], values: tuple[Value, ...], session: Session) -> None:
        def hold(_session: object = None) -> None:
            self._all = state, values

        # A rollback brings deleted rows back, and another transaction may delete as many other rows.
        if is_watched(session):
            event.listen(session, "after_commit", hold, once=True)
        else:
            hold()

    def _read(self, session: Session, keys: Sequence[Any]) -> dict[Any, Value | None]:
        """Return the values of the rows with these keys, and perhaps more. Rows in the session are not loaded again."""
        identities = (self._table.identity_key_from_primary_key((key,)) for key in keys)
        known: list[Any] = [row for one in identities if (row := session.identity_map.get(one)) is not None]
        if len(known) == len(keys):
            rows: Iterable[Row] = known
        else:
            statement = select(self._kind)
            rows = session.scalars(statement.where(self._key.in_(keys)) if len(keys) <= MANY else statement)
        return {self._table.primary_key_from_instance(row)[0]: self._value(row) for row in rows}


class Policies:
    """The objects of the policy in the database. Only changed ones are read again."""

    def __init__(self) -> None:
        self._authorities = TableCache(AuthorityRow, authority_value, AuthorityRow.slug)
        self._sites = TableCache(SiteRow, site_value, SiteRow.slug)
        self._ranges = TableCache(RangeRow, _range, RangeRow.site, RangeRow.id)
        self._bans = TableCache(BanRow, ban_value, BanRow.number)
        self._bindings = TableCache(BindingRow, binding_value, BindingRow.number)
        self._exemptions = TableCache(ExemptionRow, exemption_value, ExemptionRow.number)
        self._services = TableCache(ServiceRow, self._service, ServiceRow.slug)
        self._allowed = TableCache(AllowedNameRow, allowed_value, AllowedNameRow.number)
        self._fleet_names = TableCache(FleetNameRow, fleet_name_value, FleetNameRow.number)
        self._lists: dict[str, tuple[Tier, ...]] = {}
        self._states = _states(
            self._authorities,
            self._sites,
            self._ranges,
            self._bans,
            self._bindings,
            self._exemptions,
            self._services,
            self._allowed,
            self._fleet_names,
        )

    def load(self, session: Session, now: Instant) -> Values:
        """Return all values of the policy, except suspensions that a snapshot made after `now` leaves out."""
        session.flush()
        newest, epoch, *states = session.execute(self._states).one()
        pairs = zip(states[::2], states[1::2], strict=True)
        authorities, sites, ranges, bans, bindings, exemptions, services, allowed, names = pairs
        # Years of suspensions would slow every toggle. Twice the span of a snapshot, because clocks may be set back.
        kept = now - 2 * KEPT_PAST_S
        # The condition on the column itself uses its index.
        recent = select(SuspensionRow).where(SuspensionRow.end_s > kept, SuspensionRow.sql_period().end > kept)
        return Values(
            newest,
            self._authorities.load(session, newest, *authorities),
            self._sites.load(session, newest, *sites),
            self._ranges.load(session, newest, *ranges),
            self._bans.load(session, newest, *bans),
            self._bindings.load(session, newest, *bindings),
            self._exemptions.load(session, newest, *exemptions),
            present(map(suspension_value, session.scalars(recent.order_by(SuspensionRow.number)))),
            self._services.load(session, newest, *services),
            self._allowed.load(session, newest, *allowed),
            self._fleet_names.load(session, newest, *names),
            epoch,
        )

    def hold(self, digest: str, service: Service) -> None:
        """Hold the names of a list that is about to be stored, so that they need not be parsed."""
        self._lists[digest] = service.tiers

    def keep_lists(self, services: Iterable[Service]) -> None:
        """Drop all lists that are held, except those of these services."""
        kept = {id(service.tiers) for service in services}
        self._lists = {digest: tiers for digest, tiers in self._lists.items() if id(tiers) in kept}

    def _service(self, row: ServiceRow) -> Service:
        # A list is parsed once: the table's cache asks again when another column changed, or an act was rolled back.
        tiers = self._lists.get(row.digest)
        if tiers is None:
            tiers = self._lists[row.digest] = service_of(row.content.body).tiers
        return service_value(row, tiers)


def _states(*tables: TableCache[Any, Any]) -> Select[tuple[int, int, *tuple[Any, ...]]]:
    """Return one query for the session's revision, its epoch and each table's state: every act runs it."""
    states = [table.state for table in tables]
    joined = InstallationRow.__table__.join(states[0], true())
    for state in states[1:]:
        joined = joined.join(state, true())
    columns = [column for state in states for column in state.c]
    installation = InstallationRow.revision, InstallationRow.epoch
    return select(*installation, *columns).select_from(joined).where(InstallationRow.id == INSTALLATION)


def off_since(session: Session, at: Instant) -> Mapping[int, Instant]:
    """Return since when bans are off, by number, as far as that is known; without those set to off after `at`."""
    row = BanRow
    statement = select(row.number, row.mode_set_s).where(row.mode == Mode.OFF, row.mode_set_s <= at)
    return {number: since for number, since in session.execute(statement) if since is not None}


def suspensions_at(session: Session, at: Instant) -> tuple[Suspension, ...]:
    """Return the suspensions that held at an instant, including old ones that policies leave out."""
    row = SuspensionRow
    statement = select(row).where(row.end_s > at, row.sql_period().holds(at)).order_by(row.number)
    return present(map(suspension_value, session.scalars(statement)))


def _range(row: RangeRow) -> Range:
    return range_value(row.site, row.prefix, row.authority, row.funding, row.audience, row.label)


def authority_of(session: Session, site: str, client: Address) -> str | None:
    """Return the authority of the narrowest range that holds an address now, by one query."""
    around = prefixes_around(client)
    rows = session.execute(
        select(RangeRow.prefix, RangeRow.authority).where(RangeRow.site == site, RangeRow.prefix.in_(around))
    )
    found = {row.prefix: row.authority for row in rows}
    return narrowest(found, around)


def space_of(session: Session, site: str, held: Address | Prefix) -> SpaceRow | None:
    """Return the narrowest allotted space that contains an address or a complete prefix; or None."""
    around = prefixes_around(held)
    rows = session.scalars(select(SpaceRow).where(SpaceRow.site == site, SpaceRow.prefix.in_(around)))
    found = {row.prefix: row for row in rows}
    return narrowest(found, around)


def is_empty(session: Session) -> bool:
    """Return whether the database holds no policy yet."""
    held = or_(exists().select_from(AuthorityRow), exists().select_from(RangeRow), exists().select_from(BanRow))
    return not session.scalar(select(held))


def revision(session: Session) -> int:
    """Return the database's revision."""
    return session.execute(select(InstallationRow.revision).where(InstallationRow.id == INSTALLATION)).scalar_one()
