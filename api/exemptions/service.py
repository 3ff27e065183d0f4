"""Acts on exemptions: ask, approve, reject, revoke, withdraw."""

from collections.abc import Callable

from api.auth.permit import Permit
from api.authorities.state import demand_within
from api.bans import repository as bans
from api.bindings import repository as bindings
from api.db.base import Json
from api.db.models import AuthorityRow, BanRow, ConcernRow, ExemptionRow
from api.db.sites import find_site
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.db.unknown_names import no_site
from api.errors import Conflict, Fault, Invalid, invalid_at
from api.exemptions import repository
from api.exemptions.reading import shown_exemption
from api.exemptions.schemas import ExemptionState, ExemptionWrite
from api.exemptions.state import APPROVED, LIVE, exemption_end, exemption_state
from api.http.prefixes import parse_prefix
from api.timestamps import given_timestamp, parse_end, parse_zoned_hours, zoned_hours_text
from dnsfilter.policy.calendar import zone
from dnsfilter.policy.device_phrase import use_words
from dnsfilter.policy.faults import lasts_too_long, prefix_order
from dnsfilter.policy.model import Exemption, Instant, Prefix
from dnsfilter.translatable import Text, either

SENT_AGAIN_S = 600
"""Seconds within which a request that starts now counts as a repetition of an earlier one."""


def ask(unit: UnitOfWork, permit: Permit, body: ExemptionWrite) -> ExemptionRow:
    """Record the request that a body describes. Raise `Forbidden` unless the caller operates all of its ranges."""
    ban = bans.named(unit.session, body.ban, "body.ban")
    prefixes = frozenset(parse_prefix(text, f"body.ranges.{index}") for index, text in enumerate(body.ranges))
    named = [str(prefix) for prefix in prefixes]
    owners = repository.owners(unit.session, body.site, named)
    for owner in set(owners.values()) or {ban.authority}:
        permit.demand(owner)
    time_zone = body.time_zone or repository.default_zone(unit.session, ban, body.site, named)
    wanted = _wanted(unit, ban, body, prefixes, time_zone)
    demand_no_duplicate(unit, ban, wanted, time_zone, lambda start: _end(unit, body, start, time_zone))
    return request(unit, ban, wanted, time_zone)


def request(unit: UnitOfWork, ban: BanRow, wanted: Exemption, time_zone: str) -> ExemptionRow:
    """Record a request, which has no effect until it is approved.

    Raise `Invalid` if the ban cannot apply in a range. Dates are local to `time_zone`, and so is the year that it may
    last.
    """
    demand_within(unit.session.get_one(AuthorityRow, ban.authority), wanted.end, unit.now_s)
    owners = _owners(unit, ban, wanted.site, _prefixes(wanted))
    if wanted.end <= max(wanted.start, unit.now_s):
        raise Invalid.at("body.end", Text("the exemption ends before it takes effect: give a later end"))
    if lasts_too_long(wanted, time_zone):
        raise Invalid.at("body.end", Text("an exemption lasts at most a year: give an earlier end"))
    return _request(unit, ban, wanted, time_zone, owners)


def load(unit: UnitOfWork, ban: BanRow, wanted: Exemption, time_zone: str, note: str) -> None:
    """Record an exemption while a policy file is loaded into an empty database. Approve it if the file says so.

    It may have ended already; its ranges may then belong to another authority.
    """
    over, prefixes = wanted.end <= unit.now_s, _prefixes(wanted)
    if over:
        owners = set(repository.owners(unit.session, wanted.site, prefixes).values())
    else:
        owners = _owners(unit, ban, wanted.site, prefixes)
    row = _request(unit, ban, wanted, time_zone, owners)
    if wanted.approved is not None:
        _approve(unit, row, note)


