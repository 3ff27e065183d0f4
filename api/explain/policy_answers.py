"""Convert decisions of a policy about a client to API answers. Pure."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

from api.errors import Invalid, invalid_at
from api.explain.schemas import (
    AheadRead,
    AllottedRead,
    ClientRangeRead,
    ConcernRead,
    ConsideredRead,
    DecisionRead,
    MentionedAuthorityRead,
    NestedRead,
    SuspendedRead,
    WhoRead,
    WinnerRead,
)
from api.timestamps import optional_text, timestamp_text, zoned_hours_text
from dnsfilter.policy.decide import (
    Considered,
    Decision,
    Standing,
    Verdict,
    next_exemption,
    range_of,
    ranges_of,
    standings,
)
from dnsfilter.policy.extended_error import ede_code, quoted_reference, refusal_text
from dnsfilter.policy.model import Address, Ban, Instant, Policy, Range, Reply, Service, WireName
from dnsfilter.policy.reasons import Explanation, explain
from dnsfilter.policy.single_names import is_single_name
from dnsfilter.translatable import Text
from dnsfilter.wire.name_or_url import parse_typed_name
from dnsfilter.wire.names import name_text

EDE_PROHIBITED = 18
"""Extended DNS error for a client in no range (RFC 8914 section 4.19)."""
_RCODES = {Reply.REFUSED: "REFUSED", Reply.NXDOMAIN: "NXDOMAIN", Reply.NODATA: "NOERROR", Reply.ADDRESS: "NOERROR"}


def parse_client(text: str, location: str) -> Address:
    """Return an address, an IPv4-mapped one as IPv4; raise `Invalid` if it is not an address."""
    try:
        address = ip_address(text)
    except ValueError as error:
        raise Invalid.at(location, Text("{text!r} is not an IP address", text=text)) from error
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        raise Invalid.at(location, Text("{text!r} has a zone index: give the address without it", text=text))
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped if mapped is not None else address


def authority_words(site: str, client: Address) -> str:
    """Return words for a client's authority that do not reveal which one it is, or whether there is one."""
    return f"the authority, if any, that {client} at site {site} belongs to"


def parse_question(text: str, location: str, services: Mapping[str, Service]) -> WireName:
    """Return the domain name in what a person typed, which may be a URL.

    Raise `Invalid` if there is none, or if it is the name of a service, which is no domain name.
    """
    said = text.strip().casefold()
    for service in services.values():
        if said in (service.slug, service.name.casefold()) and not is_single_name(service.slug):
            raise Invalid.at(
                location,
                Text(
                    "{name} is a service. Try {example_name}.", name=service.name, example_name=_example_name(service)
                ),
            )
    with invalid_at(location):
        return parse_typed_name(text)


def _example_name(service: Service) -> str:
    """Return a name that people type for the service: of its first names the shortest with its slug, if any has."""
    tier = min((tier for tier in service.tiers if tier.domains or tier.hosts), key=lambda tier: tier.number)
    names = [f"www.{name_text(name)}" for name in tier.domains] or [name_text(name) for name in tier.hosts]
    # What people type is most often under .com.
    return min(names, key=lambda name: (service.slug not in name, not name.endswith(".com"), len(name), name))


