"""An authority becomes part of another, as municipalities do: in one transaction, its successor goes on with all of it.

Ranges and space move; bans that the successor has none for go on there as its own decision, with what binds others to
them and exempts from them; what binds the merged authority binds the successor. Then the merged authority is closed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

from api.bans import repository as bans
from api.bans import service as ban_acts
from api.bans.change import BanChange
from api.bans.standing import effective_end, has_ended
from api.bindings import repository as bindings
from api.bindings import service as binding_acts
from api.bindings.schemas import BindingState, binding_state
from api.db.models import AuthorityRow, BanRow, BindingRow, ConcernRow, ExemptionRow
from api.db.unit import UnitOfWork, head
from api.errors import Conflict, Invalid
from api.exemptions import repository as exemptions
from api.exemptions import service as exemption_acts
from api.exemptions.schemas import ExemptionState
from api.moments import parse_zoned_hours
from api.publish.source import has_terms
from api.ranges.service import shown as range_shown
from api.spaces.schemas import read_space
from api.succession import repository
from api.succession.closing import close, demand_unclosed
from api.suspensions import repository as suspensions
from dnsfilter.policy.intervals import FOREVER, difference, union, until
from dnsfilter.policy.model import (
    Audience,
    Binding,
    DecisionRecord,
    Exemption,
    Funding,
    Ground,
    Instant,
    Mode,
    Reply,
    Service,
    Term,
)

APPROVED = (ExemptionState.IN_FORCE, ExemptionState.PLANNED)


@dataclass(slots=True)
class Merger:
    """What becomes of a merged authority's objects, by their names in the record."""

    continued: list[tuple[str, str]] = field(default_factory=list)
    """Each with that of the successor which goes on instead."""
    covered: list[tuple[str, str]] = field(default_factory=list)
    """Each with that of the successor which was there already."""
    ended: list[str] = field(default_factory=list)


def merge(
    unit: UnitOfWork,
    old: AuthorityRow,
    new: AuthorityRow,
    reason: str,
    decision: DecisionRecord,
    services: Mapping[str, Service],
) -> Merger:
    """Make `new` the successor of `old` from now on; raises Invalid and Conflict."""
    if old.slug == new.slug:
        raise Invalid.at("body.into", f"{old.slug} cannot be merged into itself")
    if not decision.legal_basis:
        raise Invalid.at("body.decision.legal_basis", "the bans that go on need the merger's legal basis")
    for row in (old, new):
        demand_unclosed(unit, row)
    held = suspensions.in_force_of(unit.session, old.slug, unit.now_s)
    if held:
        # It would end for the clients that move, or begin for those of the successor: neither was meant.
        raise Conflict(f"suspension {held[0].number} of {old.slug} is in force: end it, or wait")
    run = _Run(unit, old, new, reason, decision, services)
    # What binds and exempts is continued before it ends; ranges move first, so that exemptions name ranges of `new`.
    run.transfer()
    run.continue_bans()
    run.continue_bindings_to()
    close(unit, old, unit.now_s, reason, decision, new.slug)
    return run.done


