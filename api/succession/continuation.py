"""What continues with the successor of a merged authority: bans, their bindings and exemptions, and bindings to it.

A merger does not change at any instant what a client is refused, except for the successor's own ban on the service,
which decides while it is in force. The merged authority's ban fills the gaps. Its mode and scope come from the
successor's ban, if that is in force by the successor's own formal decision. If the successor's ban comes from another
merger, it does not apply to further clients, so the order of mergers never lifts a refusal.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_network
from itertools import chain

from api.bans import repository as bans
from api.bans import service as ban_acts
from api.bans.refusable_names import demand_not_allowed
from api.bans.requests import repository as requests
from api.bans.state import has_lapsed, live_terms, mode_setting_at
from api.bans.wanted_change import as_decided
from api.bindings import repository as bindings
from api.bindings import service as binding_acts
from api.db.models import AllowedNameRow, AuthorityRow, BanRow, BindingRow, ExemptionRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict
from api.exemptions import repository as exemptions
from api.exemptions import service as exemption_acts
from api.exemptions.schemas import ExemptionState
from api.exemptions.state import exemption_end
from api.names import repository as names
from api.names import service as name_acts
from api.succession import repository
from api.succession.continued_lists import ContinuedLists
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
from dnsfilter.policy.single_names import is_single_name

CONTINUED = (ExemptionState.IN_FORCE, ExemptionState.PLANNED)
"""Exemptions in these states continue, in this order."""


@dataclass(slots=True)
class Continuation:
    """One merger. `moved` are the ranges that moved from the merged authority to its successor."""

    unit: UnitOfWork
    old: AuthorityRow
    new: AuthorityRow
    reason: str
    decision: FormalDecision
    services: Mapping[str, Service]
    moved: frozenset[tuple[str, str]]
    done: Outcome
    lists: ContinuedLists

    def continue_bans(self) -> None:
        """Continue each ban that has not lapsed, with its bindings and exemptions; raise `Conflict` on failure.

        List what waits for an approver as ended. Its authors must ask the successor again.
        """
        for ban in repository.bans(self.unit.session, self.old.slug):
            service = self.services.get(ban.service)
            if has_lapsed(ban.terms, self.unit.now_s):
                self._end_with(ban)
            elif service is None:
                self.done.ended.append(subject(ban))
                self._end_with(ban)
            else:
                self._continue(ban, service)
        waiting = requests.waiting(self.unit.session, self.old.slug, self.unit.now_s)
        self.done.ended += map(subject, waiting)

    def continue_bindings_to(self) -> None:
        """Bind the successor by what binds the merged authority."""
        for binding in repository.bindings_to(self.unit.session, self.old.slug, self.unit.now_s):
            ban = self.unit.session.get_one(BanRow, binding.ban)
            if ban.authority == self.new.slug:
                self.done.covered.append((subject(binding), subject(ban)))
            else:
                self._continue_binding(binding, ban, self.new.slug)

    def continue_names(self) -> None:
        """Allow what the merged authority allows. Raise `Conflict` if the successor refuses it by itself."""
        unit, now = self.unit, self.unit.now_s
        for row in names.allowed_names(unit.session, self.old.slug, now):
            known = names.find(unit.session, self.new.slug, row.name, now)
            if isinstance(known, AllowedNameRow):
                self.done.covered.append((subject(row), subject(known)))
                row.superseded_by = known.number
                continue
            times = max(row.start_s, now), row.period.end, row.review_by_s
            wanted = name_acts.WantedName(row.name, row.exact, *times, row.reason)
            made = name_acts.allow(unit, self.new, known, wanted)
            row.superseded_by = made.number
            self.done.continued.append((subject(row), subject(made)))

    def _end_with(self, ban: BanRow) -> None:
        session, now = self.unit.session, self.unit.now_s
        self.done.ended += map(subject, repository.bindings_of(session, ban.number, now))
        self.done.ended += map(subject, repository.exemptions_from(session, ban.number, now, *CONTINUED))
        self._end_asked(ban)

    def _end_asked(self, ban: BanRow) -> None:
        """List the exemptions that nobody has decided as ended. Their authors must ask the successor again."""
        session, now = self.unit.session, self.unit.now_s
        asked = repository.exemptions_from(session, ban.number, now, ExemptionState.REQUESTED)
        self.done.ended += map(subject, asked)

    def _continue(self, ban: BanRow, service: Service) -> None:
        session, now = self.unit.session, self.unit.now_s
        if is_single_name(ban.service):
            demand_not_allowed(self.unit, self.new.slug, ban.service)
        known = bans.find(session, self.new.slug, ban.service)
        # When and where the successor's ban applied, before anything is added to it.
        applied = {} if known is None else self._applies_when(known)
        row = self._successor_ban(ban, known, service)
        ban.superseded_by = row.number
        for binding in repository.bindings_of(session, ban.number, now):
            if binding.authority == self.new.slug:
                self.done.covered.append((subject(binding), subject(row)))
            else:
                self._continue_binding(binding, row, binding.authority)
        for exemption in repository.exemptions_from(session, ban.number, now, *CONTINUED):
            self._continue_exemption(exemption, row, applied)
        self._end_asked(ban)

    def _successor_ban(self, ban: BanRow, known: BanRow | None, service: Service) -> BanRow:
        """Return the successor's ban that continues the remaining terms of `ban`: its existing one, or a new one."""
        now = self.unit.now_s
        live = known is not None and not has_lapsed(known.terms, now)
        spans = _missing(ban, () if known is None or known.provisional else _held(known, now), now)
        off = ban.lasting_mode is Mode.OFF
        if known is not None and live and not off:
            self._demand_alike(ban, known, service, bool(spans))
        if known is not None and live and (not spans or off):
            self.done.covered.append((subject(ban), subject(known)))
            return known
        follows: int | None = ban.number
        if known is not None:
            self._demand_unexempted(ban, known, union(spans))
            if bans.leads_to(self.unit.session, ban, known.number):
                follows = None  # The bans cannot follow each other.
        decision = replace(self.decision, follows=follows)
        terms = tuple(
            Term(start, None if end == FOREVER else end, review, now, decision)
            for (start, end), review in spans.items()
        )
        decided = as_decided(ban, now, reason=self.reason if self.new.off_needs_reason else "")
        before = [] if known is None else list(known.terms)
        if known is None or known.provisional:
            adopted = replace(
                decided, decision=decision, terms=terms, provisional=False, on_list=self.lists.on_list(ban)
            )
            row = ban_acts.put(self.unit, self.new, service, known, adopted)
        else:
            # Keep its terms and add these. Set its mode and scope only if it has lapsed.
            row = known if live else ban_acts.put(self.unit, self.new, service, known, decided)
            for term in terms:
                ban_acts.add_term(self.unit, self.new, row, term, None if live else self.lists.on_list(ban))
        for added in row.terms:
            if added not in before:
                added.merged_from = self.old.slug
        self.done.continued.append((subject(ban), subject(row)))
        return row

    def _demand_alike(self, ban: BanRow, known: BanRow, service: Service, gaps: bool) -> None:
        """Raise `Conflict` if `ban` differs from `known` and the successor has no own formal decision about that."""
        if _effect(known, service, self.unit.now_s) == _effect(ban, service, self.unit.now_s):
            return
        undecided = self._undecided(known, gaps)
        if undecided is None:
            self.done.overruled.append((subject(ban), subject(known)))
            return
        why, ways = undecided
        raise Conflict(
            f"{_name(known)} {why} and differs from {_name(ban)} in mode or scope. One ban cannot apply in both ways: "
            f"{ways} before the merger."
        )

    def _undecided(self, known: BanRow, gaps: bool) -> tuple[str, str] | None:
        """Return why the successor's live ban does not decide for a merged one, and the remedy; None if it does.

        `gaps` says whether the merged ban has terms left that the successor's ban lacks.
        """
        ways = "give both the same mode and scope, or end one"
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
                f"give both the same mode and scope, end one, or renew {_name(known)} from now on "
                f"by {known.authority}'s own formal decision"
            )
            return "comes from an earlier merger", own
        return None

    def _demand_unexempted(self, ban: BanRow, known: BanRow, gaps: Intervals) -> None:
        """Raise `Conflict` if an exemption from `known` would also remove the terms that are added to it."""
        applies = self._applies_when(ban, always=True)
        for exemption in repository.exemptions_from(self.unit.session, known.number, self.unit.now_s, *CONTINUED):
            life = intersection(gaps, ((exemption.start_s, exemption_end(exemption)),))
            owners = self._owners(exemption).values()
            if any(intersection(life, applies.get(owner, ())) for owner in owners):
                raise Conflict(
                    f"exemption {exemption.number} from {_name(known)} names ranges in which {_name(ban)} continues: "
                    "revoke it before the merger"
                )

    def _applies_when(self, ban: BanRow, *, always: bool = False) -> Mapping[str, Intervals]:
        """Map each authority in which the ban applies, its own and the bound ones, to its intervals.

        With `always`, ignore the terms of the ban.
        """
        held = ((0, FOREVER),) if always else _held(ban, self.unit.now_s)
        bound: dict[str, list[Interval]] = {ban.authority: [(0, FOREVER)]}
        for row in repository.bindings_of(self.unit.session, ban.number, self.unit.now_s):
            bound.setdefault(row.authority, []).extend(span(row.period))
        return {authority: intersection(held, union(intervals)) for authority, intervals in bound.items()}

    def _owners(self, exemption: ExemptionRow) -> Mapping[str, str]:
        """Map the registered ranges of an exemption to their authorities before the merger."""
        owners = exemptions.owners(self.unit.session, exemption.site, exemption.ranges)
        return {
            prefix: self.old.slug if (exemption.site, prefix) in self.moved else owner
            for prefix, owner in owners.items()
        }

    def _continue_binding(self, binding: BindingRow, ban: BanRow, authority: str) -> None:
        """Continue a binding as one of `ban` to `authority`, unless that is bound already; keep the consent."""
        unit, now = self.unit, self.unit.now_s
        accepted = binding.is_agreed
        others = bindings.of(unit.session, ban.number, authority)
        left = ((max(binding.start_s, now), until(binding.period.end)),)
        standing = [row for row in others if _binds(row, binding) and intersection(left, span(row.period))]
        gaps = difference(left, union(chain.from_iterable(span(row.period) for row in standing)))
        binding.superseded_by = [row.number for row in standing]
        for row in standing:
            if binding.new_names_at_once:
                binding_acts.set_new_names(unit, row, at_once=True)
        if not gaps:
            self.done.covered.append((subject(binding), subject(standing[0])))
            return
        for row in others:
            # A mere proposal would conflict with the binding in force.
            if not row.is_agreed and not row.period.has_ended(now):
                binding_acts.end(unit, row, now, self.reason)
        for start, end in gaps:
            link = None if binding.link is None else self.lists.links.get(binding.link)
            row = binding_acts.create(unit, ban, _wanted(binding, ban, authority, start, end, now), link)
            if row.ground == Ground.AGREEMENT and accepted:
                binding_acts.accept(unit, row)
            binding.superseded_by = [*binding.superseded_by, row.number]
            self.done.continued.append((subject(binding), subject(row)))

    def _continue_exemption(self, exemption: ExemptionRow, ban: BanRow, applied: Mapping[str, Intervals]) -> None:
        """Continue an exemption as one from `ban`.

        Leave out ranges in which that ban applied already, for the time that it did.
        """
        session, now = self.unit.session, self.unit.now_s
        span_left = ((max(exemption.start_s, now), exemption_end(exemption)),)
        bound = {row.authority for row in repository.bindings_of(session, ban.number, now)} | {
            ban.authority,
            self.old.slug,
        }
        alike: dict[Intervals, list[str]] = {}
        for prefix, owner in self._owners(exemption).items():
            alike.setdefault(difference(span_left, applied.get(owner, ())) if owner in bound else (), []).append(prefix)
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
                self.done.continued.append((subject(exemption), subject(row)))
        if set(alike) != {span_left}:
            self.done.ended.append(subject(exemption))