def _request(unit: UnitOfWork, ban: BanRow, wanted: Exemption, time_zone: str, owners: set[str]) -> ExemptionRow:
    row = ExemptionRow(
        ban=ban.number,
        site=wanted.site,
        ranges=_prefixes(wanted),
        start_s=wanted.start,
        end_s=wanted.end,
        hours=[zoned_hours_text(hours, time_zone) for hours in wanted.hours],
        time_zone=time_zone,
        reason=wanted.reason,
        requested_s=unit.now_s,
        requested_by=unit.actor.account,
        approved_s=None,
        rejected_s=None,
        revoked_s=None,
        decided_by=None,
        note="",
        revision=unit.new_revision(),
    )
    unit.session.add(row)
    unit.session.flush()
    unit.session.add_all(ConcernRow(authority=owner, exemption=row.number) for owner in owners)
    unit.session.flush()
    unit.record("exemption.request", subject(row), None, shown(unit, row), *repository.concerned(unit.session, row))
    return row


def demand_no_duplicate(
    unit: UnitOfWork, ban: BanRow, wanted: Exemption, time_zone: str, end_from: Callable[[Instant], Instant]
) -> None:
    """Raise `Conflict` if the same exemption is requested already, or approved for as long.

    A request is the same if it has the same ranges, hours and reason, and no time that the other lacks. A request that
    starts now and repeats one of some minutes ago counts as sent with it. Its end then moves as much earlier, or to
    where `end_from` puts it from the other's start: midnight may have passed between them.
    """
    asked = (wanted.site, [str(prefix) for prefix in sorted(wanted.ranges, key=prefix_order)], wanted.reason)
    hours = [zoned_hours_text(hours, time_zone) for hours in wanted.hours]
    begin, from_now = max(wanted.start, unit.now_s), wanted.start == unit.now_s
    for row in repository.of(unit.session, ban.number):
        if asked != (row.site, row.ranges, row.reason) or (hours, time_zone) != (row.hours, row.time_zone):
            continue
        state, later = exemption_state(row, unit.now_s), begin - row.start_s
        if later < 0:
            continue
        end = wanted.end
        if from_now and later <= SENT_AGAIN_S:
            end = min(end - later, end_from(row.start_s))
        if state is ExemptionState.REQUESTED and end <= row.end_s:
            raise Conflict(
                Text("Exemption {number} already asks for this and is waiting for a decision.", number=row.number)
            )
        if state in APPROVED and end <= exemption_end(row):
            raise Conflict(Text("Exemption {number} already exempts these ranges: it is approved.", number=row.number))


def approve(unit: UnitOfWork, row: ExemptionRow, note: str) -> None:
    """Approve a request, so that it takes effect. Do nothing if it is approved already."""
    if exemption_state(row, unit.now_s) in APPROVED:
        return
    _demand_state(row, unit.now_s, ExemptionState.REQUESTED)
    _approve(unit, row, note)


def _approve(unit: UnitOfWork, row: ExemptionRow, note: str) -> None:
    before = shown(unit, row)
    row.approved_s, row.decided_by, row.note = unit.now_s, unit.actor.account, note
    _recorded(unit, row, "exemption.approve", before)


def reject(unit: UnitOfWork, row: ExemptionRow, reason: str) -> None:
    """Reject a request."""
    _demand_state(row, unit.now_s, ExemptionState.REQUESTED)
    before = shown(unit, row)
    row.rejected_s, row.decided_by, row.note = unit.now_s, unit.actor.account, reason
    _recorded(unit, row, "exemption.reject", before)


def revoke(unit: UnitOfWork, row: ExemptionRow, reason: str) -> None:
    """End an approved exemption now."""
    _demand_state(row, unit.now_s, *APPROVED)
    _revoke(unit, row, unit.now_s, reason)


def withdraw(unit: UnitOfWork, row: ExemptionRow, reason: str) -> None:
    """Withdraw a request."""
    _demand_state(row, unit.now_s, ExemptionState.REQUESTED)
    _revoke(unit, row, unit.now_s, reason, "exemption.withdraw")


def cut(unit: UnitOfWork, row: ExemptionRow, at: Instant, reason: str) -> None:
    """End an exemption or a request at `at`, because the ban's authority closes then."""
    _demand_state(row, unit.now_s, *LIVE)
    _revoke(unit, row, at, reason)


