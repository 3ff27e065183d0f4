"""What goes on with the successor of a merged authority: its bans, what binds and exempts, and what binds it.

At no instant is a client refused that was not, or the other way, but for the successor's own ban on the service: while
a term of that holds, it decides. What the merged authority decided fills the gaps; in what mode and scope, the
successor's ban says where it is in force by a decision of the successor's own. One that is there by another merger
decides for nobody but those whose it was: so the order of mergers lifts no refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import chain

from api.bans import repository as bans
from api.bans import service as ban_acts
from api.bans.state import has_lapsed, live_terms, switch_at
from api.bans.wanted_change import as_decided
from api.bindings import repository as bindings
from api.bindings import service as binding_acts
from api.db.models import AuthorityRow, BanRow, BindingRow, ExemptionRow
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict
from api.exemptions import repository as exemptions
from api.exemptions import service as exemption_acts
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import exemption_end
from api.requests import repository as requests
from api.succession import repository
from api.succession.outcome import Outcome
from api.timestamps import parse_zoned_hours
from dnsfilter.policy.intervals import FOREVER, Interval, Intervals, difference, intersection, span, union, until
from dnsfilter.policy.model import (
    Binding,
    Exemption,
    FormalDecision,
    Ground,
    Instant,
    Mode,
    Service,
    Term,
)

CONTINUED = (ExemptionState.IN_FORCE, ExemptionState.PLANNED)
"""Exemptions in these states go on, in this order."""


@dataclass(slots=True)
class Heirs:
    """One merger. `moved` are the ranges that were the merged authority's and are its successor's now."""

    unit: UnitOfWork
    old: AuthorityRow
    new: AuthorityRow
    reason: str
    decision: FormalDecision
    services: Mapping[str, Service]
    moved: frozenset[tuple[str, str]]
    done: Outcome

    def continue_bans(self) -> None:
        """Continue every ban that has not lapsed, and what belongs to it; raises Conflict where one cannot be."""
        for ban in repository.bans(self.unit.session, self.old.slug):
            service = self.services.get(ban.service)
            if has_lapsed(ban.terms, self.unit.now_s):
                self._end_with(ban)
            elif service is None:
                self.done.ended.append(_of_ban(ban))
                self._end_with(ban)
            else:
                self._continue(ban, service)

    def continue_bindings_to(self) -> None:
        """What binds the merged authority binds its successor."""
        for binding in repository.bindings_to(self.unit.session, self.old.slug, self.unit.now_s):
            ban = self.unit.session.get_one(BanRow, binding.ban)
            if ban.authority == self.new.slug:
                self.done.covered.append((_of_binding(binding), _of_ban(ban)))
            else:
                self._continue_binding(binding, ban, self.new.slug)

    def _end_with(self, ban: BanRow) -> None:
        session, now = self.unit.session, self.unit.now_s
        self.done.ended += map(_of_binding, repository.bindings_of(session, ban.number, now))
        self.done.ended += map(_of_exemption, repository.exemptions_from(session, ban.number, now, *CONTINUED))
        self._end_requests(ban)

    def _end_requests(self, ban: BanRow) -> None:
        """Report that what is only asked for ends. Its author asks the successor again."""
        session, now = self.unit.session, self.unit.now_s
        asked = repository.exemptions_from(session, ban.number, now, ExemptionState.REQUESTED)
        self.done.ended += map(_of_exemption, asked)
        self.done.ended += [f"request/{row.number}" for row in requests.waiting(session, ban.number, now)]

    def _continue(self, ban: BanRow, service: Service) -> None:
        session, now = self.unit.session, self.unit.now_s
        known = bans.find(session, self.new.slug, ban.service)
        # Whom the successor's ban concerned when, before anything is added to it.
        ruled = {} if known is None else self._bears(known)
        row = self._heir(ban, known, service)
        ban.superseded_by = row.number
        for binding in repository.bindings_of(session, ban.number, now):
            if binding.authority == self.new.slug:
                self.done.covered.append((_of_binding(binding), _of_ban(row)))
            else:
                self._continue_binding(binding, row, binding.authority)
        for exemption in repository.exemptions_from(session, ban.number, now, *CONTINUED):
            self._continue_exemption(exemption, row, ruled)
        self._end_requests(ban)

    def _heir(self, ban: BanRow, known: BanRow | None, service: Service) -> BanRow:
        """The successor's ban that goes on with the terms left of `ban`: the one that it has, or a new one."""
        now = self.unit.now_s
        live = known is not None and not has_lapsed(known.terms, now)
        spans = _missing(ban, () if known is None or known.provisional else _held(known, now), now)
        off = ban.lasting_mode is Mode.OFF
        if known is not None and live and not off:
            self._demand_alike(ban, known, service, bool(spans))
        if known is not None and live and (not spans or off):
            self.done.covered.append((_of_ban(ban), _of_ban(known)))
            return known
        follows: int | None = ban.number
        if known is not None:
            self._demand_unexempted(ban, known, union(spans))
            if bans.leads_to(self.unit.session, ban, known.number):
                follows = None  # Neither can be the other's source.
        decision = replace(self.decision, follows=follows)
        terms = tuple(
            Term(start, None if end == FOREVER else end, review, now, decision)
            for (start, end), review in spans.items()
        )
        decided = as_decided(ban, now, reason=self.reason if self.new.off_needs_reason else "")
        before = [] if known is None else list(known.terms)
        if known is None or known.provisional:
            adopted = replace(decided, decision=decision, terms=terms, provisional=False)
            row, _ = ban_acts.put(self.unit, self.new, service, known, adopted)
        else:
            # Its terms stay what they were, and these are added. How it applies is said anew only where it has lapsed.
            row = known if live else ban_acts.put(self.unit, self.new, service, known, decided)[0]
            for term in terms:
                ban_acts.renew(self.unit, self.new, row, term)
        for added in row.terms:
            if added not in before:
                added.merged_from = self.old.slug
        self.done.continued.append((_of_ban(ban), _of_ban(row)))
        return row

    def _demand_alike(self, ban: BanRow, known: BanRow, service: Service, gaps: bool) -> None:
        """Raises Conflict where `ban` would apply otherwise in `known`, and no decision of the successor's says so."""
        if _effect(known, service, self.unit.now_s) == _effect(ban, service, self.unit.now_s):
            return
        undecided = self._undecided(known, gaps)
        if undecided is None:
            self.done.overruled.append((_of_ban(ban), _of_ban(known)))
            return
        why, ways = undecided
        raise Conflict(
            f"{_name(known)} {why}, and differs from {_name(ban)} in mode or scope: one ban cannot apply in both ways, "
            f"so {ways}, before the merger"
        )

    def _undecided(self, known: BanRow, gaps: bool) -> tuple[str, str] | None:
        """Why the successor's live ban does not say how a merged one applies, and what helps; None where it does.

        `gaps` tells whether the merged one has terms left which it lacks.
        """
        ways = "give both the same, or end one"
        if known.provisional:
            return "is provisional", ways
        if known.lasting_mode is Mode.OFF:
            return "is off", ways
        live = live_terms(known.terms, self.unit.now_s)
        held = [term for term in live if term.period.holds(self.unit.now_s)]
        if not held and (gaps or any(term.merged_from for term in live)):
            return "is planned", ways
        if held and all(term.merged_from for term in held):
            own = (
                f"give both the same, end one, or renew {_name(known)} with a start of now, "
                f"by {known.authority}'s own decision"
            )
            return "is there by an earlier merger only", own
        return None

    def _demand_unexempted(self, ban: BanRow, known: BanRow, gaps: Intervals) -> None:
        """Raises Conflict where an exemption from `known` would set aside the terms that it lacks."""
        bears = self._bears(ban, always=True)
        for exemption in repository.exemptions_from(self.unit.session, known.number, self.unit.now_s, *CONTINUED):
            life = intersection(gaps, ((exemption.start_s, exemption_end(exemption)),))
            owners = self._owners(exemption).values()
            if any(intersection(life, bears.get(owner, ())) for owner in owners):
                raise Conflict(
                    f"exemption {exemption.number} from {_name(known)} names ranges in which {_name(ban)} goes on: "
                    "revoke it before the merger"
                )

    def _bears(self, ban: BanRow, *, always: bool = False) -> Mapping[str, Intervals]:
        """When the ban applies, in its own authority and each where it is bound; `always`: as if it had no gap."""
        held = ((0, FOREVER),) if always else _held(ban, self.unit.now_s)
        bound: dict[str, list[Interval]] = {ban.authority: [(0, FOREVER)]}
        for row in repository.bindings_of(self.unit.session, ban.number, self.unit.now_s):
            bound.setdefault(row.authority, []).extend(span(row.period))
        return {authority: intersection(held, union(intervals)) for authority, intervals in bound.items()}

    def _owners(self, exemption: ExemptionRow) -> Mapping[str, str]:
        """Whose the registered ranges of an exemption were before the merger."""
        owners = exemptions.owners(self.unit.session, exemption.site, exemption.ranges)
        return {
            prefix: self.old.slug if (exemption.site, prefix) in self.moved else owner
            for prefix, owner in owners.items()
        }

    def _continue_binding(self, binding: BindingRow, ban: BanRow, authority: str) -> None:
        """As a binding of `ban` to `authority`, as far as that is not bound already; consent goes to the successor."""
        unit, now = self.unit, self.unit.now_s
        accepted = binding.is_agreed
        others = bindings.of(unit.session, ban.number, authority)
        left = ((max(binding.start_s, now), until(binding.period.end)),)
        standing = [row for row in others if _binds(row, binding) and intersection(left, span(row.period))]
        gaps = difference(left, union(chain.from_iterable(span(row.period) for row in standing)))
        binding.superseded_by = [row.number for row in standing]
        if not gaps:
            self.done.covered.append((_of_binding(binding), _of_binding(standing[0])))
            return
        for row in others:
            # What was only proposed would stand in the way of what is in force.
            if not row.is_agreed and not row.period.has_ended(now):
                binding_acts.end(unit, row, now, self.reason)
        for start, end in gaps:
            row = binding_acts.create(unit, ban, _wanted(binding, ban, authority, start, end, now))
            if row.ground == Ground.AGREEMENT and accepted:
                binding_acts.accept(unit, row)
            binding.superseded_by = [*binding.superseded_by, row.number]
            self.done.continued.append((_of_binding(binding), _of_binding(row)))

    def _continue_exemption(self, exemption: ExemptionRow, ban: BanRow, ruled: Mapping[str, Intervals]) -> None:
        """As one from `ban`, but for the ranges in which that one applied already, and as long as it did."""
        session, now = self.unit.session, self.unit.now_s
        span_left = ((max(exemption.start_s, now), exemption_end(exemption)),)
        bound = {row.authority for row in repository.bindings_of(session, ban.number, now)} | {
            ban.authority,
            self.old.slug,
        }
        alike: dict[Intervals, list[str]] = {}
        for prefix, owner in self._owners(exemption).items():
            alike.setdefault(difference(span_left, ruled.get(owner, ())) if owner in bound else (), []).append(prefix)
        for pieces, prefixes in alike.items():
            for start, end in pieces:
                wanted = Exemption(
                    0,
                    ban.number,
                    frozenset(map(ip_network, prefixes)),
                    start,
                    end,
                    tuple(parse_zoned_hours(text, exemption.time_zone) for text in exemption.hours),
                    exemption.site,
                    exemption.reason,
                )
                row = exemption_acts.request(self.unit, ban, wanted, exemption.time_zone)
                exemption_acts.approve(self.unit, row, f"continues exemption {exemption.number} of {self.old.slug}")
                exemption.superseded_by = [*exemption.superseded_by, row.number]
                self.done.continued.append((_of_exemption(exemption), _of_exemption(row)))
        if set(alike) != {span_left}:
            self.done.ended.append(_of_exemption(exemption))