@dataclass(slots=True)
class _Run:
    unit: UnitOfWork
    old: AuthorityRow
    new: AuthorityRow
    reason: str
    decision: DecisionRecord
    services: Mapping[str, Service]
    done: Merger = field(default_factory=Merger)

    def transfer(self) -> None:
        unit, session = self.unit, self.unit.session
        binders = bindings.binders(session, unit.now_s)
        concerned = {self.old.slug, self.new.slug}
        concerned.update(binders.get(self.old.slug, ()), binders.get(self.new.slug, ()))
        for entry in repository.ranges(session, self.old.slug):
            before = range_shown(entry)
            entry.authority, entry.revision = self.new.slug, unit.new_revision()
            unit.record("range.transfer", f"range/{entry.site}/{entry.prefix}", before, range_shown(entry), *concerned)
        for space in repository.spaces(session, self.old.slug):
            shown = read_space(space).model_dump(mode="json", exclude={"revision"})
            session.flush()
            space.authority, space.revision = self.new.slug, head(session)[0] + 1
            after = {**shown, "authority": self.new.slug}
            unit.note("space.transfer", f"space/{space.site}/{space.prefix}", shown, after, *concerned)
        theirs = repository.concerns(session, self.old.slug) - repository.concerns(session, self.new.slug)
        session.add_all(ConcernRow(authority=self.new.slug, exemption=number) for number in sorted(theirs))
        session.flush()

    def continue_bans(self) -> None:
        now = self.unit.now_s
        for ban in repository.bans(self.unit.session, self.old.slug):
            left = [term for term in ban.terms if not has_ended(term, now)]
            if not left:
                continue
            known = bans.find(self.unit.session, self.new.slug, ban.service)
            if known is not None and has_terms(known) and not all(has_ended(term, now) for term in known.terms):
                self.done.covered.append((_of_ban(ban), _of_ban(known)))
            elif ban.service not in self.services:
                self.done.ended.append(_of_ban(ban))
            else:
                self._continue_ban(ban, known)

    def _continue_ban(self, ban: BanRow, known: BanRow | None) -> None:
        now, decision = self.unit.now_s, replace(self.decision, follows=ban.number)
        terms = tuple(
            Term(max(term.start_s, now), effective_end(term), term.review_by_s, now, decision)
            for term in ban.terms
            if not has_ended(term, now)
        )
        change = BanChange(
            mode=Mode(ban.mode),
            mode_reason=ban.mode_reason or None,
            reply=Reply(ban.reply),
            addresses=tuple(ban.addresses),
            tiers=frozenset(ban.tiers),
            funding=frozenset(map(Funding, ban.funding)),
            audience=frozenset(map(Audience, ban.audience)),
        )
        service = self.services[ban.service]
        if known is None or known.provisional:
            adopted = replace(change, decision=decision, terms=terms, provisional=False)
            row, _ = ban_acts.put(self.unit, self.new, service, adopted)
        else:
            # A lapsed ban of the successor's: its terms stay what they were, and these are added to them.
            row, _ = ban_acts.put(self.unit, self.new, service, change)
            for term in terms:
                ban_acts.renew(self.unit, self.new, row, term)
        self.done.continued.append((_of_ban(ban), _of_ban(row)))
        for binding in repository.bindings_of(self.unit.session, ban.number, now):
            if binding.authority != self.new.slug:
                self._continue_binding(binding, row, binding.authority)
        for exemption in repository.exemptions_from(self.unit.session, ban.number, now, *APPROVED):
            self._continue_exemption(exemption, row)

    def continue_bindings_to(self) -> None:
        for binding in repository.bindings_to(self.unit.session, self.old.slug, self.unit.now_s):
            ban = self.unit.session.get_one(BanRow, binding.ban)
            if ban.authority == self.new.slug:
                self.done.covered.append((_of_binding(binding), _of_ban(ban)))
            else:
                self._continue_binding(binding, ban, self.new.slug)

    def _continue_binding(self, binding: BindingRow, ban: BanRow, authority: str) -> None:
        """As a binding of `ban` to `authority`, as far as that is not bound already; consent goes to the successor."""
        unit, now = self.unit, self.unit.now_s
        accepted = binding_state(binding, now) is not BindingState.PROPOSED
        others = bindings.of(unit.session, ban.number, authority)
        held = union((row.start_s, until(_finish(row))) for row in others if _binds(row, binding))
        gaps = difference(((max(binding.start_s, now), until(_finish(binding))),), held)
        if not gaps:
            self.done.covered.append((_of_binding(binding), _of_binding(next(r for r in others if _binds(r, binding)))))
            return
        for row in others:
            # What was only proposed would stand in the way of what is in force.
            if binding_state(row, now) is BindingState.PROPOSED:
                binding_acts.end(unit, row, now, self.reason)
        for start, end in gaps:
            row = binding_acts.create(unit, ban, _wanted(binding, ban, authority, start, end, now))
            if row.ground == Ground.AGREEMENT and accepted:
                binding_acts.accept(unit, row)
            self.done.continued.append((_of_binding(binding), _of_binding(row)))

    def _continue_exemption(self, exemption: ExemptionRow, ban: BanRow) -> None:
        session, now = self.unit.session, self.unit.now_s
        owners = exemptions.owners(session, exemption.site, exemption.ranges)
        bound = {row.authority for row in repository.bindings_of(session, ban.number, now)} | {ban.authority}
        ranges = frozenset(ip_network(prefix) for prefix, owner in owners.items() if owner in bound)
        if not ranges:
            self.done.ended.append(_of_exemption(exemption))
            return
        wanted = Exemption(
            0,
            ban.number,
            ranges,
            max(exemption.start_s, now),
            exemption.end_s if exemption.revoked_s is None else min(exemption.end_s, exemption.revoked_s),
            tuple(parse_zoned_hours(text, exemption.time_zone) for text in exemption.hours),
            exemption.site,
            exemption.reason,
        )
        row = exemption_acts.request(self.unit, ban, wanted, exemption.time_zone)
        exemption_acts.approve(self.unit, row, f"continues exemption {exemption.number} of {self.old.slug}")
        self.done.continued.append((_of_exemption(exemption), _of_exemption(row)))


def _binds(row: BindingRow, wanted: BindingRow) -> bool:
    """Whether a binding that is there stands for the wanted one: a law is not replaced by what can be withdrawn."""
    if row.ground == Ground.AGREEMENT:
        return row.accepted_s is not None and wanted.ground == Ground.AGREEMENT
    return True


def _wanted(row: BindingRow, ban: BanRow, authority: str, start: Instant, end: Instant, now: Instant) -> Binding:
    """What the binding says, of another ban or for another authority."""
    return Binding(
        0,
        ban.number,
        authority,
        Ground(row.ground),
        start,
        None if end == FOREVER else end,
        None,
        now,
        row.instrument,
        row.date,
    )


def _finish(row: BindingRow) -> Instant | None:
    return row.end_s if row.ended_s is None else row.ended_s


def _of_ban(row: BanRow) -> str:
    return f"ban/{row.authority}/{row.service}"


def _of_binding(row: BindingRow) -> str:
    return f"binding/{row.number}"


def _of_exemption(row: ExemptionRow) -> str:
    return f"exemption/{row.number}"
