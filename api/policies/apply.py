"""A policy file -> acts. Everything goes through the services that single requests use; every fault is reported.

What the file does not have is removed where nothing with history is lost. A term, binding or exemption that has begun
and is altered or missing is a fault, and so is an authority's end; a new exemption becomes a request and a new
agreement a proposal. An empty database is filled instead (`api.policies.loading`).
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from sqlalchemy import select

from api.authorities import service as authority_acts
from api.bans import repository as bans
from api.bans import service as ban_acts
from api.bans.change import BanChange
from api.bindings import service as binding_acts
from api.bindings.repository import binders
from api.bindings.schemas import BindingState
from api.bindings.state import binding_state, never_holds
from api.db.base import Base
from api.db.models import AuthorityRow, BanRow, BindingRow, ExemptionRow, InstallationRow, RangeRow, SiteRow
from api.db.models.record import INSTALLATION
from api.db.unit import UnitOfWork
from api.errors import Conflict, Fault
from api.exemptions import service as exemption_acts
from api.exemptions.state import APPROVED, exemption_state
from api.moments import zoned_hours_text
from api.policies.loading import faulty, is_empty, load
from api.publish.source import closing_value
from api.ranges import repository as ranges
from api.ranges import service as range_acts
from dnsfilter.policy.model import Authority, Ban, Binding, DecisionRecord, Exemption, Ground, Policy, Service, Term

_BindingKey: TypeAlias = tuple[int, str, str, int]
"""Ban, authority, ground, start: no two bindings that have effect share it."""
_ExemptionKey: TypeAlias = tuple[int, str, int]
"""Ban, site, start."""

Row = TypeVar("Row", BanRow, RangeRow, AuthorityRow, SiteRow)


def apply(unit: UnitOfWork, wanted: Policy, services: Mapping[str, Service]) -> list[Fault]:
    """Do the acts that make the database say what `wanted` says; gives what stands against it.

    With faults the transaction is not to be committed.
    """
    if is_empty(unit.session):
        return load(unit, wanted, services)
    run = _Run(unit, wanted, services, binders(unit.session, unit.now_s))
    run.register()
    run.adopt()
    run.bind()
    run.exempt()
    run.remove()
    return run.faults


@dataclass(slots=True)
class _Run:
    unit: UnitOfWork
    wanted: Policy
    services: Mapping[str, Service]
    binders: Mapping[str, tuple[str, ...]]
    """By bound authority, whose bans are bound to it before any act of the run."""
    faults: list[Fault] = field(default_factory=list)
    rows: dict[int, BanRow] = field(default_factory=dict)
    """The row of each ban by its number in the file."""
    tried: set[int] = field(default_factory=set)
    held: list[Base] = field(default_factory=list)
    """A session forgets a row to which nobody refers, and would ask for it anew for every object of the file."""

    def register(self) -> None:
        session = self.unit.session
        self.held.append(session.get_one(InstallationRow, INSTALLATION))
        self.held += [*session.scalars(select(SiteRow)), *session.scalars(select(AuthorityRow))]
        for site in self.wanted.sites:
            with self._faulty(f"site/{site.slug}"):
                self.held.append(range_acts.put_site(self.unit, site.slug, site.name)[0])
        for authority in self.wanted.authorities:
            with self._faulty(f"authority/{authority.slug}"):
                row, _ = authority_acts.put(self.unit, authority)
                self.held.append(row)
                _demand_same_end(row, authority)
        session.flush()
        self._register_ranges()

    def _register_ranges(self) -> None:
        known = {(row.site, row.prefix): row for row in self.unit.session.scalars(select(RangeRow))}
        exempted = ranges.exempted(self.unit.session, self.unit.now_s)
        stuck: set[tuple[str, str]] = set()
        for entry in self.wanted.ranges:
            key = (entry.site, str(entry.prefix))
            if key in known and known[key].authority != entry.authority:
                with self._faulty(f"range/{entry.site}/{entry.prefix}"):
                    stuck.add(key)
                    self._deregister(known[key], exempted)
                    stuck.remove(key)
                    del known[key]
        # A prefix has one row: the old ones have to be gone before new ones come.
        self.unit.session.flush()
        for entry in self.wanted.ranges:
            key = (entry.site, str(entry.prefix))
            if key not in stuck:
                with self._faulty(f"range/{entry.site}/{entry.prefix}"):
                    range_acts.put_known(self.unit, entry, known.get(key), self.binders)

    def _deregister(self, row: RangeRow, exempted: frozenset[tuple[str, str]]) -> None:
        if (row.site, row.prefix) in exempted:
            raise Conflict(f"an exemption names {row.prefix}: revoke or reject it first")
        range_acts.delete_unnamed(self.unit, row, self.binders)

    def adopt(self) -> None:
        by_number = {ban.number: ban for ban in self.wanted.bans}
        for ban in self.wanted.bans:
            self._adopt(ban, by_number, ())

    def _adopt(self, ban: Ban, by_number: Mapping[int, Ban], above: tuple[int, ...]) -> None:
        """Adopt `ban` after those that it follows: a decision names a ban that exists."""
        if ban.number in self.tried:
            return
        subject = f"ban/{ban.authority}/{ban.service}"
        if ban.number in above:
            self.faults.append(Fault(subject, "bans cannot follow each other in a circle"))
            return
        for decision in (ban.decision, *(term.decision for term in ban.terms)):
            if decision.follows is not None:
                self._adopt(by_number[decision.follows], by_number, (*above, ban.number))
        self.tried.add(ban.number)
        with self._faulty(subject):
            owner = self.unit.session.get_one(AuthorityRow, ban.authority)
            known = bans.find(self.unit.session, ban.authority, ban.service)
            row, _ = ban_acts.put(self.unit, owner, self.services[ban.service], known, self._change(ban, known))
            self.rows[ban.number] = row

    def _change(self, ban: Ban, known: BanRow | None) -> BanChange:
        # A provisional ban's only term is made when it is recorded.
        keeps_term = ban.provisional and (known is None or known.provisional)
        return BanChange(
            mode=ban.mode,
            off_until=ban.off_until,
            reply=ban.reply,
            addresses=tuple(str(address) for address in ban.addresses),
            tiers=ban.tiers,
            funding=ban.funding,
            audience=ban.audience,
            decision=None if keeps_term and known is not None else self._decision(ban.decision),
            terms=None if keeps_term else tuple(self._term(term) for term in ban.terms),
            provisional=None if keeps_term and known is not None else ban.provisional,
        )

    def _decision(self, decision: DecisionRecord) -> DecisionRecord:
        if decision.follows is None:
            return decision
        row = self.rows.get(decision.follows)
        if row is None:
            raise Conflict("the ban that it follows could not be adopted")
        return replace(decision, follows=row.number)

    def _term(self, term: Term) -> Term:
        return replace(term, decision=self._decision(term.decision))

    def bind(self) -> None:
        known: defaultdict[_BindingKey, list[BindingRow]] = defaultdict(list)
        for held in self.unit.session.scalars(select(BindingRow).order_by(BindingRow.number)):
            known[held.ban, held.authority, held.ground, held.start_s].append(held)
        for binding in self.wanted.bindings:
            row = self.rows.get(binding.ban)
            if row is None:
                continue
            with self._faulty(f"binding of {row.authority}/{row.service} to {binding.authority}"):
                key = (row.number, binding.authority, str(binding.ground), binding.start)
                self._bind(row, binding, known[key])

    def _bind(self, ban: BanRow, wanted: Binding, known: list[BindingRow]) -> None:
        if any(_is_binding(row, wanted) for row in known if not row.period.is_void):
            return
        for row in known:
            if not never_holds(row, self.unit.now_s):
                raise Conflict(f"binding {row.number} is not rewritten: end it, or withdraw from it, by an act")
        known.append(binding_acts.create(self.unit, ban, wanted))

    def exempt(self) -> None:
        known: defaultdict[_ExemptionKey, list[ExemptionRow]] = defaultdict(list)
        for held in self.unit.session.scalars(select(ExemptionRow)):
            known[held.ban, held.site, held.start_s].append(held)
        for exemption in self.wanted.exemptions:
            row = self.rows.get(exemption.ban)
            if row is None:
                continue
            with self._faulty(f"exemption from {row.authority}/{row.service}"):
                self._exempt(row, exemption, known[row.number, exemption.site, exemption.start])

    def _exempt(self, ban: BanRow, wanted: Exemption, known: list[ExemptionRow]) -> None:
        time_zone = wanted.time_zone or self.unit.session.get_one(AuthorityRow, ban.authority).time_zone
        if any(_is(row, wanted) for row in known):
            return
        known.append(exemption_acts.request(self.unit, ban, wanted, time_zone))

    def remove(self) -> None:
        """Take away what the file does not have; what has begun stays, as a fault."""
        self.unit.session.flush()
        self._keep_begun()
        bans_kept = {(ban.authority, ban.service) for ban in self.wanted.bans}
        self._remove(
            BanRow,
            # One that was ended before it began is in no file.
            lambda row: (row.authority, row.service) in bans_kept or not row.decided_terms,
            lambda row: f"ban/{row.authority}/{row.service}",
            lambda row: ban_acts.delete(self.unit, self.unit.session.get_one(AuthorityRow, row.authority), row),
        )
        exempted = ranges.exempted(self.unit.session, self.unit.now_s)
        ranges_kept = {(entry.site, str(entry.prefix)) for entry in self.wanted.ranges}
        self._remove(
            RangeRow,
            lambda row: (row.site, row.prefix) in ranges_kept,
            lambda row: f"range/{row.site}/{row.prefix}",
            lambda row: self._deregister(row, exempted),
        )
        authorities_kept = {authority.slug for authority in self.wanted.authorities}
        self._remove(
            AuthorityRow,
            lambda row: row.slug in authorities_kept,
            lambda row: f"authority/{row.slug}",
            lambda row: authority_acts.delete(self.unit, row),
        )
        sites_kept = {site.slug for site in self.wanted.sites}
        self._remove(
            SiteRow,
            lambda row: row.slug in sites_kept,
            lambda row: f"site/{row.slug}",
            lambda row: range_acts.delete_site(self.unit, row),
        )

    def _remove(
        self, kind: type[Row], kept: Callable[[Row], bool], subject: Callable[[Row], str], act: Callable[[Row], None]
    ) -> None:
        for row in self.unit.session.scalars(select(kind)).all():
            if not kept(row):
                with self._faulty(subject(row)):
                    act(row)
        self.unit.session.flush()

    def _keep_begun(self) -> None:
        """Bindings and exemptions with effect now or later that the file does not have are faults.

        Those of a ban that was ended before it began have none, and are in no file.
        """
        session, now_s = self.unit.session, self.unit.now_s
        idle = {row.number for row in session.scalars(select(BanRow)) if not row.decided_terms}
        numbers = {row.number: number for number, row in self.rows.items()}
        said = {(entry.ban, entry.authority, entry.ground, entry.start) for entry in self.wanted.bindings}
        for bound in session.scalars(select(BindingRow)).all():
            key = (numbers.get(bound.ban), bound.authority, Ground(bound.ground), bound.start_s)
            live = binding_state(bound, now_s) in (BindingState.IN_FORCE, BindingState.PLANNED)
            if live and bound.ban not in idle and key not in said:
                self.faults.append(Fault(f"binding/{bound.number}", "is not in the file: end it by an act"))
        mine: defaultdict[_ExemptionKey, list[Exemption]] = defaultdict(list)
        for exemption in self.wanted.exemptions:
            if exemption.ban in self.rows:
                mine[self.rows[exemption.ban].number, exemption.site, exemption.start].append(exemption)
        for row in session.scalars(select(ExemptionRow)).all():
            live = exemption_state(row, now_s) in APPROVED
            known = mine[row.ban, row.site, row.start_s]
            if live and row.ban not in idle and not any(_is(row, entry) for entry in known):
                self.faults.append(Fault(f"exemption/{row.number}", "is not in the file: revoke it by an act"))

    def _faulty(self, subject: str) -> AbstractContextManager[None]:
        return faulty(self.faults, subject)


def _demand_same_end(row: AuthorityRow, wanted: Authority) -> None:
    """Raises Conflict unless the file says of an authority's end what is on record."""
    held = closing_value(row)
    if held is None and wanted.closing is not None:
        raise Conflict(f"{row.slug} closes by an act of its own, or is merged by one: no file does that")
    if held != wanted.closing:
        keys = "closes, closed_reason, closed_decision, successor"
        raise Conflict(f"the end of {row.slug} is on record, and stays so: repeat {keys} as an export has them")


def _is_binding(row: BindingRow, wanted: Binding) -> bool:
    """Whether the row is the binding that the file wants, with its decided or its effective end."""
    return wanted.end in (row.end_s, row.period.end) and (row.instrument, row.date) == (wanted.instrument, wanted.date)


def _is(row: ExemptionRow, wanted: Exemption) -> bool:
    """Whether the row is the exemption that the file wants, with its decided or its effective end."""
    hours = {zoned_hours_text(hours, row.time_zone) for hours in wanted.hours}
    return (
        row.site == wanted.site
        and set(row.ranges) == {str(prefix) for prefix in wanted.ranges}
        and row.start_s == wanted.start
        and wanted.end in (row.end_s, row.period.end)
        and set(row.hours) == hours
    )
