"""Rows -> Policy. Pure: what the rows say, and no more than has effect or may yet have.

Left out are exemptions that were rejected, terms, bindings and exemptions that were ended before they began, ranges
that an exemption names but that are registered no longer, bans of which no term is left, and bans on services that the
catalogue has dropped.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import TypeVar

from api.db.models import AuthorityRow, BanRow, BindingRow, ExemptionRow, SiteRow, SuspensionRow, TermRow
from api.timestamps import parse_zoned_hours
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import (
    Audience,
    Authority,
    Ban,
    Binding,
    Closing,
    Exemption,
    FormalDecision,
    Funding,
    Ground,
    Kind,
    Policy,
    Prefix,
    Range,
    Reply,
    Service,
    Site,
    Suspension,
    Term,
)

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Rows:
    """All of the database that makes a policy, at one revision. Ranges come as values: there may be many."""

    revision: int
    authorities: Sequence[AuthorityRow]
    sites: Sequence[SiteRow]
    ranges: tuple[Range, ...]
    bans: Sequence[BanRow]
    bindings: Sequence[BindingRow]
    exemptions: Sequence[ExemptionRow]
    suspensions: Sequence[SuspensionRow]


@dataclass(frozen=True, slots=True)
class Values:
    """What each row says by itself, at one revision: whether what it refers to is left out too, it does not know."""

    revision: int
    authorities: tuple[Authority, ...]
    sites: tuple[Site, ...]
    ranges: tuple[Range, ...]
    bans: tuple[Ban, ...]
    bindings: tuple[Binding, ...]
    exemptions: tuple[Exemption, ...]
    suspensions: tuple[Suspension, ...]


def values_of(rows: Rows) -> Values:
    """What the rows say, each by itself."""
    return Values(
        rows.revision,
        tuple(map(authority_value, rows.authorities)),
        tuple(map(site_value, rows.sites)),
        rows.ranges,
        present(map(ban_value, rows.bans)),
        present(map(binding_value, rows.bindings)),
        present(map(exemption_value, rows.exemptions)),
        present(map(suspension_value, rows.suspensions)),
    )


def present(values: Iterable[Value | None]) -> tuple[Value, ...]:
    """Return the values without None."""
    return tuple(value for value in values if value is not None)


def policy_of(values: Values, services: Mapping[str, Service]) -> Policy:
    """The policy that the values say together."""
    known = {ban.number for ban in values.bans if ban.service in services}
    registered = {(entry.site, entry.prefix) for entry in values.ranges} if values.exemptions else set()
    exemptions = (_registered(entry, registered) for entry in values.exemptions if entry.ban in known)
    return Policy(
        revision=values.revision,
        authorities=values.authorities,
        sites=values.sites,
        ranges=values.ranges,
        services=tuple(services.values()),
        bans=tuple(_following(ban, known) for ban in values.bans if ban.number in known),
        bindings=tuple(binding for binding in values.bindings if binding.ban in known),
        exemptions=tuple(exemption for exemption in exemptions if exemption.ranges),
        suspensions=values.suspensions,
    )


def _following(ban: Ban, known: set[int]) -> Ban:
    """The ban, whose decisions follow none that is not known."""
    decisions = (ban.decision, *(term.decision for term in ban.terms))
    followed = (decision.follows for decision in decisions if decision.follows is not None)
    if known.issuperset(followed):
        return ban

    def cut(decision: FormalDecision) -> FormalDecision:
        return decision if decision.follows in known else replace(decision, follows=None)

    terms = tuple(replace(term, decision=cut(term.decision)) for term in ban.terms)
    return replace(ban, decision=cut(ban.decision), terms=terms)


def _registered(exemption: Exemption, registered: set[tuple[str, Prefix]]) -> Exemption:
    """The exemption, of ranges that are registered."""
    ranges = frozenset(prefix for prefix in exemption.ranges if (exemption.site, prefix) in registered)
    return exemption if ranges == exemption.ranges else replace(exemption, ranges=ranges)


def range_value(site: str, prefix: str, authority: str, funding: str, audience: str, label: str) -> Range:
    """A range of its columns."""
    return Range(ip_network(prefix), authority, Funding(funding), Audience(audience), label, site)


def authority_value(row: AuthorityRow) -> Authority:
    """The authority that a row says."""
    return Authority(
        row.slug,
        Kind(row.kind),
        tuple(row.names.items()),
        tuple(row.languages),
        row.time_zone,
        row.contact,
        row.usage_level,
        row.group,
        closing_value(row),
    )


def closing_value(row: AuthorityRow) -> Closing | None:
    """The end that an authority's row says."""
    if row.closes_s is None:
        return None
    return Closing(row.closes_s, row.closed_reason, _decision(row.closed_decision), row.successor)


def site_value(row: SiteRow) -> Site:
    """The site that a row says."""
    return Site(row.slug, row.name)


def ban_value(row: BanRow) -> Ban | None:
    """The ban that a row says; None where no term is left."""
    terms = sorted(row.decided_terms, key=lambda term: (term.start_s, term.id))
    if not terms:
        return None
    return Ban(
        row.number,
        row.authority,
        row.service,
        row.lasting_mode,
        tuple(map(_term, terms)),
        Reply(row.reply),
        tuple(ip_address(address) for address in row.addresses),
        frozenset(row.tiers),
        frozenset(map(Funding, row.funding)),
        frozenset(map(Audience, row.audience)),
        _decision(row.decision),
        row.provisional,
        row.off_until_s,
    )


def _term(row: TermRow) -> Term:
    return Term(row.start_s, row.period.end, row.review_by_s, row.recorded_s, _decision(row.decision))


def _decision(stored: Mapping[str, object]) -> FormalDecision:
    follows = stored.get("follows")
    texts = {key: str(value) for key, value in stored.items() if key != "follows"}
    return FormalDecision(**texts, follows=follows if isinstance(follows, int) else None)


def binding_value(row: BindingRow) -> Binding | None:
    """The binding that a row says; None for one that was ended before it began."""
    if row.period.is_void:
        return None
    return Binding(
        row.number,
        row.ban,
        row.authority,
        Ground(row.ground),
        row.start_s,
        row.period.end,
        row.accepted_s,
        row.recorded_s,
        row.instrument,
        row.date,
    )


def exemption_value(row: ExemptionRow) -> Exemption | None:
    """The exemption that a row says; None for one that was rejected, or ended before it began."""
    if row.rejected_s is not None or row.period.is_void:
        return None
    return Exemption(
        row.number,
        row.ban,
        frozenset(map(ip_network, row.ranges)),
        row.start_s,
        until(row.period.end),
        tuple(parse_zoned_hours(text, row.time_zone) for text in row.hours),
        row.site,
        row.reason,
        row.approved_s,
        row.time_zone,
    )


def suspension_value(row: SuspensionRow) -> Suspension | None:
    """The suspension that a row says; None for one that was ended before it started, by a clock that was set back."""
    if row.period.is_void:
        return None
    return Suspension(row.authority, row.start_s, until(row.period.end), row.reason, row.number)
