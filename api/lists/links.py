"""Acts on the links of a prohibited list: bind, propose or follow, accept, adopt, renew, change, withdraw, end.

A link decides how the list's bans reach another authority. By law each ban binds it at once, by agreement each is
proposed as a binding. Following binds nothing: the authority adopts bans of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from api.auth.permit import Permit
from api.authorities import repository as authorities
from api.authorities.state import demand_within
from api.bans.schemas import DecisionWrite
from api.bans.terms import demand_adoption, followed
from api.bans.wanted_change import Subject
from api.bindings import repository as bindings
from api.bindings import service as binding_acts
from api.bindings.schemas import BindingState
from api.bindings.state import binding_state, never_holds
from api.db.base import Json
from api.db.models import BanRow, BindingRow, ListLinkRow, ProhibitedListRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Fault, Invalid, invalid_at
from api.lists import repository
from api.lists.bans_of_lists import Services, renew_all, renewal_shown, take_up, wanted_change
from api.lists.reading import shown_link
from api.lists.schemas import LinkEnding, LinkState, LinkWrite, ListAdoption, ListRenewal
from api.lists.state import adopted_bans, link_state, listed_bans, not_taken_over
from api.timestamps import given_timestamp, parse_end
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Binding, FormalDecision, Ground, Instant, OnList
from dnsfilter.policy.prohibited_lists import LinkGround, ListLink
from dnsfilter.translatable import Text

_ACTS: Mapping[LinkGround, str] = {
    LinkGround.LAW: "list_link.bind",
    LinkGround.AGREEMENT: "list_link.propose",
    LinkGround.FOLLOWING: "list_link.follow",
}


def demand_responsible(unit: UnitOfWork, permit: Permit, link: ListLinkRow) -> None:
    """Raise `Forbidden` unless the caller acts for whoever ends the link."""
    row = unit.session.get_one(ProhibitedListRow, link.list_number)
    permit.demand(_responsible(LinkGround(link.ground), row.authority, link.authority))


def make(unit: UnitOfWork, permit: Permit, body: LinkWrite) -> ListLinkRow:
    """Link a list to an authority, and bind it to the list's bans, or propose that."""
    row = repository.named(unit.session, body.list, "body.list")
    permit.demand(_responsible(body.ground, row.authority, body.authority))
    linked = authorities.named(unit.session, body.authority, "body.authority")
    start = given_timestamp(body.start, unit.now_s, linked.time_zone, unit.asked_s, "body.start")
    with invalid_at("body"):
        end = parse_end(start, body.end, body.until, body.for_, linked.time_zone, unit.asked_s)
    wanted = ListLink(
        row.reference,
        linked.slug,
        body.ground,
        body.instrument,
        body.date,
        start,
        end,
        new_names_at_once=body.new_names_at_once,
    )
    demand_new(unit, row, wanted)
    link = add(unit, row, wanted)
    extend(unit, row, link, listed_bans(row, repository.bans(unit.session, row.authority), unit.now_s))
    return link


def demand_new(unit: UnitOfWork, row: ProhibitedListRow, wanted: ListLink) -> None:
    """Raise `Invalid` or `Conflict` if the list cannot be linked so from now on."""
    if wanted.authority == row.authority:
        raise Invalid.at("body.authority", f"{row.reference} is this authority's own list: name another authority")
    _demand_instrument(wanted)
    binding_acts.demand_law(wanted.ground, at_once=wanted.new_names_at_once)
    if wanted.end is not None and wanted.end <= max(wanted.start, unit.now_s):
        raise Invalid.at("body.end", "the link ends before it takes effect: give a later end")
    for party in (row.authority, wanted.authority):
        demand_within(authorities.get(unit.session, party), wanted.end, unit.now_s)
    _demand_only(unit, row, wanted.authority)


def add(unit: UnitOfWork, row: ProhibitedListRow, wanted: ListLink) -> ListLinkRow:
    """Record a link, without the bindings that it brings."""
    link = ListLinkRow(
        list_number=row.number,
        authority=wanted.authority,
        ground=str(wanted.ground),
        instrument=wanted.instrument,
        date=wanted.date,
        start_s=wanted.start,
        end_s=wanted.end,
        recorded_s=unit.now_s,
        ended_s=None,
        ended_by="",
        ended_reason="",
        ended_reference="",
        new_names_at_once=wanted.new_names_at_once,
        revision=unit.new_revision(),
    )
    unit.session.add(link)
    unit.session.flush()
    concerned = (row.authority, link.authority)
    unit.record(_ACTS[wanted.ground], subject(link), None, shown_link(unit.session, link), *concerned)
    return link


