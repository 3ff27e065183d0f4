"""Rows -> Policy. Pure: what the rows say, and no more than has effect or may yet have.

Left out are exemptions that were rejected, terms, bindings and exemptions that were ended before they began, ranges
that an exemption names but that are registered no longer, bans of which no term is left, and bans on services that the
catalogue has dropped.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from api.db.models import AuthorityRow, BanRow, BindingRow, ExemptionRow, SiteRow, SuspensionRow, TermRow
from api.moments import parse_zoned_hours
from dnsfilter.policy.model import (
    Audience,
    Authority,
    Ban,
    Binding,
    DecisionRecord,
    Exemption,
    Funding,
    Ground,
    Instant,
    Kind,
    Mode,
    Policy,
    Prefix,
    Range,
    Reply,
    Service,
    Site,
    Suspension,
    Term,
    Usage,
)


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


def policy_of(rows: Rows, services: Mapping[str, Service]) -> Policy:
    """The policy that the rows say."""
    known = {row.number for row in rows.bans if row.service in services and has_terms(row)}
    registered = {(entry.site, entry.prefix) for entry in rows.ranges} if rows.exemptions else set()
    bindings = (_binding(row) for row in rows.bindings if row.ban in known)
    exemptions = (_exemption(row, registered) for row in rows.exemptions if row.ban in known)
    return Policy(
        revision=rows.revision,
        authorities=tuple(_authority(row) for row in rows.authorities),
        sites=tuple(Site(row.slug, row.name) for row in rows.sites),
        ranges=rows.ranges,
        services=tuple(services.values()),
        bans=tuple(_ban(row, known) for row in rows.bans if row.number in known),
        bindings=tuple(binding for binding in bindings if binding is not None),
        exemptions=tuple(exemption for exemption in exemptions if exemption is not None),
        suspensions=tuple(_suspension(row) for row in rows.suspensions),
    )


def has_terms(row: BanRow) -> bool:
    """Whether the ban has a term that was not ended before it began."""
    return any(map(begins, row.terms))


def range_value(site: str, prefix: str, authority: str, funding: str, audience: str, label: str) -> Range:
    """A range of its columns."""
    return Range(ip_network(prefix), authority, Funding(funding), Audience(audience), label, site)


def _authority(row: AuthorityRow) -> Authority:
    return Authority(
        row.slug,
        Kind(row.kind),
        tuple(row.names.items()),
        tuple(row.languages),
        row.time_zone,
        row.contact,
        Usage(row.usage),
        row.group,
    )


def _ban(row: BanRow, known: set[int]) -> Ban:
    return Ban(
        row.number,
        row.authority,
        row.service,
        Mode(row.mode),
        tuple(_term(term, known) for term in sorted(filter(begins, row.terms), key=lambda t: (t.start_s, t.id))),
        Reply(row.reply),
        tuple(ip_address(address) for address in row.addresses),
        frozenset(row.tiers),
        frozenset(map(Funding, row.funding)),
        frozenset(map(Audience, row.audience)),
        _decision(row.decision, known),
        row.provisional,
    )


def begins(row: TermRow) -> bool:
    """Whether the term was not ended before it began."""
    return row.ended_s is None or row.ended_s > row.start_s


def _term(row: TermRow, known: set[int]) -> Term:
    end = row.end_s if row.ended_s is None else row.ended_s
    return Term(row.start_s, end, row.review_by_s, row.recorded_s, _decision(row.decision, known))


def _decision(stored: Mapping[str, object], known: set[int]) -> DecisionRecord:
    follows = stored.get("follows")
    texts = {key: str(value) for key, value in stored.items() if key != "follows"}
    return DecisionRecord(**texts, follows=follows if isinstance(follows, int) and follows in known else None)


def _binding(row: BindingRow) -> Binding | None:
    end = _earlier(row.end_s, row.ended_s)
    if end is not None and end <= row.start_s:
        return None
    return Binding(
        row.number,
        row.ban,
        row.authority,
        Ground(row.ground),
        row.start_s,
        end,
        row.accepted_s,
        row.recorded_s,
        row.instrument,
        row.date,
    )


def _exemption(row: ExemptionRow, registered: set[tuple[str, Prefix]]) -> Exemption | None:
    ranges = frozenset(prefix for prefix in map(ip_network, row.ranges) if (row.site, prefix) in registered)
    end = row.end_s if row.revoked_s is None else min(row.end_s, row.revoked_s)
    if row.rejected_s is not None or not ranges or end <= row.start_s:
        return None
    return Exemption(
        row.number,
        row.ban,
        ranges,
        row.start_s,
        end,
        tuple(parse_zoned_hours(text, row.time_zone) for text in row.hours),
        row.site,
        row.reason,
        row.approved_s,
    )


def _suspension(row: SuspensionRow) -> Suspension:
    # An interval is never empty: one ended in the second of its start ends in the next.
    end = row.end_s if row.ended_s is None else max(min(row.end_s, row.ended_s), row.start_s + 1)
    return Suspension(row.authority, row.start_s, end, row.reason, row.number)


def _earlier(first: Instant | None, second: Instant | None) -> Instant | None:
    ends = [end for end in (first, second) if end is not None]
    return min(ends, default=None)
