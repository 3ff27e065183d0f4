"""Policies for tests: short makers with sensible defaults, and hypothesis strategies for arbitrary small ones."""

from collections.abc import Iterable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import TypeVar

from hypothesis import strategies as st

from dnsfilter.policy.calendar import weekly_windows
from dnsfilter.policy.fleets import FleetName
from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    DEFAULT_SITE,
    DEFAULT_TIERS,
    Address,
    AllowedName,
    Audience,
    Authority,
    Ban,
    Binding,
    Exemption,
    FormalDecision,
    Funding,
    Ground,
    Instant,
    Kind,
    Mode,
    Policy,
    Range,
    Reply,
    Service,
    Site,
    Suspension,
    Term,
    Tier,
    Usage,
    WeeklyHours,
    WireName,
)
from dnsfilter.wire.names import parse_name
from tests.support.weighted_choices import often

NOW: Instant = 1_774_656_000
"""2026-03-28 00:00 UTC, the Saturday before summer time begins in Brussels."""
HOUR = 3600
DAY = 86_400
ALWAYS = (Term(0),)

_Kind = TypeVar("_Kind")
Thing = Authority | Site | Range | Service | Ban | Binding | Exemption | Suspension | AllowedName | FleetName


def authority(slug: str, languages: tuple[str, ...] = ("nl",), usage: Usage = Usage.AUTHORITY) -> Authority:
    """Return an authority whose name is its slug in capitals, with a contact at example.org."""
    names = tuple((language, slug.upper()) for language in languages)
    return Authority(
        slug, Kind.MUNICIPALITY, names, languages, "Europe/Brussels", f"ict@{slug}.example.org", usage=usage
    )


def network(
    prefix: str,
    authority: str,
    funding: Funding = Funding.PUBLIC,
    audience: Audience = Audience.STAFF,
    site: str = DEFAULT_SITE,
) -> Range:
    """Return a range. By default, its devices are publicly funded and used by staff."""
    return Range(ip_network(prefix), authority, funding, audience, label=f"{authority} {prefix}", site=site)


def wire(*names: str) -> frozenset[WireName]:
    """Return the wire names of texts."""
    return frozenset(map(parse_name, names))


def service(slug: str, domains: Iterable[str] = (), hosts: Iterable[str] = (), *more: Tier) -> Service:
    """Return a service with one tier, and with further tiers if given."""
    return Service(slug, slug.title(), (Tier(1, wire(*domains), wire(*hosts)), *more))


def ban(
    number: int,
    authority: str,
    service: str,
    mode: Mode = Mode.ENFORCE,
    terms: tuple[Term, ...] = ALWAYS,
    tiers: frozenset[int] = DEFAULT_TIERS,
    funding: frozenset[Funding] = DEFAULT_FUNDING,
    audience: frozenset[Audience] = DEFAULT_AUDIENCE,
    reply: Reply = Reply.REFUSED,
    addresses: tuple[str, ...] = (),
    reference: str = "",
    off_until: Instant | None = None,
) -> Ban:
    """Return a ban. By default, it always holds."""
    return Ban(
        number,
        authority,
        service,
        mode,
        terms,
        reply,
        tuple(map(ip_address, addresses)),
        tiers,
        funding,
        audience,
        FormalDecision(reference=reference),
        off_until=off_until,
    )


def exemption(
    number: int,
    ban: int,
    ranges: Iterable[str],
    start: Instant = 0,
    end: Instant = NOW + 30 * DAY,
    hours: tuple[WeeklyHours, ...] = (),
    approved: Instant | None = 0,
    site: str = DEFAULT_SITE,
) -> Exemption:
    """Return an exemption, approved by default."""
    return Exemption(number, ban, frozenset(map(ip_network, ranges)), start, end, hours, site, "test", approved)


def allowed(
    number: int,
    authority: str,
    name: str,
    start: Instant = 0,
    end: Instant | None = NOW + 30 * DAY,
    *,
    exact: bool = False,
    recorded: Instant | None = 0,
) -> AllowedName:
    """Return an allowed name, with all below it by default."""
    return AllowedName(number, authority, parse_name(name), exact, start, end, recorded, reason="test")