def decision_read(
    policy: Policy,
    site: str,
    client: Address,
    name: WireName,
    at: Instant,
    off_since: Mapping[int, Instant] | None = None,
) -> DecisionRead:
    """Return the decision with everything that led to it; `off_since` is that of `explain`."""
    explained = explain(policy, site, client, name, at, off_since)
    decision = explained.decision
    won = next((item for item in explained.considered if item.ban.number == decision.ban), None)
    winner = won.ban if won is not None else None
    refused = decision.verdict is Verdict.REFUSE or _refused_as_unregistered(explained)
    return DecisionRead(
        verdict=str(Verdict.REFUSE if refused else decision.verdict),
        rcode=_rcode(policy, explained, winner),
        ede=_ede(explained),
        text=_text(policy, explained, won),
        reason=explained.reason,
        cause=explained.cause,
        cause_ban=None if explained.about is None else explained.about.ban.number,
        winner=None if won is None else _winner(won, decision),
        rows=[_considered(policy, explained.range, item, at) for item in explained.considered],
        services=list(explained.services),
        service_names={each.slug: each.name for each in policy.services if each.slug in explained.services},
        authorities=_mentioned_authorities(policy, explained),
        range=_client_range(explained.range),
        authority=decision.authority,
        suspension=suspension_read(policy, decision.authority, at),
        fleet_has_name=None,
        client=str(client),
        site=site,
        name=name_text(name),
        at=timestamp_text(at),
        revision=policy.revision,
    )


def _mentioned_authorities(policy: Policy, found: Explanation) -> dict[str, MentionedAuthorityRead]:
    mentioned = {found.decision.authority, *(item.ban.authority for item in found.considered)}
    return {
        each.slug: MentionedAuthorityRead(names=dict(each.names), contact=each.contact, time_zone=each.time_zone)
        for each in policy.authorities
        if each.slug in mentioned
    }


def who_read(
    policy: Policy, site: str, client: Address, at: Instant, visible: frozenset[str] | None, space: AllottedRead | None
) -> WhoRead:
    """Return the authority of an address, its contact, the ranges around it, and the bans that concern its range.

    Of the ranges around it, show those of `visible`. `space` is what is allotted there.
    """
    found = range_of(policy, site, client)
    authority = next((entry for entry in policy.authorities if found and entry.slug == found.authority), None)
    concerns = [] if found is None else _concerns(policy, found, at)
    return WhoRead(
        address=str(client),
        site=site,
        range=_client_range(found),
        nesting=_nesting(policy, site, client, visible),
        space=space,
        authority=authority.slug if authority else None,
        names=dict(authority.names) if authority else {},
        contact=authority.contact if authority else None,
        suspension=suspension_read(policy, found.authority if found else None, at),
        bans=concerns,
        at=timestamp_text(at),
        revision=policy.revision,
    )


def _nesting(policy: Policy, site: str, client: Address, visible: frozenset[str] | None) -> list[NestedRead]:
    held = sorted(ranges_of(policy, site, client), key=lambda entry: entry.prefix.prefixlen, reverse=True)
    return [
        NestedRead(
            prefix=str(entry.prefix),
            authority=entry.authority,
            label=entry.label,
            funding=str(entry.funding),
            audience=str(entry.audience),
        )
        for entry in held
        if visible is None or entry.authority in visible
    ]


def suspension_read(policy: Policy, authority: str | None, at: Instant) -> SuspendedRead | None:
    """Return the suspension at `at` that ends last for the authority; None stands for unregistered clients."""
    held = [s for s in policy.suspensions if s.authority in (None, authority) and s.period.holds(at)]
    last = max(held, key=lambda suspension: suspension.end, default=None)
    if last is None:
        return None
    return SuspendedRead(
        number=last.number, authority=last.authority, until=timestamp_text(last.end), reason=last.reason
    )


def _concerns(policy: Policy, found: Range, at: Instant) -> list[ConcernRead]:
    return [
        ConcernRead(
            ban=_reference(item.ban),
            ban_number=item.ban.number,
            authority=item.ban.authority,
            service=item.ban.service,
            mode=str(item.ban.mode_at(at)),
            bound=item.bound,
            standing=str(item.standing),
            reference=quoted_reference(item.ban, item.term) if item.term is not None else None,
            ahead=_ahead(policy, found, item, at),
        )
        for item in standings(policy, found, at)
    ]


