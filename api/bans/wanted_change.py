"""What a caller asks for, as values of the policy: a change of a ban, its terms, its formal decision."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.bans import repository
from api.bans.schemas import BanWrite, DecisionWrite, TermWrite
from api.bans.state import mode_setting_at
from api.db.base import Json
from api.db.models import AuthorityRow, BanRow, TermRow
from api.db.unit_of_work import UnitOfWork
from api.db.unknown_names import no_ban
from api.errors import Invalid, invalid_at
from api.timestamps import parse_end, parse_timestamp
from dnsfilter.policy.model import Audience, FormalDecision, Funding, Instant, Mode, OnList, Reply, Term
from dnsfilter.translatable import Text


@dataclass(frozen=True, slots=True)
class BanChange:
    """A change of a ban; None leaves a field as it is. A new mode without a reason clears the reason.

    With `off_until` the ban is off until then. Afterwards `mode` returns; if `mode` is `off`, the current or earlier
    mode returns. `loaded` means that no complete formal decision is demanded: the ban comes with a complete policy into
    an empty database, and its decision was made elsewhere; or it refuses a single name. With `on_list` the ban comes
    from that version of a prohibited list.
    """

    mode: Mode | None = None
    mode_reason: str | None = None
    off_until: Instant | None = None
    reply: Reply | None = None
    addresses: tuple[str, ...] | None = None
    tiers: frozenset[int] | None = None
    funding: frozenset[Funding] | None = None
    audience: frozenset[Audience] | None = None
    decision: FormalDecision | None = None
    terms: tuple[Term, ...] | None = None
    provisional: bool | None = None
    on_list: OnList | None = None
    loaded: bool = False


def as_decided(row: BanRow, now: Instant, *, reason: str = "") -> BanChange:
    """Return mode, reply and scope of the ban at `now`, as a change.

    Applied to the ban later, or to another ban, the change restores them, with the end of a mode `off`.

    `reason` replaces a missing reason, unless the ban refuses.
    """
    switch = mode_setting_at(row, now)
    return BanChange(
        mode=row.lasting_mode,
        mode_reason=switch.reason or ("" if switch.mode is Mode.ENFORCE else reason),
        off_until=switch.until,
        reply=Reply(row.reply),
        addresses=tuple(row.addresses),
        tiers=frozenset(row.tiers),
        funding=frozenset(map(Funding, row.funding)),
        audience=frozenset(map(Audience, row.audience)),
    )


@dataclass(frozen=True, slots=True)
class Subject:
    """The ban that a request concerns: what is written about it, as values of the policy.

    Times are local to the authority `owner`, and said when the request was made. `row` is None if the ban does not
    exist yet. Methods raise `Invalid` with the location in the body.
    """

    unit: UnitOfWork
    owner: AuthorityRow
    service: str
    row: BanRow | None

    def change(self, body: BanWrite) -> BanChange:
        """Return the wanted change."""
        return BanChange(
            mode=body.mode,
            mode_reason=body.mode_reason,
            reply=body.reply,
            addresses=None if body.addresses is None else tuple(body.addresses),
            tiers=None if body.tiers is None else frozenset(body.tiers),
            funding=None if body.funding is None else frozenset(body.funding),
            audience=None if body.audience is None else frozenset(body.audience),
            decision=None if body.decision is None else self.decision(body.decision),
            terms=None if body.terms is None else self._terms(body.terms),
            off_until=self._off_until(body),
            provisional=body.provisional,
        )

    def decision(self, body: DecisionWrite, location: str = "body.decision") -> FormalDecision:
        """Return a formal decision. It must be able to follow the ban that it names."""
        follows = None if body.follows is None else self._source(body.follows, f"{location}.follows")
        return FormalDecision(body.organ, body.reference, body.date, body.legal_basis, body.advice, body.link, follows)

    def term(self, body: TermWrite, begins: Instant, location: str = "body") -> Term:
        """Return a term, recorded now. Without `start` it begins at `begins`."""
        time_zone, asked = self.owner.time_zone, self.unit.asked_s
        with invalid_at(location):
            start = begins if body.start is None else parse_timestamp(body.start, time_zone, asked)
            end = parse_end(start, body.end, body.until, body.for_, time_zone, asked)
            review_by = None if body.review_by is None else parse_timestamp(body.review_by, time_zone, asked)
        if end is not None and end <= start:
            raise Invalid.at(location, Text("the term ends before it starts: give a later end"))
        if end is None and review_by is None:
            raise Invalid.at(location, Text("give an end (end, until or for) or a date of review (review_by)"))
        decision = FormalDecision() if body.decision is None else self.decision(body.decision, f"{location}.decision")
        return Term(start, end, review_by, self.unit.now_s, decision)

    def _terms(self, wanted: Sequence[TermWrite]) -> tuple[Term, ...]:
        """Return the terms.

        A term without `start` is the term in force with the same end, so that a repeated request has no effect. If
        there is none, or another of `wanted` is that term, it begins now. A term that has ended is never revived.
        """
        now = self.unit.now_s
        # A provisional ban is confirmed by new terms, not by its provisional one.
        known = [] if self.row is None or self.row.provisional else self.row.terms
        free = sorted((row for row in known if row.start_s <= now), key=lambda row: row.start_s, reverse=True)
        values: dict[int, Term] = {}
        for index, body in sorted(enumerate(wanted), key=lambda item: item[1].start is None):
            candidates = free if body.start is not None else [row for row in free if row.period.holds(now)]
            starts = [now] if body.start is not None else [*(row.start_s for row in candidates), now]
            for start in starts:
                term = self.term(body, start, f"body.terms.{index}")
                match = next((row for row in candidates if same_term(row, term)), None)
                if match is not None:
                    free.remove(match)
                    break
            values[index] = term
        return tuple(values[index] for index in range(len(wanted)))

    def _source(self, reference: str, location: str) -> int:
        """Return the number of the ban that is followed."""
        session, slug = self.unit.session, self.owner.slug
        authority, _, service = reference.partition("/")
        if service != self.service:
            raise Invalid.at(
                location,
                Text(
                    "{reference} is not a ban on {service}: follow a ban on the same service",
                    reference=reference,
                    service=self.service,
                ),
            )
        if authority == slug:
            raise Invalid.at(
                location,
                Text(
                    "{reference} is this authority's own ban: follow another authority's ban, or none",
                    reference=reference,
                ),
            )
        source = repository.find(session, authority, service)
        if source is None:
            raise Invalid.at(location, no_ban(session, reference))
        if self.row is not None and repository.leads_to(session, source, self.row.number):
            own = f"{slug}/{self.service}"
            message = Text(
                "{reference} already follows {own}: follow another ban, or none", reference=reference, own=own
            )
            raise Invalid.at(location, message)
        return source.number

    def _off_until(self, body: BanWrite) -> Instant | None:
        """Return when the ban is no longer off. A day counts to its end, as in a term."""
        if body.until is None and body.for_ is None:
            return None
        location, asked = "body.for" if body.until is None else "body.until", self.unit.asked_s
        if body.mode is not Mode.OFF:
            raise Invalid.at(location, Text("only the mode off takes an end: set the mode to off, or omit the end"))
        with invalid_at(location):
            found = parse_end(asked, None, body.until, body.for_, self.owner.time_zone, asked)
        if found is None or found <= self.unit.now_s:
            raise Invalid.at(location, Text("{time} has passed: give a later time", time=body.until or body.for_))
        return found


def same_span(row: TermRow, term: Term) -> bool:
    """Return whether the stored term has the wanted start and end. The end may be the decided or the effective one."""
    return row.start_s == term.start and term.end in (row.end_s, row.period.end)


def same_term(row: TermRow, term: Term) -> bool:
    """Return whether the stored term is the wanted one."""
    if not same_span(row, term) or row.review_by_s != term.review_by:
        return False
    return term.decision in (FormalDecision(), formal_decision(row.decision))


def formal_decision(stored: Json) -> FormalDecision:
    """Return a stored formal decision as the policy has it."""
    return FormalDecision(**stored)
