"""Close an authority: its bans, bindings, exemptions and roles end with it; its ranges and space stay."""

from api.accounts import service as accounts
from api.authorities.schemas import AuthorityState
from api.authorities.service import shown
from api.authorities.state import authority_state
from api.bans import service as bans
from api.bans.requests import service as requests
from api.bans.requests.repository import waiting
from api.bans.terms import decision_columns
from api.bindings import service as bindings
from api.db.base import Json
from api.db.models import AuthorityRow, BindingRow, ExemptionRow, RequestRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Invalid
from api.exemptions import service as exemptions
from api.exemptions.state import LIVE, exemption_end
from api.lists import links as list_links
from api.lists import repository as lists
from api.names import service as names
from api.names.repository import allowed_names
from api.succession import repository
from api.succession.schemas import ClosingWrite
from api.timestamps import given_timestamp
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import Closing, FormalDecision, Instant


def close_by(unit: UnitOfWork, row: AuthorityRow, body: ClosingWrite) -> None:
    """Close the authority as a body says, now if it says no time."""
    decision = FormalDecision() if body.decision is None else body.decision.value()
    at = given_timestamp(body.at, unit.now_s, row.time_zone, unit.asked_s, "body.at", second=True)
    close(unit, row, at, body.reason, decision)


def close(
    unit: UnitOfWork,
    row: AuthorityRow,
    at: Instant,
    reason: str,
    decision: FormalDecision,
    successor: str | None = None,
) -> None:
    """End at `at` what the authority has: terms, links, bindings, exemptions, allowed names, requests, roles.

    Raise `Invalid` if `at` is past, and `Conflict` if its closing is already recorded. A closing cannot be postponed,
    because what an act has ended is not revived.
    """
    demand_unclosed(unit, row)
    if at < unit.now_s:
        raise Invalid.at("body.at", "an authority cannot close in the past: give now or a later time")
    before = shown(row)
    for exemption in _exemptions(unit, row, at):
        exemptions.cut(unit, exemption, at, reason)
    for request in _requests(unit, row, at):
        requests.cut(unit, request, at, reason)
    for link in lists.links_of(unit.session, row.slug, unit.now_s):
        if until(link.period.end) > at:
            list_links.finish(unit, link, at, "end", reason, decision.reference)
    for binding in _bindings(unit, row, at):
        bindings.end(unit, binding, at, reason)
    for ban in repository.bans(unit.session, row.slug):
        bans.cut(unit, row, ban, at, reason, decision)
    for name in allowed_names(unit.session, row.slug, unit.now_s):
        names.cut(unit, row, name, at, reason)
    for grant in repository.grants(unit.session, row.slug, unit.now_s):
        if until(grant.period.end) > at:
            accounts.end_grant(unit, grant, reason, at)
    _record_closing(unit, row, Closing(at, reason, decision, successor), before)


def load(unit: UnitOfWork, row: AuthorityRow, wanted: Closing) -> None:
    """Record the closing of an authority from a complete policy that fills an empty database, even a past one.

    Everything that it has ends by then, because the policy is valid. Raise `Conflict` for a merger in the future.
    """
    if wanted.successor is not None and wanted.at > unit.now_s:
        raise Conflict(f"a merger takes effect at once, but {row.slug} closes later: omit successor, and merge it then")
    _record_closing(unit, row, wanted, shown(row))
    if wanted.successor is not None:
        _mark_merged(unit, row, wanted.successor)


def _mark_merged(unit: UnitOfWork, row: AuthorityRow, successor: str) -> None:
    """Mark the terms by which bans continue with the successor. A policy file has only their formal decision."""
    numbers = {ban.number for ban in repository.bans(unit.session, row.slug)}
    for ban in repository.bans(unit.session, successor):
        for term in ban.terms:
            if term.decision.get("follows") in numbers and {**term.decision, "follows": None} == row.closed_decision:
                term.merged_from = row.slug


def _record_closing(unit: UnitOfWork, row: AuthorityRow, closing: Closing, before: Json) -> None:
    row.closes_s, row.closed_reason, row.successor = closing.at, closing.reason, closing.successor
    row.closed_decision = decision_columns(closing.decision)
    row.revision = unit.new_revision()
    concerned = filter(None, (row.slug, row.successor))
    unit.record("authority.close", subject(row), before, shown(row), *concerned)


def demand_unclosed(unit: UnitOfWork, row: AuthorityRow) -> None:
    """Raise `Conflict` if the authority has closed or its closing is recorded."""
    state = authority_state(row, unit.now_s)
    if state is not AuthorityState.OPEN:
        raise Conflict(f"authority {row.slug} is {state}: its closing is recorded and cannot change")


def _exemptions(unit: UnitOfWork, row: AuthorityRow, at: Instant) -> list[ExemptionRow]:
    found = [
        exemption
        for ban in repository.bans(unit.session, row.slug)
        for exemption in repository.exemptions_from(unit.session, ban.number, unit.now_s, *LIVE)
    ]
    return [exemption for exemption in found if exemption_end(exemption) > at]


def _requests(unit: UnitOfWork, row: AuthorityRow, at: Instant) -> list[RequestRow]:
    return [one for one in waiting(unit.session, row.slug, unit.now_s) if until(one.lapses_s) > at]


def _bindings(unit: UnitOfWork, row: AuthorityRow, at: Instant) -> list[BindingRow]:
    found = list(repository.bindings_to(unit.session, row.slug, unit.now_s))
    for ban in repository.bans(unit.session, row.slug):
        found += repository.bindings_of(unit.session, ban.number, unit.now_s)
    return [binding for binding in found if until(binding.period.end) > at]