def policy(*things: Thing, revision: int = 1) -> Policy:
    """Return the policy of these things. Add missing authorities and sites that they name."""

    slugs = {thing.authority for thing in things if isinstance(thing, Range | Ban | Binding)}
    known = {thing.slug for thing in things if isinstance(thing, Authority)}
    sites = {thing.slug for thing in things if isinstance(thing, Site)} | {DEFAULT_SITE}
    sites |= {thing.site for thing in things if isinstance(thing, Range)}
    return Policy(
        revision,
        (*_of(Authority, things), *(authority(slug) for slug in sorted(slugs - known))),
        tuple(Site(slug) for slug in sorted(sites)),
        _of(Range, things),
        _of(Service, things),
        _of(Ban, things),
        _of(Binding, things),
        _of(Exemption, things),
        _of(Suspension, things),
        _of(AllowedName, things),
        _of(FleetName, things),
    )


def _of(kind: type[_Kind], things: Iterable[Thing]) -> tuple[_Kind, ...]:
    return tuple(thing for thing in things if isinstance(thing, kind))


_AUTHORITIES = ("ghent", "mechelen")
_SERVICES = ("capcut", "tiktok")
_SITES = (DEFAULT_SITE, "annex")
_PREFIXES = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/0",
            "192.0.2.0/24",
            "192.0.2.0/25",
            "192.0.2.64/26",
            "192.0.2.77/32",
            "192.0.2.128/25",
            "198.51.100.0/24",
            "255.255.255.255/32",
            "2001:db8::/32",
            "2001:db8::/48",
            "2001:db8:0:1::/64",
            "2001:db8:0:1::53/128",
        ),
    )
)
_ADDRESSES = (
    "192.0.2.0",
    "192.0.2.63",
    "192.0.2.64",
    "192.0.2.77",
    "192.0.2.78",
    "192.0.2.127",
    "192.0.2.128",
    "192.0.2.255",
    "192.0.3.0",
    "198.51.100.1",
    "203.0.113.9",
    "255.255.255.255",
    "0.0.0.0",
    "2001:db8::1",
    "2001:db8:0:1::53",
    "2001:db8:0:1::54",
    "2001:db8:1::",
    "2001:db9::",
    "::",
)

# Few labels, one the end of another, so that names lie under, over, next to and across each other.
names = st.lists(st.sampled_from(("a", "ba", "tok", "example")), min_size=1, max_size=4).map(
    lambda labels: parse_name(".".join(labels))
)
clients: st.SearchStrategy[Address] = st.one_of(
    st.sampled_from(_ADDRESSES).map(ip_address),
    st.integers(0, 2**32 - 1).map(IPv4Address),
    st.integers(0, 2**128 - 1).map(IPv6Address),
)
sites = st.sampled_from((DEFAULT_SITE,) * 12 + ("annex", "unknown"))
_decisions = st.sampled_from(("", "", "A 1", "B 2")).map(lambda reference: FormalDecision(reference=reference))
moments = st.integers(-80, 240).map(lambda half_hours: NOW + half_hours * 1800)


@st.composite
def _spans(draw: st.DrawFn) -> tuple[Instant, Instant]:
    if draw(st.booleans()):
        return NOW - 5 * DAY, NOW + 10 * DAY
    start = draw(moments)
    return start, start + draw(st.integers(1, 200)) * 1800


@st.composite
def _terms(draw: st.DrawFn) -> Term:
    decision = draw(_decisions)
    if draw(st.booleans()):
        return Term(0, decision=decision)
    start, end = draw(_spans())
    recorded = draw(st.one_of(st.just(0), moments))
    return Term(start, draw(st.sampled_from((end, end, None))), recorded=recorded, decision=decision)


@st.composite
def _tiers(draw: st.DrawFn, number: int) -> Tier:
    return Tier(number, draw(st.frozensets(names, min_size=1, max_size=3)), draw(st.frozensets(names, max_size=2)))