def _demand_instrument(wanted: ListLink) -> None:
    fields = {"instrument": wanted.instrument, "date": wanted.date}
    if wanted.ground is LinkGround.FOLLOWING:
        faults = [
            Fault(f"body.{name}", "following rests on no instrument: leave it out") for name in fields if fields[name]
        ]
    else:
        what = f"a link by {wanted.ground} needs that of its instrument"
        faults = [Fault(f"body.{name}", f"{what}: give its {name}") for name in fields if not fields[name]]
    if faults:
        raise Invalid(faults)


def _demand_only(unit: UnitOfWork, row: ProhibitedListRow, authority: str) -> None:
    for other in repository.live_links(unit.session, row, unit.now_s):
        if other.authority == authority:
            raise Conflict(
                f"link {other.number} already links {row.reference} to {authority} ({other.ground}): end it first"
            )


def extend_all(unit: UnitOfWork, row: ProhibitedListRow, services: Sequence[str]) -> None:
    """Bring the bans on services that joined the list to every linked authority, as each link says."""
    links = repository.live_links(unit.session, row, unit.now_s)
    if not links:
        return
    bans = listed_bans(row, repository.bans(unit.session, row.authority), unit.now_s)
    for link in links:
        extend(unit, row, link, [ban for ban in bans if ban.service in services])


def extend(unit: UnitOfWork, row: ProhibitedListRow, link: ListLinkRow, bans: Sequence[BanRow]) -> None:
    """Bind the linked authority to these bans by law, or propose that. Following proposes by `waiting` alone.

    A ban that binds it already on the same ground stays as it is bound.
    """
    if link.ground == LinkGround.FOLLOWING:
        return
    # What the list adds later begins when it is added.
    start = link.start_s if link.recorded_s == unit.now_s else max(link.start_s, unit.now_s)
    for ban in bans:
        wanted = Binding(
            0,
            ban.number,
            link.authority,
            Ground(link.ground),
            start,
            link.period.end,
            None,
            unit.now_s,
            link.instrument,
            link.date,
            link.new_names_at_once,
        )
        known = bindings.of(unit.session, ban.number, link.authority)
        if not any(_covers(other, wanted, unit.now_s) for other in known):
            binding_acts.create(unit, ban, wanted, link.number)


def _covers(other: BindingRow, wanted: Binding, now: Instant) -> bool:
    same = other.ground == str(wanted.ground) and not never_holds(other, now)
    return same and other.period.overlaps(wanted.start, wanted.end)


def accept(unit: UnitOfWork, link: ListLinkRow) -> None:
    """Accept all bindings that the agreement proposes, as the bound authority. Do nothing if none waits."""
    if link.ground != LinkGround.AGREEMENT:
        raise Conflict(
            Text("link {number} is by {ground}: only an agreement is accepted", number=link.number, ground=link.ground)
        )
    waiting = [
        each
        for each in repository.bindings(unit.session, link.number)
        if binding_state(each, unit.now_s) is BindingState.PROPOSED
    ]
    if waiting:
        before = shown_link(unit.session, link)
        _record(unit, link, "list_link.accept", before, {"accepted": [each.number for each in waiting]})
    for each in waiting:
        binding_acts.accept(unit, each)


def adopt(unit: UnitOfWork, link: ListLinkRow, body: ListAdoption, services: Services) -> None:
    """Adopt a ban on each service that waits, as the following authority, by a decision of its own.

    Do nothing if none waits. Without terms, each takes over the terms and the scope of the ban that it follows.
    """
    if link.ground != LinkGround.FOLLOWING:
        raise Conflict(
            Text(
                "link {number} is by {ground}: only a list that is followed is adopted",
                number=link.number,
                ground=link.ground,
            )
        )
    if link_state(link, unit.now_s) is LinkState.ENDED:
        raise Conflict(Text("link {number} has ended: follow the list again first", number=link.number))
    row = unit.session.get_one(ProhibitedListRow, link.list_number)
    owner = authorities.get(unit.session, link.authority)
    own = repository.bans(unit.session, link.authority)
    theirs = not_taken_over(row, repository.bans(unit.session, row.authority), own, unit.now_s)
    if not theirs:
        return
    change = wanted_change(unit, owner, body)
    demand_adoption(change.decision or FormalDecision())
    versions, before = row.service_versions, shown_link(unit.session, link)
    _record(unit, link, "list_link.adopt", before, {"services": [ban.service for ban in theirs]})
    written = {} if body.decision is None else body.decision.model_dump()
    for ban in theirs:
        known = own.get(ban.service)
        reference = {**written, "follows": f"{ban.authority}/{ban.service}"}
        decision = Subject(unit, owner, ban.service, known).decision(DecisionWrite.model_validate(reference))
        joining = replace(change, decision=decision, on_list=OnList(row.reference, versions[ban.service]))
        take_up(unit, owner, services[ban.service], known, followed(unit.session, joining, unit.now_s))