def _ahead(policy: Policy, found: Range | None, item: Considered, at: Instant) -> AheadRead | None:
    """Return the next exemption from a ban in force."""
    if found is None or item.standing is not Standing.IN_FORCE:
        return None
    ahead = next_exemption(policy, found, item.ban, at)
    if ahead is None:
        return None
    exemption, begins = ahead
    zone = next(entry.time_zone for entry in policy.authorities if entry.slug == found.authority)
    hours = [zoned_hours_text(hours, zone) for hours in exemption.hours]
    return AheadRead(number=exemption.number, hours=hours, next=timestamp_text(begins))


def _refused_as_unregistered(found: Explanation) -> bool:
    """Return whether a node refuses every query of the client, because it is in no range."""
    return found.range is None and not found.decision.admitted


def _rcode(policy: Policy, explained: Explanation, winner: Ban | None) -> str:
    if _refused_as_unregistered(explained):
        return "REFUSED"
    if explained.decision.verdict is not Verdict.REFUSE or winner is None:
        return "NOERROR"
    denies = winner.reply is Reply.NXDOMAIN
    return _RCODES[
        Reply.NODATA if denies and not _covers_all_below(policy, winner, explained.decision) else winner.reply
    ]


def _covers_all_below(policy: Policy, winner: Ban, decision: Decision) -> bool:
    """Return whether all names below the question's name are refused too, as NXDOMAIN requires (RFC 8020)."""
    service = next(service for service in policy.services if service.slug == winner.service)
    return any(decision.suffix in tier.domains for tier in service.tiers if tier.number in winner.tiers)


def _ede(explained: Explanation) -> int | None:
    if _refused_as_unregistered(explained):
        return EDE_PROHIBITED
    return ede_code(explained.decision.bound) if explained.decision.verdict is Verdict.REFUSE else None


def _text(policy: Policy, explained: Explanation, won: Considered | None) -> str | None:
    if won is None or explained.decision.verdict is not Verdict.REFUSE:
        return None
    winner = won.ban
    authorities = {authority.slug: authority for authority in policy.authorities}
    service = next(service for service in policy.services if service.slug == winner.service)
    client = authorities[explained.decision.authority or winner.authority]
    return refusal_text(quoted_reference(winner, won.term), service, authorities[winner.authority], client)


def _winner(won: Considered, decision: Decision) -> WinnerRead:
    ban = won.ban
    return WinnerRead(
        ban=_reference(ban),
        ban_number=ban.number,
        authority=ban.authority,
        service=ban.service,
        prohibited_list=None if ban.on_list is None else ban.on_list.reference,
        list_version=None if ban.on_list is None else ban.on_list.version,
        mode=str(ban.mode),
        reply=str(ban.reply),
        bound=decision.bound,
        suffix=name_text(decision.suffix),
        reference=quoted_reference(ban, won.term),
        end=None if won.term is None else optional_text(won.term.period.end),
        review_by=None if won.term is None else optional_text(won.term.review_by),
    )


def _considered(policy: Policy, found: Range | None, item: Considered, at: Instant) -> ConsideredRead:
    return ConsideredRead(
        ban=_reference(item.ban),
        ban_number=item.ban.number,
        authority=item.ban.authority,
        service=item.ban.service,
        mode=str(item.ban.mode_at(at)),
        bound=item.bound,
        standing=str(item.standing),
        suffix=name_text(item.suffix) if item.suffix else None,
        binding=item.binding.number if item.binding is not None else None,
        exemption=item.exemption.number if item.exemption is not None else None,
        allowed=item.allowed.number if item.allowed is not None else None,
        pending_until=optional_text(item.pending_until),
        ahead=_ahead(policy, found, item, at),
    )


def _client_range(found: Range | None) -> ClientRangeRead | None:
    if found is None:
        return None
    return ClientRangeRead(
        site=found.site,
        prefix=str(found.prefix),
        label=found.label,
        funding=str(found.funding),
        audience=str(found.audience),
    )


def _reference(ban: Ban) -> str:
    return f"{ban.authority}/{ban.service}"