@st.composite
def _services(draw: st.DrawFn, slug: str) -> Service:
    numbers = {1} | draw(st.sets(st.integers(2, 3)))
    tiers = [draw(_tiers(number)) for number in sorted(numbers)]
    instants = sorted(draw(st.sets(st.one_of(moments, st.integers(NOW - 2 * DAY, NOW + DAY)), max_size=2)))
    number = st.sampled_from(sorted(numbers))
    pending = [replace(draw(_tiers(draw(number))), enforced_from=instant) for instant in instants]
    return Service(slug, slug.title(), (*tiers, *pending))


@st.composite
def _ranges(draw: st.DrawFn) -> tuple[Range, ...]:
    some_site = st.sampled_from((DEFAULT_SITE,) * 4 + ("annex",))
    keys = draw(st.sets(st.tuples(some_site, st.sampled_from(_PREFIXES)), min_size=1, max_size=8))
    return tuple(
        Range(
            prefix,
            draw(st.sampled_from(_AUTHORITIES)),
            draw(st.sampled_from((Funding.PUBLIC,) * 4 + (Funding.PARTLY_PUBLIC, Funding.PRIVATE))),
            draw(st.sampled_from((Audience.STAFF,) * 4 + (Audience.PUBLIC,))),
            site=site,
        )
        for site, prefix in sorted(keys, key=str)
    )


@st.composite
def _bans(draw: st.DrawFn, number: int) -> Ban:
    return Ban(
        number,
        draw(st.sampled_from(_AUTHORITIES)),
        draw(st.sampled_from(_SERVICES)),
        draw(st.sampled_from((Mode.ENFORCE, Mode.ENFORCE, Mode.MONITOR, Mode.MONITOR, Mode.OFF))),
        tuple(draw(st.lists(_terms(), min_size=1, max_size=3))),
        draw(st.sampled_from(Reply)),
        (IPv4Address("192.0.2.80"), IPv6Address("2001:db8::80")) if draw(st.booleans()) else (),
        draw(st.sampled_from((DEFAULT_TIERS,) * 3 + (frozenset({1}), frozenset({1, 2, 3}), frozenset({9})))),
        draw(st.sampled_from((DEFAULT_FUNDING, frozenset(Funding)))),
        draw(st.sampled_from((DEFAULT_AUDIENCE, frozenset(Audience)))),
        draw(_decisions),
        off_until=draw(st.one_of(st.none(), st.none(), moments)),
    )


@st.composite
def _bindings(draw: st.DrawFn, number: int, bans: int) -> Binding:
    (start, end), ground = draw(_spans()), draw(st.sampled_from(Ground))
    return Binding(
        number,
        draw(st.integers(1, bans)),
        draw(st.sampled_from(_AUTHORITIES)),
        ground,
        start,
        draw(st.sampled_from((end, None))),
        draw(st.one_of(st.just(0), st.none(), moments)),
        draw(st.one_of(st.just(0), moments)),
        new_names_at_once=ground is Ground.LAW and draw(st.booleans()),
    )