def set_new_names(unit: UnitOfWork, link: ListLinkRow, *, at_once: bool) -> None:
    """Set for the link and its bindings whether new names are refused at once. Do nothing if nothing differs."""
    binding_acts.demand_law(link.ground, at_once=at_once)
    if link_state(link, unit.now_s) is LinkState.ENDED:
        raise Conflict(f"link {link.number} has ended: make a new one")
    if link.new_names_at_once != at_once:
        before = shown_link(unit.session, link)
        link.new_names_at_once = at_once
        _record(unit, link, "list_link.set_new_names", before)
    for each in repository.bindings(unit.session, link.number):
        if binding_state(each, unit.now_s) is not BindingState.ENDED:
            binding_acts.set_new_names(unit, each, at_once=at_once)


def renew(unit: UnitOfWork, link: ListLinkRow, body: ListRenewal) -> None:
    """Renew the bans that the following authority has adopted from the list, by a decision of its own.

    Without a term, each takes over the rest of the terms of the list's ban, and its scope. A ban that an act has ended
    stays ended, unless all have.
    """
    if link.ground != LinkGround.FOLLOWING:
        raise Conflict(f"link {link.number} is by {link.ground}: only a follower has bans of its own to renew")
    if link_state(link, unit.now_s) is LinkState.ENDED:
        raise Conflict(f"link {link.number} has ended: renew the bans one by one, or follow the list again first")
    row = unit.session.get_one(ProhibitedListRow, link.list_number)
    owner = authorities.get(unit.session, link.authority)
    bans = adopted_bans(row, repository.bans(unit.session, link.authority))
    if not bans:
        raise Conflict(
            Text(
                "{authority} has adopted no ban of {reference}: adopt them first",
                authority=link.authority,
                reference=row.reference,
            )
        )
    before = shown_link(unit.session, link)
    _record(unit, link, "list_link.renew", before, {"renewed": [ban.service for ban in bans], **renewal_shown(body)})
    renew_all(unit, owner, bans, body, row)


def withdraw(unit: UnitOfWork, link: ListLinkRow, body: LinkEnding) -> None:
    """Withdraw from the list as the linked authority: from an agreement with its bindings, or stop following.

    Raise `Conflict` for a law. Bans that a follower has adopted are its own, and stay.
    """
    if link.ground == LinkGround.LAW:
        raise Conflict(f"link {link.number} is by law: withdrawal is not possible")
    finish(unit, link, wanted_end(unit, link, body), "withdrawal", body.reason, body.reference)


def end(unit: UnitOfWork, link: ListLinkRow, body: LinkEnding) -> None:
    """End a link of any ground: the law or the agreement itself has ended."""
    finish(unit, link, wanted_end(unit, link, body), "end", body.reason, body.reference)


def wanted_end(unit: UnitOfWork, link: ListLinkRow, body: LinkEnding) -> Instant:
    """Return when a body ends the link: now, if it says no time."""
    zone = authorities.get(unit.session, link.authority).time_zone
    at = unit.not_past(given_timestamp(body.at, unit.now_s, zone, unit.asked_s, "body.at", second=True))
    if at < unit.now_s:
        raise Invalid.at("body.at", "a link cannot end in the past: give now or a later time")
    if until(link.period.end) <= at:
        raise Conflict(f"link {link.number} has already ended by then: give an earlier end")
    return at


def finish(unit: UnitOfWork, link: ListLinkRow, at: Instant, by: str, reason: str, reference: str) -> None:
    """End a link and its bindings at `at`, for example because an authority closes."""
    before = shown_link(unit.session, link)
    link.ended_s, link.ended_by, link.ended_reason, link.ended_reference = at, by, reason, reference
    _record(unit, link, "list_link.withdraw" if by == "withdrawal" else "list_link.end", before)
    for each in repository.bindings(unit.session, link.number):
        if until(each.period.end) > at:
            act = binding_acts.withdraw if by == "withdrawal" else binding_acts.end
            act(unit, each, at, reason, reference)


def _responsible(ground: LinkGround, owner: str, linked: str) -> str | None:
    """Return the authority that makes and ends a link; None for a law, which concerns all."""
    return {LinkGround.LAW: None, LinkGround.AGREEMENT: owner, LinkGround.FOLLOWING: linked}[ground]


def _record(unit: UnitOfWork, link: ListLinkRow, act: str, before: Json, more: Json | None = None) -> None:
    link.revision = unit.new_revision()
    unit.session.flush()
    row = unit.session.get_one(ProhibitedListRow, link.list_number)
    after = {**shown_link(unit.session, link), **(more or {})}
    unit.record(act, subject(link), before, after, row.authority, link.authority)