def _held(ban: BanRow, now: Instant) -> Intervals:
    """When its terms that have not ended hold."""
    return union(chain.from_iterable(span(term.period) for term in live_terms(ban.terms, now)))


def _missing(ban: BanRow, held: Intervals, now: Instant) -> Mapping[Interval, Instant | None]:
    """What is left of the ban's terms outside of `held`, each with its latest date of review."""
    found: dict[Interval, Instant | None] = {}
    for term in sorted(live_terms(ban.terms, now), key=lambda term: (term.start_s, term.id)):
        for left in difference(((max(term.start_s, now), until(term.period.end)),), held):
            found[left] = max(found.get(left) or 0, term.review_by_s or 0) or None
    return found


def _effect(ban: BanRow, service: Service, now: Instant) -> tuple[object, ...]:
    """What decides whom the ban concerns, and when it refuses."""
    mode = ban.lasting_mode
    if mode is Mode.OFF:
        return (mode,)
    tiers = frozenset(ban.tiers) & {tier.number for tier in service.tiers}
    return mode, switch_at(ban, now).until, tiers, frozenset(ban.funding), frozenset(ban.audience)


def _binds(row: BindingRow, wanted: BindingRow) -> bool:
    """Whether a binding that is there stands for the wanted one: a law is not replaced by what can be withdrawn."""
    if row.ground == Ground.AGREEMENT:
        return row.is_agreed and wanted.ground == Ground.AGREEMENT
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


def _name(row: BanRow) -> str:
    return f"{row.authority}/{row.service}"


def _of_ban(row: BanRow) -> str:
    return f"ban/{_name(row)}"


def _of_binding(row: BindingRow) -> str:
    return f"binding/{row.number}"


def _of_exemption(row: ExemptionRow) -> str:
    return f"exemption/{row.number}"