@st.composite
def _hours(draw: st.DrawFn) -> WeeklyHours:
    start = draw(st.integers(0, 47)) * 30
    end = draw(st.integers(start // 30 + 1, 48)) * 30
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return WeeklyHours(days, start, end, "Europe/Brussels")


@st.composite
def _exemptions(draw: st.DrawFn, number: int, bans: int, ranges: tuple[Range, ...]) -> Exemption:
    start, end = draw(_spans())
    return Exemption(
        number,
        draw(st.integers(1, bans)),
        draw(st.frozensets(st.sampled_from([registered.prefix for registered in ranges]), min_size=1)),
        start,
        end,
        tuple(draw(st.one_of(st.just([]), st.lists(_hours(), min_size=1, max_size=2)))),
        draw(st.sampled_from([registered.site for registered in ranges])),
        approved=draw(st.one_of(st.just(0), st.none(), moments)),
    )


@st.composite
def _allowed(draw: st.DrawFn, number: int) -> AllowedName:
    start, end = draw(_spans())
    recorded = draw(st.one_of(st.just(0), st.just(0), st.none(), moments))
    authority, name = draw(st.sampled_from(_AUTHORITIES)), draw(names)
    return AllowedName(
        number, authority, name, draw(st.booleans()), start, draw(st.sampled_from((end, None))), recorded
    )


@st.composite
def _suspensions(draw: st.DrawFn) -> Suspension:
    start = draw(moments)
    return Suspension(
        draw(st.sampled_from((None, *_AUTHORITIES))), start, start + draw(st.integers(1, 4 * 60)) * 60, "test"
    )


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """Draw small policies around `NOW`: nested ranges of both families, own and bound bans, exemptions, hours."""
    usages = st.sampled_from(Usage)
    authorities = tuple(
        replace(
            authority(slug, ("nl", "fr"), draw(usages)),
            public_register=True,
            filtering_database="first" if slug == _AUTHORITIES[0] else "",
        )
        for slug in _AUTHORITIES
    )
    ranges = draw(_ranges())
    bans = draw(st.integers(2, 6))
    return Policy(
        draw(st.integers(1, 2**40)),
        authorities,
        tuple(map(Site, _SITES)),
        ranges,
        tuple(draw(_services(slug)) for slug in _SERVICES),
        tuple(draw(_bans(number)) for number in range(1, bans + 1)),
        tuple(draw(_bindings(number, bans)) for number in range(draw(st.integers(1, 4)))),
        tuple(draw(_exemptions(number, bans, ranges)) for number in range(draw(st.integers(0, 3)))),
        tuple(draw(st.lists(_suspensions(), max_size=1))),
        tuple(draw(_allowed(number)) for number in range(draw(st.integers(0, 3)))),
    )


def boundaries(policy: Policy) -> tuple[Instant, ...]:
    """Return every instant at which something of the policy may start or end."""
    found: set[Instant | None] = set()
    for ban in policy.bans:
        found.add(ban.off_until)
        for term in ban.terms:
            found |= {term.start, term.end, term.recorded}
    for binding in policy.bindings:
        found |= {binding.start, binding.end, binding.accepted, binding.recorded}
    for exemption in policy.exemptions:
        found |= {exemption.start, exemption.end, exemption.approved}
        for hours in exemption.hours:
            found.update(edge for window in weekly_windows(hours, exemption.start, exemption.end) for edge in window)
    for suspension in policy.suspensions:
        found |= {suspension.start, suspension.end}
    for allowed_name in policy.allowed:
        found |= {allowed_name.start, allowed_name.end, allowed_name.recorded}
    found |= {tier.enforced_from for listed in policy.services for tier in listed.tiers}
    return tuple(sorted(instant for instant in found if instant is not None))


def instants(policy: Policy, since: Instant = NOW - DAY) -> st.SearchStrategy[Instant]:
    """Draw instants from `since` on: on and next to every boundary, and others."""
    near = sorted({edge + step for edge in boundaries(policy) for step in (-1, 0, 1) if edge + step >= since})
    others = st.integers(since, NOW + 10 * DAY)
    return st.one_of(st.sampled_from(near), others) if near else others


def clients_of(policy: Policy) -> st.SearchStrategy[Address]:
    """Draw the first and last addresses of the policy's ranges, their neighbours, and others."""
    inside = {edge for r in policy.ranges for edge in (r.prefix.network_address, r.prefix.broadcast_address)}
    extra = {edge + 1 for edge in inside if int(edge) + 1 < 2**edge.max_prefixlen}
    extra |= {edge - 1 for edge in inside if int(edge) > 0}
    groups = [(weight, st.sampled_from(sorted(group, key=str))) for weight, group in ((6, inside), (1, extra)) if group]
    return often(*groups, (1, clients))


def names_of(policy: Policy) -> st.SearchStrategy[WireName]:
    """Draw names of the policy's services, names below, above and next to them, and others."""
    listed = sorted({name for s in policy.services for tier in s.tiers for name in tier.domains | tier.hosts})
    listed = sorted({*listed, *(each.name for each in policy.allowed)}) if listed else listed
    if not listed:
        return names
    known = st.sampled_from(listed)
    below = st.tuples(st.sampled_from((b"\x01x", b"\x03www", b"\x01a")), known).map(b"".join)
    above = known.map(lambda name: name[name[0] + 1 :])
    extra = known.map(lambda name: bytes([name[0] + 3]) + b"not" + name[1:])
    return often((4, known), (4, below), (1, above), (1, extra), (1, names))
