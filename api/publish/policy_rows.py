"""Convert rows to a policy of all that has effect or may still have effect. Pure.

The policy leaves out:

- rejected exemptions
- terms, bindings, exemptions and allowed names that were ended before they began
- ranges that an exemption names but that are no longer registered
- bans without a remaining term
- bans on services that are no longer in force
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Network, ip_address, ip_network
from typing import TypeVar

from api.db.models import (
    AllowedNameRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    ExemptionRow,
    FleetNameRow,
    ServiceRow,
    SiteRow,
    SuspensionRow,
    TermRow,
)
from api.publish.services_in_force import services_in_force
from api.timestamps import parse_zoned_hours
from dnsfilter.policy.fleets import FleetName
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import (
    AllowedName,
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
    Tier,
)
from dnsfilter.policy.single_names import is_single_name
from dnsfilter.wire.names import parse_name

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Rows:
    """All rows of a policy at one revision. Ranges and services are values because there may be many names."""

    revision: int
    authorities: Sequence[AuthorityRow]
    sites: Sequence[SiteRow]
    ranges: tuple[Range, ...]
    bans: Sequence[BanRow]
    bindings: Sequence[BindingRow]
    exemptions: Sequence[ExemptionRow]
    suspensions: Sequence[SuspensionRow]
    services: tuple[Service, ...]
    allowed: Sequence[AllowedNameRow]
    fleet_names: Sequence[FleetNameRow]


@dataclass(frozen=True, slots=True)
class Values:
    """The value of each row at one revision, converted separately: references between them are not checked."""

    revision: int
    authorities: tuple[Authority, ...]
    sites: tuple[Site, ...]
    ranges: tuple[Range, ...]
    bans: tuple[Ban, ...]
    bindings: tuple[Binding, ...]
    exemptions: tuple[Exemption, ...]
    suspensions: tuple[Suspension, ...]
    services: tuple[Service, ...]
    allowed: tuple[AllowedName, ...] = ()
    fleet_names: tuple[FleetName, ...] = ()
    epoch: int = 0


def values_of(rows: Rows) -> Values:
    """Convert each row to its value."""
    return Values(
        rows.revision,
        tuple(map(authority_value, rows.authorities)),
        tuple(map(site_value, rows.sites)),
        rows.ranges,
        present(map(ban_value, rows.bans)),
        present(map(binding_value, rows.bindings)),
        present(map(exemption_value, rows.exemptions)),
        present(map(suspension_value, rows.suspensions)),
        rows.services,
        present(map(allowed_value, rows.allowed)),
        tuple(map(fleet_name_value, rows.fleet_names)),
    )


def present(values: Iterable[Value | None]) -> tuple[Value, ...]:
    """Return the values without None."""
    return tuple(value for value in values if value is not None)


def policy_of(values: Values, catalogue: Mapping[str, Service]) -> Policy:
    """Return the policy of these values. Drop references to objects that are left out."""
    services = services_in_force(values.services, values.bans, catalogue)
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
        allowed=values.allowed,
        fleet_names=values.fleet_names,
        epoch=values.epoch,
    )


def _following(ban: Ban, known: set[int]) -> Ban:
    """Return the ban without `follows` that name unknown bans."""
    decisions = (ban.decision, *(term.decision for term in ban.terms))
    followed = (decision.follows for decision in decisions if decision.follows is not None)
    if known.issuperset(followed):
        return ban

    def cut(decision: FormalDecision) -> FormalDecision:
        return decision if decision.follows in known else replace(decision, follows=None)

    terms = tuple(replace(term, decision=cut(term.decision)) for term in ban.terms)
    return replace(ban, decision=cut(ban.decision), terms=terms)


def _registered(exemption: Exemption, registered: set[tuple[str, Prefix]]) -> Exemption:
    """Return the exemption with its registered ranges only."""
    ranges = frozenset(prefix for prefix in exemption.ranges if (exemption.site, prefix) in registered)
    return exemption if ranges == exemption.ranges else replace(exemption, ranges=ranges)


def range_value(site: str, prefix: str, authority: str, funding: str, audience: str, label: str) -> Range:
    """Build a range from its columns."""
    return Range(ip_network(prefix), authority, Funding(funding), Audience(audience), label, site)


def authority_value(row: AuthorityRow) -> Authority:
    """Return the authority of a row."""
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
        row.client_end_s,
        row.public_register,
        row.filtering_database,
    )


def closing_value(row: AuthorityRow) -> Closing | None:
    """Return the closing of an authority's row; None if it has none."""
    if row.closes_s is None:
        return None
    return Closing(row.closes_s, row.closed_reason, _decision(row.closed_decision), row.successor)


def service_value(row: ServiceRow, tiers: tuple[Tier, ...]) -> Service:
    """Return the service of a row. `tiers` are those of its list."""
    return Service(row.slug, row.name, tiers, row.source, row.note)


def site_value(row: SiteRow) -> Site:
    """Return the site of a row."""
    return Site(row.slug, row.name)


def ban_value(row: BanRow) -> Ban | None:
    """Return the ban of a row; None if no term is left."""
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
        row.on_list,
        row.mode_reason if is_single_name(row.service) else "",
    )


def _term(row: TermRow) -> Term:
    return Term(row.start_s, row.period.end, row.review_by_s, row.recorded_s, _decision(row.decision))


def _decision(stored: Mapping[str, object]) -> FormalDecision:
    follows = stored.get("follows")
    texts = {key: str(value) for key, value in stored.items() if key != "follows"}
    return FormalDecision(**texts, follows=follows if isinstance(follows, int) else None)


def binding_value(row: BindingRow) -> Binding | None:
    """Return the binding of a row; None if it was ended before it began."""
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
        row.new_names_at_once,
    )


def exemption_value(row: ExemptionRow) -> Exemption | None:
    """Return the exemption of a row; None if it was rejected or ended before it began."""
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
    """Return the suspension of a row; None if it was ended before its start, by a clock that was set back."""
    if row.period.is_void:
        return None
    return Suspension(row.authority, row.start_s, until(row.period.end), row.reason, row.number)


def allowed_value(row: AllowedNameRow) -> AllowedName | None:
    """Return the allowed name of a row; None if it was ended before it began."""
    if row.period.is_void:
        return None
    return AllowedName(
        row.number,
        row.authority,
        parse_name(row.name),
        row.exact,
        row.start_s,
        row.period.end,
        row.recorded_s,
        row.review_by_s,
        row.reason,
    )


def fleet_name_value(row: FleetNameRow) -> FleetName:
    """Return the name of a fleet of a row."""
    return FleetName(row.token, row.site, IPv6Network(row.prefix), row.start_s, row.end_s)
