"""Turn a policy file into acts.

Every act goes through the services that single requests use. Every fault is reported. Objects that the file lacks are
removed, if nothing with history is lost. A term, binding, exemption or allowed name that has begun and is changed or
missing is a fault, and so is a changed closing. A new exemption becomes a request, a new agreement a proposal.

What fills an empty database was decided elsewhere. Exemptions are then approved and agreements accepted if the file
says so. Terms, bindings and exemptions may have ended, and authorities may be closed. Loading skips the checks of new
decisions. Nothing has an effect before it is recorded.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import TypeAlias

from sqlalchemy import select

from api.authorities import service as authority_acts
from api.authorities.state import demand_open
from api.bans import service as ban_acts
from api.bans.reading import shown_all
from api.bans.terms import decision_columns, demand_own_decisions
from api.bans.wanted_change import BanChange
from api.bindings import service as binding_acts
from api.bindings.repository import binders
from api.bindings.state import never_holds
from api.db.base import Base, Json
from api.db.models import (
    AllowedNameRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    ListLinkRow,
    RangeRow,
    ServiceRow,
    SiteRow,
)
from api.db.subjects import subject
from api.db.unit_of_work import Act, UnitOfWork
from api.errors import Conflict, Fault, collect_faults
from api.exemptions import service as exemption_acts
from api.lists.filed import put_link, put_list
from api.names import service as name_acts
from api.policies.filed_fleets import record_fleet_names
from api.policies.left_out import LeftOut
from api.policies.recorded import demand_same_end, is_allowed_name, is_binding, is_exemption
from api.publish.repository import is_empty
from api.ranges import repository as ranges
from api.ranges import service as range_acts
from api.services import service as service_acts
from api.succession import closing
from dnsfilter.policy.model import (
    Ban,
    Binding,
    FormalDecision,
    Policy,
    Range,
    Service,
    Term,
)
from dnsfilter.policy.prohibited_lists import Lists
from dnsfilter.policy.single_names import is_plain_refusal
from dnsfilter.wire.names import name_text, parse_name

NOTE = "loaded from a policy file"
"""Note of exemptions that are loaded as approved into an empty database."""

_BindingKey: TypeAlias = tuple[int, str, str, int]
"""Ban, authority, ground, start. No two effective bindings share this key."""
_ExemptionKey: TypeAlias = tuple[int, str, int]
"""Ban, site, start."""


def apply(unit: UnitOfWork, wanted: Policy, lists: Lists) -> list[Fault]:
    """Do the acts that make the database match `wanted`, a valid policy, and its `lists`. Return the faults.

    If there are faults, the transaction must not be committed.
    """
    services = {service.slug: service for service in wanted.services}
    run = _Run(unit, wanted, lists, services, is_empty(unit.session), binders(unit.session, unit.now_s))
    run.register()
    run.define()
    run.record_lists()
    run.adopt()
    run.link()
    run.bind()
    run.exempt()
    run.allow()
    record_fleet_names(unit, wanted.fleet_names, run.faults)
    if run.fills:
        # Close authorities last: a closed one can register and adopt nothing.
        run.close()
    else:
        run.left_out().remove()
    return run.faults


@dataclass(slots=True)
class _Run:
    unit: UnitOfWork
    wanted: Policy
    lists: Lists
    services: Mapping[str, Service]
    fills: bool
    """Whether the database was empty."""
    binders: Mapping[str, tuple[str, ...]]
    """Map each bound authority to those whose bans are bound to it, before any act of the run."""
    faults: list[Fault] = field(default_factory=list)
    owners: dict[str, AuthorityRow] = field(default_factory=dict)
    rows: dict[int, BanRow] = field(default_factory=dict)
    """The row of each ban, by its number in the file."""
    links: dict[int, ListLinkRow] = field(default_factory=dict)
    """The row of each link, by its position in the file."""
    held: list[Base] = field(default_factory=list)
    """Rows kept alive: a session drops unreferenced rows and would query them again for every object."""

    def register(self) -> None:
        session = self.unit.session
        self.held += session.scalars(select(SiteRow))
        self.owners = {row.slug: row for row in session.scalars(select(AuthorityRow))}
        if self.fills:
            self.left_out().remove_sites()
        for site in self.wanted.sites:
            with collect_faults(self.faults, f"site/{site.slug}"):
                self.held.append(range_acts.put_site(self.unit, site.slug, site.name)[0])
        for authority in self.wanted.authorities:
            with collect_faults(self.faults, f"authority/{authority.slug}"):
                row, _ = authority_acts.put(self.unit, authority)
                self.owners[row.slug] = row
                if not self.fills:
                    demand_same_end(row, authority)
        session.flush()
        self._register_ranges()

    def _register_ranges(self) -> None:
        known = {(row.site, row.prefix): row for row in self.unit.session.scalars(select(RangeRow))}
        exempted = ranges.exempted(self.unit.session, self.unit.now_s)
        stuck: set[tuple[str, str]] = set()
        for entry in self.wanted.ranges:
            key = (entry.site, str(entry.prefix))
            if key in known and known[key].authority != entry.authority:
                with collect_faults(self.faults, f"range/{entry.site}/{entry.prefix}"):
                    stuck.add(key)
                    range_acts.remove_known(self.unit, known[key], exempted, self.binders)
                    stuck.remove(key)
                    del known[key]
        # A prefix has one row: delete the old ones before adding new ones.
        self.unit.session.flush()
        new: list[Range] = []
        for entry in self.wanted.ranges:
            key = (entry.site, str(entry.prefix))
            if key not in stuck:
                with collect_faults(self.faults, f"range/{entry.site}/{entry.prefix}"):
                    if key in known:
                        range_acts.put_known(self.unit, entry, known[key], self.binders)
                    else:
                        demand_open(self.owners[entry.authority], self.unit.now_s)
                        new.append(entry)
        rows = [range_acts.new_row(self.unit, entry) for entry in new]
        self._add(rows, map(self._registration, rows))

    def _registration(self, row: RangeRow) -> Act:
        concerned = (row.authority, *self.binders.get(row.authority, ()))
        return Act("range.register", subject(row), None, range_acts.shown(row), concerned)

    def _add(self, rows: Sequence[Base], acts: Iterable[Act]) -> None:
        """Add new rows, with an act for each, in bulk."""
        if rows:
            self.unit.session.add_all(rows)
            self.unit.record_all(acts, lambda _count: None)

    def define(self) -> None:
        """Define own services, and change existing ones."""
        known = self._own_services()
        for service in self.wanted.services:
            if service.authority is not None:
                with collect_faults(self.faults, f"service/{service.slug}"):
                    owner = self.owners[service.authority]
                    service_acts.load(self.unit, owner, known.get(service.slug), service)
        self.unit.session.flush()

    def _own_services(self) -> dict[str, ServiceRow]:
        rows = self.unit.session.scalars(select(ServiceRow).where(ServiceRow.authority.is_not(None)))
        return {row.slug: row for row in rows}

    def record_lists(self) -> None:
        """Record lists and the versions that the file adds, before the bans that come from them."""
        for wanted in self.lists.lists:
            with collect_faults(self.faults, f"list/{wanted.reference}"):
                put_list(self.unit, self.owners[wanted.authority], wanted, fills=self.fills)

    def link(self) -> None:
        """Record links, before the bindings that they bring."""
        for position, wanted in enumerate(self.lists.links):
            with collect_faults(self.faults, f"list_link of {wanted.prohibited_list} to {wanted.authority}"):
                self.links[position] = put_link(self.unit, wanted, fills=self.fills)

    def adopt(self) -> None:
        """Adopt new bans in the order of the file, and change existing ones."""
        known = {(row.authority, row.service): row for row in self.unit.session.scalars(select(BanRow))}
        there = {ban.number: row for ban in self.wanted.bans if (row := known.get((ban.authority, ban.service)))}
        self.rows.update(there)
        try:
            TopologicalSorter({ban.number: _followed(ban) for ban in self.wanted.bans}).prepare()
        except CycleError as error:
            circle = next(ban for ban in self.wanted.bans if ban.number in error.args[1])
            self.faults.append(
                Fault(_of_ban(circle), "bans cannot follow each other in a circle: remove follows from one of them")
            )
            return
        self._adopt_new([ban for ban in self.wanted.bans if ban.number not in there])
        for ban in self.wanted.bans:
            if ban.number in there:
                with collect_faults(self.faults, _of_ban(ban)):
                    self._change(ban, there[ban.number])

    def _change(self, ban: Ban, row: BanRow) -> None:
        owner, service = self.owners[ban.authority], self.services[ban.service]
        ban_acts.put(self.unit, owner, service, row, self._wanted(ban, row))

    def _adopt_new(self, bans: Sequence[Ban]) -> None:
        """Adopt bans in this order, which gives them their numbers. Of equal bans the lower number decides.

        Set what they follow afterwards: a ban may follow a later one, whose number is not known before.
        """
        for ban in bans:
            with collect_faults(self.faults, _of_ban(ban)):
                if not self.fills and not ban.provisional and not is_plain_refusal(ban):
                    demand_own_decisions(ban.decision, ban.terms)
                owner, service = self.owners[ban.authority], self.services[ban.service]
                self.rows[ban.number] = ban_acts.new_row(
                    self.unit, owner, service, self._wanted(_without_follows(ban), None)
                )
        adopted = [ban for ban in bans if ban.number in self.rows]
        rows = [self.rows[ban.number] for ban in adopted]
        self.unit.session.add_all(rows)
        self.unit.session.flush()
        for ban in filter(_followed, adopted):
            with collect_faults(self.faults, _of_ban(ban)):
                self._set_followed(ban, self.rows[ban.number])
        self.unit.session.flush()
        zones = {slug: row.time_zone for slug, row in self.owners.items()}
        shown = shown_all(self.unit.session, rows, self.unit.now_s, zones)
        self._add(rows, (_adoption(ban, after) for ban, after in zip(adopted, shown, strict=True)))

    def _set_followed(self, ban: Ban, row: BanRow) -> None:
        row.decision = decision_columns(self._decision(ban.decision))
        if self._has_terms(ban, None):
            for held, term in zip(row.terms, ban.terms, strict=True):
                held.decision = decision_columns(self._decision(term.decision))

    def _has_terms(self, ban: Ban, known: BanRow | None) -> bool:
        """Return whether the terms of the file apply.

        A provisional ban that is adopted here gets its own term instead.
        """
        return self.fills or not ban.provisional or (known is not None and not known.provisional)

    def _wanted(self, ban: Ban, known: BanRow | None) -> BanChange:
        takes = self._has_terms(ban, known)
        return BanChange(
            mode=ban.mode,
            mode_reason=ban.reason or None,
            off_until=ban.off_until,
            reply=ban.reply,
            addresses=tuple(str(address) for address in ban.addresses),
            tiers=ban.tiers,
            funding=ban.funding,
            audience=ban.audience,
            decision=self._decision(ban.decision) if takes or known is None else None,
            terms=tuple(self._term(term) for term in ban.terms) if takes else None,
            provisional=ban.provisional if takes or known is None else None,
            on_list=ban.on_list,
            loaded=self.fills or (known is None and is_plain_refusal(ban)),
        )

    def _decision(self, decision: FormalDecision) -> FormalDecision:
        if decision.follows is None:
            return decision
        row = self.rows.get(decision.follows)
        if row is None:
            raise Conflict("the ban that it follows could not be adopted: correct that ban first")
        return replace(decision, follows=row.number)

    def _term(self, term: Term) -> Term:
        return replace(term, decision=self._decision(term.decision))

    def bind(self) -> None:
        known: defaultdict[_BindingKey, list[BindingRow]] = defaultdict(list)
        for held in self.unit.session.scalars(select(BindingRow).order_by(BindingRow.number)):
            known[held.ban, held.authority, held.ground, held.start_s].append(held)
        brought = {number: position for position, link in enumerate(self.lists.links) for number in link.bindings}
        for binding in self.wanted.bindings:
            row = self.rows.get(binding.ban)
            link = self.links.get(brought.get(binding.number, -1))
            if row is None:
                continue
            with collect_faults(self.faults, f"binding of {row.authority}/{row.service} to {binding.authority}"):
                if self.fills:
                    binding_acts.load(self.unit, row, binding, None if link is None else link.number)
                else:
                    key = (row.number, binding.authority, str(binding.ground), binding.start)
                    self._bind(row, binding, known[key], None if link is None else link.number)

    def _bind(self, ban: BanRow, wanted: Binding, known: list[BindingRow], link: int | None) -> None:
        if any(is_binding(row, wanted) for row in known if not row.period.is_void):
            return
        for row in known:
            if not never_holds(row, self.unit.now_s):
                raise Conflict(f"binding {row.number} cannot be changed by a file: end it or withdraw from it first")
        known.append(binding_acts.create(self.unit, ban, wanted, link))

    def exempt(self) -> None:
        known: defaultdict[_ExemptionKey, list[ExemptionRow]] = defaultdict(list)
        for held in self.unit.session.scalars(select(ExemptionRow)):
            known[held.ban, held.site, held.start_s].append(held)
        for exemption in self.wanted.exemptions:
            row = self.rows.get(exemption.ban)
            if row is None:
                continue
            time_zone = exemption.time_zone or self.owners[row.authority].time_zone
            with collect_faults(self.faults, f"exemption from {row.authority}/{row.service}"):
                if self.fills:
                    exemption_acts.load(self.unit, row, exemption, time_zone, NOTE)
                    continue
                there = known[row.number, exemption.site, exemption.start]
                if not any(is_exemption(held, exemption) for held in there):
                    there.append(exemption_acts.request(self.unit, row, exemption, time_zone))

    def allow(self) -> None:
        """Allow names, and load those that a file has for an empty database."""
        known: defaultdict[tuple[str, bytes], list[AllowedNameRow]] = defaultdict(list)
        for held in self.unit.session.scalars(select(AllowedNameRow).order_by(AllowedNameRow.number)):
            known[held.authority, parse_name(held.name)].append(held)
        for allowed in self.wanted.allowed:
            there = known[allowed.authority, allowed.name]
            with collect_faults(self.faults, f"name/{allowed.authority}/{name_text(allowed.name)}"):
                if not any(is_allowed_name(row, allowed) for row in there):
                    name_acts.allow_as_filed(self.unit, self.owners[allowed.authority], there, allowed)

    def left_out(self) -> LeftOut:
        """Return what removes that which the file lacks."""
        links = {row.number for row in self.links.values()}
        return LeftOut(self.unit, self.wanted, self.lists, self.rows, links, self.binders, self.faults)

    def close(self) -> None:
        """Record the closings of authorities."""
        for authority in self.wanted.authorities:
            if authority.closing is not None:
                with collect_faults(self.faults, f"authority/{authority.slug}"):
                    closing.load(self.unit, self.owners[authority.slug], authority.closing)


def _without_follows(ban: Ban) -> Ban:
    """Return the ban without what its formal decisions follow."""
    terms = tuple(replace(term, decision=replace(term.decision, follows=None)) for term in ban.terms)
    return replace(ban, decision=replace(ban.decision, follows=None), terms=terms)


def _followed(ban: Ban) -> set[int]:
    """Return the numbers, in the file, of the bans that formal decisions about the ban follow."""
    decisions = (ban.decision, *(term.decision for term in ban.terms))
    return {decision.follows for decision in decisions if decision.follows is not None}


def _adoption(ban: Ban, after: Json) -> Act:
    act = "ban.adopt_provisionally" if ban.provisional else "ban.adopt"
    return Act(act, _of_ban(ban), None, after, (ban.authority,))


def _of_ban(ban: Ban) -> str:
    return f"ban/{ban.authority}/{ban.service}"
