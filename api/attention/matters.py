"""Find what needs attention: a few queries for each matter, independent of the number of authorities."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import func, not_, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.attention.schemas import Matter, MatterObjectRead, MatterRead
from api.audit.checkpoint_job import INTERVAL_S
from api.audit.service import newest
from api.bans.requests.schemas import RequestState
from api.bans.requests.state import in_state as request_in_state
from api.bans.schemas import State
from api.bans.state import due
from api.bans.state import in_state as ban_in_state
from api.bindings.state import is_proposed
from api.db.models import BanRow, BindingRow, ExemptionRow, ListLinkRow, RequestRow, UpdateRow
from api.db.subjects import subject
from api.db.unit_of_work import head
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import in_state as exemption_in_state
from api.http.pagination import within
from api.lists.reading import not_adopted
from api.nodes.repository import NodeSummary
from api.nodes.schemas import OLDER
from api.nodes.schemas import State as NodeState
from api.peers.repository import broken
from api.timestamps import optional_text, timestamp_text
from api.updates.schemas import UpdateState
from api.updates.state import in_state as update_in_state
from api.usage.state import CoverageState
from dnsfilter.policy.model import Instant
from dnsfilter.policy.prohibited_lists import LinkGround

FIRST = 10
"""Objects of one matter that an answer names."""
LOOKED_AT = 200
"""Bans and links of which the first are found. Their dates and what waits are calculated, not stored."""
_LINK_PERIOD = ListLinkRow.sql_period()
CHECKPOINT_LATE_S = 2 * INTERVAL_S
"""Seconds after which the newest checkpoint is old, if there are entries since."""


@dataclass(frozen=True, slots=True)
class Look:
    """A look at one instant, for an account that sees these authorities, or all (None)."""

    session: Session
    now: Instant
    visible: frozenset[str] | None

    def matters(self) -> Iterator[MatterRead]:
        """Yield what waits or ends in the authorities."""
        yield from self._requests()
        yield from self._exemptions()
        yield from self._updates(Matter.UPDATE_HELD_BACK, UpdateState.HELD_BACK)
        proposed = self._proposed()
        yield from self._bindings(proposed)
        yield from self._links(proposed)
        yield from self._bans()
        yield from self._updates(Matter.UPDATE_PENDING, UpdateState.PENDING)

    def _within(self, column: InstrumentedAttribute[Any]) -> list[Any]:
        return within(column, self.visible)

    def _bans(self) -> Iterator[MatterRead]:
        wanted = (ban_in_state(State.ENDING, self.now), *self._within(BanRow.authority))
        rows = self.session.scalars(select(BanRow).where(*wanted).order_by(BanRow.number).limit(LOOKED_AT)).all()
        count = len(rows)
        if count == LOOKED_AT:
            count = self.session.scalar(select(func.count()).select_from(BanRow).where(*wanted)) or 0
        dated = [(found, row) for row in rows if (found := due(row.terms, self.now)) is not None]
        dated.sort(key=lambda each: each[0].at)
        yield from matter(
            Matter.BAN_ENDING,
            count,
            (
                MatterObjectRead(
                    object=subject(row),
                    authority=row.authority,
                    service=row.service,
                    at=timestamp_text(found.at),
                    what=found.what,
                )
                for found, row in dated
            ),
        )

    def _exemptions(self) -> Iterator[MatterRead]:
        row = ExemptionRow
        wanted = (exemption_in_state(ExemptionState.REQUESTED, self.now), *self._within(BanRow.authority))
        joined = select(row.number, row.requested_s, BanRow.authority, BanRow.service).join(
            BanRow, BanRow.number == row.ban
        )
        found = self.session.execute(joined.where(*wanted).order_by(row.number)).all()
        yield from matter(
            Matter.EXEMPTION_WAITING,
            len(found),
            (
                MatterObjectRead(
                    object=f"exemption/{each.number}",
                    authority=each.authority,
                    service=each.service,
                    at=timestamp_text(each.requested_s),
                )
                for each in found
            ),
        )

    def _requests(self) -> Iterator[MatterRead]:
        row = RequestRow
        wanted = (request_in_state(RequestState.REQUESTED, self.now), *self._within(row.authority))
        found = self.session.scalars(select(row).where(*wanted).order_by(row.number)).all()
        yield from matter(
            Matter.REQUEST_WAITING,
            len(found),
            (
                MatterObjectRead(object=subject(each), authority=each.authority, at=timestamp_text(each.requested_s))
                for each in found
            ),
        )

    def _updates(self, kind: Matter, state: UpdateState) -> Iterator[MatterRead]:
        row = UpdateRow
        own = [] if self.visible is None else [or_(row.authority.is_(None), row.authority.in_(self.visible))]
        found = self.session.scalars(select(row).where(update_in_state(state, self.now), *own).order_by(row.number))
        rows = found.all()
        yield from matter(
            kind,
            len(rows),
            (
                MatterObjectRead(
                    object=subject(each),
                    authority=each.authority,
                    service=each.service,
                    at=timestamp_text(each.enforced_from_s or each.proposed_s),
                    number=each.pending if kind is Matter.UPDATE_PENDING else each.added,
                )
                for each in rows
            ),
        )

    def _bindings(self, proposed: Sequence[BindingRow]) -> Iterator[MatterRead]:
        """Yield the proposed agreements. Those that the link of a list made are accepted together, by the link."""
        found = [each for each in proposed if each.link is None]
        bans = select(BanRow.number, BanRow.service).where(BanRow.number.in_({each.ban for each in found[:FIRST]}))
        services: dict[int, str] = {row.number: row.service for row in self.session.execute(bans)} if found else {}
        yield from matter(
            Matter.BINDING_PROPOSED,
            len(found),
            (
                MatterObjectRead(
                    object=subject(each),
                    authority=each.authority,
                    service=services[each.ban],
                    at=timestamp_text(each.recorded_s),
                )
                for each in found[:FIRST]
            ),
        )

    def _proposed(self) -> Sequence[BindingRow]:
        row = BindingRow
        wanted = (is_proposed(self.now), *self._within(row.authority))
        return self.session.scalars(select(row).where(*wanted).order_by(row.number)).all()

    def _links(self, proposed: Sequence[BindingRow]) -> Iterator[MatterRead]:
        """Yield the links of lists with services that wait: proposed, or added to a list that is followed."""
        row = ListLinkRow
        following = (row.ground == LinkGround.FOLLOWING, not_(_LINK_PERIOD.has_ended(self.now)))
        wanted = select(row).where(*following, *self._within(row.authority)).order_by(row.number).limit(LOOKED_AT)
        waiting = dict[int, int]()
        for each in proposed:
            if each.link is not None:
                waiting[each.link] = waiting.get(each.link, 0) + 1
        waiting |= not_adopted(self.session, self.session.scalars(wanted).all(), self.now)
        first = select(row).where(row.number.in_(sorted(waiting)[:FIRST])).order_by(row.number)
        yield from matter(
            Matter.LINK_WAITING,
            len(waiting),
            (
                MatterObjectRead(object=subject(each), authority=each.authority, number=waiting[each.number])
                for each in (self.session.scalars(first) if waiting else ())
            ),
        )


def of_audit_log(session: Session, now: Instant, *, damaged: bool, named: bool) -> Iterator[MatterRead]:
    """Yield whether the audit log cannot be verified. With `named`, also whether entries wait long for a checkpoint."""
    if damaged:
        yield from matter(Matter.AUDIT_DAMAGED, 1, [MatterObjectRead(object="audit", authority=None)])
    last = newest(session) if named else None
    if last is not None and last.seq != head(session)[0] and now - last.time_s > CHECKPOINT_LATE_S:
        found = MatterObjectRead(object="audit", authority=None, at=timestamp_text(last.time_s))
        yield from matter(Matter.CHECKPOINT_OLD, 1, [found])


def of_peers(session: Session, *, named: bool) -> Iterator[MatterRead]:
    """Yield the other installations with a checkpoint that does not continue the held ones, if `named`."""
    rows = broken(session) if named else ()
    objects = (
        MatterObjectRead(object=subject(row), authority=None, at=optional_text(row.broken_s)) for row in rows[:FIRST]
    )
    yield from matter(Matter.PEER_BROKEN, len(rows), objects)


def of_nodes(known: Sequence[tuple[NodeSummary, NodeState]], *, named: bool) -> Iterator[MatterRead]:
    """Yield the nodes with an older policy, and those that do not report. Only `named` names them."""
    for kind, states in ((Matter.NODE_BEHIND, OLDER), (Matter.NODE_SILENT, frozenset({"silent"}))):
        found = [row for row, state in known if state in states]
        objects = [
            MatterObjectRead(
                object=f"node/{row.name}",
                authority=None,
                at=None if row.seen_s is None else timestamp_text(row.seen_s),
            )
            for row in found[:FIRST]
        ]
        yield from matter(kind, len(found), objects if named else ())


def of_ranges(counts: Mapping[tuple[str, CoverageState], int], visible: frozenset[str] | None) -> Iterator[MatterRead]:
    """Yield the authorities with ranges that have stopped asking."""
    found = {
        authority: count
        for (authority, state), count in sorted(counts.items())
        if state is CoverageState.STOPPED and (visible is None or authority in visible)
    }
    objects = (
        MatterObjectRead(object=f"authority/{authority}", authority=authority, number=count)
        for authority, count in found.items()
    )
    yield from matter(Matter.RANGES_STOPPED, len(found), objects)


def matter(kind: Matter, count: int, objects: Iterable[MatterObjectRead]) -> Iterator[MatterRead]:
    """Yield the matter with its first objects, unless there is none."""
    if count:
        yield MatterRead(matter=kind, count=count, first=list(islice(objects, FIRST)))