def _held(ban: BanRow, now: Instant) -> Intervals:
    """Return when its live terms are in force."""
    return union(chain.from_iterable(span(term.period) for term in live_terms(ban.terms, now)))


def _missing(ban: BanRow, held: Intervals, now: Instant) -> Mapping[Interval, Instant | None]:
    """Return the remaining times of the ban's terms outside of `held`, each with its latest date of review."""
    found: dict[Interval, Instant | None] = {}
    for term in sorted(live_terms(ban.terms, now), key=lambda term: (term.start_s, term.id)):
        for left in difference(((max(term.start_s, now), until(term.period.end)),), held):
            found[left] = max(found.get(left) or 0, term.review_by_s or 0) or None
    return found


def _effect(ban: BanRow, service: Service, now: Instant) -> tuple[object, ...]:
    """Return what decides which clients the ban concerns, and when it refuses."""
    mode = ban.lasting_mode
    if mode is Mode.OFF:
        return (mode,)
    tiers = frozenset(ban.tiers) & {tier.number for tier in service.tiers}
    return mode, mode_setting_at(ban, now).until, tiers, frozenset(ban.funding), frozenset(ban.audience)


def _binds(row: BindingRow, wanted: BindingRow) -> bool:
    """Return whether an existing binding replaces the wanted one. An agreement cannot replace a law."""
    if row.ground == Ground.AGREEMENT:
        return row.is_agreed and wanted.ground == Ground.AGREEMENT
    return True


def _wanted(row: BindingRow, ban: BanRow, authority: str, start: Instant, end: Instant, now: Instant) -> Binding:
    """Return a copy of the binding for another ban or another authority."""
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
        row.new_names_at_once,
    )


def _name(row: BanRow) -> str:
    return f"{row.authority}/{row.service}"