def _revoke(unit: UnitOfWork, row: ExemptionRow, at: Instant, reason: str, act: str = "exemption.revoke") -> None:
    before = shown(unit, row)
    row.revoked_s, row.decided_by, row.note = at, unit.actor.account, reason
    _recorded(unit, row, act, before)


def shown(unit: UnitOfWork, row: ExemptionRow) -> Json:
    """Return the exemption as the audit log stores it."""
    reference = bans.references(unit.session, {row.ban})[row.ban]
    return shown_exemption(row, reference)


def uncovered_notes(unit: UnitOfWork, row: ExemptionRow) -> list[str]:
    """Return a note for each kind of range of a live exemption that its ban does not cover."""
    if exemption_state(row, unit.now_s) not in LIVE:
        return []
    ban = unit.session.get_one(BanRow, row.ban)
    kinds: dict[str, list[str]] = {}
    for held in repository.named_ranges(unit.session, row.site, row.ranges):
        if held.funding not in ban.funding or held.audience not in ban.audience:
            kinds.setdefault(use_words(held.audience, held.funding), []).append(held.prefix)
    return [
        f"{ban.authority}/{ban.service} does not cover {', '.join(prefixes)} ({kind}): the exemption changes nothing "
        "there."
        for kind, prefixes in kinds.items()
    ]


def _wanted(
    unit: UnitOfWork, ban: BanRow, body: ExemptionWrite, prefixes: frozenset[Prefix], time_zone: str
) -> Exemption:
    with invalid_at("body.time_zone"):
        zone(time_zone)
    with invalid_at("body.hours"):
        hours = tuple(parse_zoned_hours(text, time_zone) for text in body.hours)
    start = given_timestamp(body.start, unit.now_s, time_zone, unit.asked_s, "body.start")
    end = _end(unit, body, start, time_zone)
    return Exemption(0, ban.number, prefixes, start, end, hours, body.site, body.reason)


def _end(unit: UnitOfWork, body: ExemptionWrite, start: Instant, time_zone: str) -> Instant:
    with invalid_at("body"):
        end = parse_end(start, body.end, body.until, body.for_, time_zone, unit.asked_s)
    if end is None:
        raise Invalid.at("body.end", Text("an exemption needs an end: give end, until or for"))
    return end


def _prefixes(wanted: Exemption) -> list[str]:
    return [str(prefix) for prefix in sorted(wanted.ranges, key=prefix_order)]


def _owners(unit: UnitOfWork, ban: BanRow, site: str, prefixes: list[str]) -> set[str]:
    """Return the authorities of the ranges; raise `Invalid` if the ban does not apply to one."""
    if find_site(unit.session, site) is None:
        raise Invalid.at("body.site", no_site(unit.session, site))
    owners = repository.owners(unit.session, site, prefixes)
    faults = []
    for index, prefix in enumerate(prefixes):
        location, owner = f"body.ranges.{index}", owners.get(prefix)
        if owner is None:
            faults.append(
                Fault(
                    location,
                    Text(
                        "{prefix} is not registered at site {site}: name a registered range", prefix=prefix, site=site
                    ),
                )
            )
        elif owner != ban.authority and not bindings.of(unit.session, ban.number, owner):
            faults.append(
                Fault(
                    location,
                    Text(
                        "{prefix} belongs to {owner}, where the ban does not apply: name another range",
                        prefix=prefix,
                        owner=owner,
                    ),
                )
            )
    if faults:
        raise Invalid(faults)
    return set(owners.values())


def _demand_state(row: ExemptionRow, now_s: int, *states: ExemptionState) -> None:
    state = exemption_state(row, now_s)
    if state not in states:
        raise Conflict(
            Text(
                "exemption {number} is {state}, not {states}",
                number=row.number,
                state=state,
                states=either(states),
            )
        )


def _recorded(unit: UnitOfWork, row: ExemptionRow, act: str, before: Json) -> None:
    row.revision = unit.new_revision()
    unit.record(act, subject(row), before, shown(unit, row), *repository.concerned(unit.session, row))
