"""The queries that gather a policy."""

from ipaddress import ip_network

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from api.db.models import (
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    InstallationRow,
    RangeRow,
    SiteRow,
    SpaceRow,
    SuspensionRow,
)
from api.db.models.record import INSTALLATION
from api.publish.source import Rows, range_value
from dnsfilter.policy.model import Address, Instant, Range
from dnsfilter.snapshot.compiler import KEPT_PAST_S

ACTING = "acting"
"""Set in the info of a session that has changed something."""


class RangeCache:
    """The ranges as values, kept while the table is the same: a toggle need not parse every prefix again.

    Number of rows and highest revision identify the table's state, since a revision is never used twice.
    """

    def __init__(self) -> None:
        self._held: tuple[tuple[int, int | None], tuple[Range, ...]] | None = None

    def load(self, session: Session) -> tuple[Range, ...]:
        """Every range by site and registration."""
        count, newest = session.execute(select(func.count(RangeRow.id), func.max(RangeRow.revision))).one()
        state, held = (count, newest), self._held
        if held is not None and held[0] == state:
            return held[1]
        columns = select(
            RangeRow.site, RangeRow.prefix, RangeRow.authority, RangeRow.funding, RangeRow.audience, RangeRow.label
        )
        ranges = tuple(range_value(*row) for row in session.execute(columns.order_by(RangeRow.site, RangeRow.id)))
        if session.info.get(ACTING):
            # What a transaction may yet roll back is not kept: another act would have the same revision.
            event.listen(session, "after_commit", lambda _session: self._hold(state, ranges), once=True)
        else:
            self._hold(state, ranges)
        return ranges

    def _hold(self, state: tuple[int, int | None], ranges: tuple[Range, ...]) -> None:
        self._held = state, ranges


def load_rows(session: Session, ranges: RangeCache, now: Instant) -> Rows:
    """All of the database that makes a policy, but suspensions that a snapshot made after `now` does not have."""
    # Years of suspensions would slow every toggle. A day more than a snapshot keeps: clocks are set back now and then.
    ended = func.coalesce(SuspensionRow.ended_s, SuspensionRow.end_s)
    lately = select(SuspensionRow).where(SuspensionRow.end_s > now - 2 * KEPT_PAST_S, ended > now - 2 * KEPT_PAST_S)
    return Rows(
        session.get_one(InstallationRow, INSTALLATION).revision,
        session.scalars(select(AuthorityRow).order_by(AuthorityRow.slug)).all(),
        session.scalars(select(SiteRow).order_by(SiteRow.slug)).all(),
        ranges.load(session),
        session.scalars(select(BanRow).order_by(BanRow.number)).all(),
        session.scalars(select(BindingRow).order_by(BindingRow.number)).all(),
        session.scalars(select(ExemptionRow).order_by(ExemptionRow.number)).all(),
        session.scalars(lately.order_by(SuspensionRow.number)).all(),
    )


def space_of(session: Session, site: str, client: Address) -> SpaceRow | None:
    """The narrowest allotted space that holds an address, or None."""
    one = ip_network(client)
    around = [str(one.supernet(new_prefix=length)) for length in range(one.prefixlen, -1, -1)]
    rows = session.scalars(select(SpaceRow).where(SpaceRow.site == site, SpaceRow.prefix.in_(around)))
    found = {row.prefix: row for row in rows}
    return next((found[prefix] for prefix in around if prefix in found), None)


def revision(session: Session) -> int:
    """The database's revision."""
    return session.execute(select(InstallationRow.revision).where(InstallationRow.id == INSTALLATION)).scalar_one()
