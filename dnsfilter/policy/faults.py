"""Check the rules for any policy, from any source. All problems are reported at once."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from ipaddress import IPv6Network, ip_network

from dnsfilter.errors import Problem
from dnsfilter.policy.bounds import (
    FIRST_YEAR,
    LAST_INSTANT,
    LAST_YEAR,
    MAX_ADDRESSES,
    MAX_PROVISIONAL_S,
    MAX_SUSPENSION_S,
)
from dnsfilter.policy.calendar import MINUTES_PER_DAY, Span, end_of_last_day, zone
from dnsfilter.policy.fleet_faults import fleet_problems, fleet_range_problems
from dnsfilter.policy.model import (
    CLIENT_USAGE,
    DEFAULT_TIERS,
    NOT_BY_LAW,
    AllowedName,
    Authority,
    Ban,
    Binding,
    Exemption,
    FormalDecision,
    Ground,
    Instant,
    Mode,
    Policy,
    Prefix,
    Reply,
    Service,
    Suspension,
    Term,
    Usage,
    WeeklyHours,
)
from dnsfilter.policy.name_faults import name_problems, tier_problems
from dnsfilter.policy.text_faults import formal_faults, slug_faults, text_faults
from dnsfilter.translatable import Text

_SERVICE_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?")
"""The own part of a service's slug. `api.http.patterns` has the same rule for requests."""
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_MAPPED = IPv6Network("::ffff:0:0/96")
_LINK_LOCAL = (ip_network("169.254.0.0/16"), ip_network("fe80::/10"))

Found = Iterator[Problem]


def problems(policy: Policy, sound: Policy | None = None) -> tuple[Problem, ...]:
    """Return everything wrong in `policy`. Locations are like `ban[2].term[0].end`, with indices of its tuples.

    `sound` is a policy without problems. Authorities, services, ranges and bans that both have are not checked again:
    ten thousand of them take longer than everything else about a toggle.
    """
    return tuple(_Check(policy, sound).run())


def usage_fault(word: str) -> str | None:
    """Return why a usage level with a known word cannot be set, or None."""
    if word == CLIENT_USAGE:
        return f'usage "{word}" needs an act of its own, with a purpose and an end: use {", ".join(Usage)}'
    return None


def prefix_fault(prefix: Prefix) -> str | None:
    """Return why the prefix cannot be registered, or None."""
    if isinstance(prefix, IPv6Network) and prefix.network_address.scope_id is not None:
        return Text("has a scope id: a range contains addresses, not one machine's interface")
    if isinstance(prefix, IPv6Network) and prefix.subnet_of(_MAPPED):
        return Text("is IPv4-mapped: write the IPv4 prefix")
    if any(type(prefix) is type(local) and prefix.subnet_of(local) for local in _LINK_LOCAL):  # type: ignore[arg-type]
        return Text("is link-local: the same address is another machine on every link")
    return None


def lasts_too_long(exemption: Exemption, time_zone: str) -> bool:
    """Return whether the exemption ends after the last day of its first year, in its own zone or else `time_zone`."""
    try:
        return exemption.end > end_of_last_day(exemption.start, Span(months=12), exemption.time_zone or time_zone)
    except (ValueError, OverflowError, OSError):
        return False  # The zone or the start is wrong, and reported as such.


class _Check:
    """One check of a policy, with an index of its objects."""

    def __init__(self, policy: Policy, sound: Policy | None) -> None:
        self._policy = policy
        self._sound = sound
        self._authorities = {authority.slug: authority for authority in policy.authorities}
        self._sites = {site.slug for site in policy.sites}
        self._tiers = {service.slug: {tier.number for tier in service.tiers} for service in policy.services}
        self._bans = {ban.number: ban for ban in reversed(policy.bans)}
        self._closes = {entry.slug: entry.closing.at for entry in policy.authorities if entry.closing is not None}
        self._ranges = {(entry.site, entry.prefix) for entry in policy.ranges} if policy.exemptions else set()

    def run(self) -> Found:
        policy = self._policy
        yield from _unique("authority", "slug", (authority.slug for authority in policy.authorities))
        yield from _unique("site", "slug", (site.slug for site in policy.sites))
        yield from _unique("service", "slug", (service.slug for service in policy.services))
        if self._sound is None or self._sound.authorities != policy.authorities:
            circular = _in_circles(policy.authorities)
            for index, authority in enumerate(policy.authorities):
                yield from _authority(f"authority[{index}]", authority)
                yield from self._closing(f"authority[{index}]", authority, circular)
        if not self._has_sound_services():
            for index, service in enumerate(policy.services):
                yield from self._own_service(f"service[{index}]", service)
        for index, site in enumerate(policy.sites):
            yield from slug_faults(f"site[{index}].slug", site.slug)
            yield from text_faults(f"site[{index}]", {"name": site.name})
        for index, service in enumerate(policy.services):
            yield from tier_problems(f"service[{index}]", service)
        if not self._has_sound_ranges():
            yield from self._all_ranges()
        yield from fleet_problems(policy)
        yield from self._all_bans()
        for table, numbers in (
            ("ban", [ban.number for ban in policy.bans]),
            ("binding", [binding.number for binding in policy.bindings]),
            ("exemption", [exemption.number for exemption in policy.exemptions]),
            ("allowed", [allowed.number for allowed in policy.allowed]),
        ):
            yield from _unique(table, "number", map(str, numbers))
        for index, binding in enumerate(policy.bindings):
            yield from self._binding(f"binding[{index}]", binding)
        for index, exemption in enumerate(policy.exemptions):
            yield from self._exemption(f"exemption[{index}]", exemption)
        for index, suspension in enumerate(policy.suspensions):
            yield from self._suspension(f"suspension[{index}]", suspension)
        for index, allowed in enumerate(policy.allowed):
            yield from self._allowed(f"allowed[{index}]", allowed)

    def _own_service(self, location: str, service: Service) -> Found:
        if service.authority is None:
            return
        yield from self._known(f"{location}.authority", "authority", service.authority, self._authorities)
        slug = service.slug.partition(":")[2]
        if not _SERVICE_SLUG.fullmatch(slug):
            fault = "must be 1 to 63 of the characters a-z, 0-9, - and _, without - and _ at the ends"
            yield Problem(f"{location}.slug", f"{slug!r} {fault}")
        yield from text_faults(location, {"name": service.name, "source": service.source, "note": service.note})
        if not service.name:
            yield Problem(f"{location}.name", "is empty: name it as people know it")
        if not any(tier.domains or tier.hosts for tier in service.tiers):
            yield Problem(location, f"{service.slug} has no name: give at least one in domains or hosts")

    def _has_sound_ranges(self) -> bool:
        """Return whether the ranges and everything they refer to are those of the sound policy."""
        sound = self._sound
        if sound is None or sound.ranges != self._policy.ranges:
            return False
        return self._sites.issuperset(site.slug for site in sound.sites) and all(
            authority.slug in self._authorities for authority in sound.authorities
        )

    def _all_ranges(self) -> Found:
        owners: dict[tuple[str, Prefix], str] = {}
        for index, entry in enumerate(self._policy.ranges):
            location = f"range[{index}]"
            owner = owners.get((entry.site, entry.prefix))
            if owner is not None:
                message = f"{entry.prefix} is already registered at site {entry.site!r}, to {owner!r}"
                yield Problem(f"{location}.prefix", message)
            owners.setdefault((entry.site, entry.prefix), entry.authority)
            fault = prefix_fault(entry.prefix)
            if fault is not None:
                yield Problem(f"{location}.prefix", f"{entry.prefix} {fault}")
            yield from self._known(f"{location}.authority", "authority", entry.authority, self._authorities)
            yield from self._known(f"{location}.site", "site", entry.site, self._sites)
            yield from text_faults(location, {"label": entry.label})
            yield from fleet_range_problems(location, entry)

    def _all_bans(self) -> Found:
        seen: set[tuple[str, str]] = set()
        sound = self._sound_bans()
        for index, ban in enumerate(self._policy.bans):
            if (ban.authority, ban.service) in seen:
                message = f"{ban.authority} has a ban of {ban.service} already: add a term to that one"
                yield Problem(f"ban[{index}]", message)
            seen.add((ban.authority, ban.service))
            # Comparing the fields of equal bans would take as long as checking them.
            if sound.get(ban.number) is not ban:
                yield from self._ban(f"ban[{index}]", ban)
            yield from self._follows(f"ban[{index}].decision", ban, ban.decision)
            for number, term in enumerate(ban.terms):
                yield from self._follows(f"ban[{index}].term[{number}].decision", ban, term.decision)

    def _sound_bans(self) -> Mapping[int, Ban]:
        """Return the bans of the sound policy by number, if authorities and services are its own too."""
        return {ban.number: ban for ban in self._sound.bans} if self._sound and self._has_sound_services() else {}

    def _has_sound_services(self) -> bool:
        """Return whether services, and the authorities that have some of them, are those of the sound policy."""
        sound, policy = self._sound, self._policy
        return sound is not None and (sound.authorities, sound.services) == (policy.authorities, policy.services)

    def _ban(self, location: str, ban: Ban) -> Found:
        """Check a ban against authorities and services, without the bans that it follows."""
        yield from self._known(f"{location}.authority", "authority", ban.authority, self._authorities)
        yield from self._known(f"{location}.service", "service", ban.service, self._tiers)
        yield from self._scope(location, ban)
        yield from _reply(location, ban)
        yield from _off(location, ban)
        yield from formal_faults(f"{location}.decision", ban.decision)
        if not ban.terms:
            yield Problem(location, f"the ban of {ban.service} by {ban.authority} has no term")
        for number, term in enumerate(ban.terms):
            yield from _term(f"{location}.term[{number}]", ban, term)
            # A term that was ended in the second in which it began ends in the next.
            yield from self._within_life(f"{location}.term[{number}]", ban.authority, term.end, term.start + 1)
            yield from formal_faults(f"{location}.term[{number}].decision", term.decision)

    def _closing(self, location: str, authority: Authority, circular: Collection[str]) -> Found:
        closing = authority.closing
        if closing is None:
            return
        if not 0 <= closing.at <= LAST_INSTANT:
            yield Problem(f"{location}.closes", f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
        yield from text_faults(location, {"closed_reason": closing.reason})
        yield from formal_faults(f"{location}.closed_decision", closing.decision)
        if closing.successor is None:
            return
        yield from self._known(f"{location}.successor", "authority", closing.successor, self._authorities)
        if closing.successor == authority.slug:
            yield Problem(f"{location}.successor", f"{authority.slug} cannot be merged into itself")
        elif self._closes.get(closing.successor, closing.at) < closing.at:
            yield Problem(f"{location}.successor", f"{closing.successor} is already closed by then")
        elif authority.slug in circular:
            yield Problem(
                f"{location}.successor", f"{authority.slug} would succeed itself: mergers cannot form a circle"
            )

    def _within_life(self, location: str, authority: str, end: Instant | None, least: Instant = 0) -> Found:
        """Report an end after the closing of the authority. An end up to `least` is allowed."""
        closes = self._closes.get(authority)
        if closes is not None and (end is None or end > max(closes, least)):
            yield Problem(
                f"{location}.end", f"lies after {authority} closes: it can have effect until then at the latest"
            )

    def _scope(self, location: str, ban: Ban) -> Found:
        known = self._tiers.get(ban.service, ban.tiers)
        unknown = sorted(ban.tiers - known)
        # The default names tiers 1 and 2, and many services have only the first.
        if not ban.tiers or not ban.tiers & known or (unknown and ban.tiers != DEFAULT_TIERS):
            numbers = ", ".join(map(str, unknown)) or "none"
            yield Problem(f"{location}.tiers", f"{ban.service} has the tiers {sorted(known)}, not {numbers}")
        if not ban.funding:
            yield Problem(f"{location}.funding", "is empty: the ban would cover nothing")
        if not ban.audience:
            yield Problem(f"{location}.audience", "is empty: the ban would cover nobody")

    def _follows(self, location: str, ban: Ban, decision: FormalDecision) -> Found:
        if decision.follows is None:
            return
        followed = self._bans.get(decision.follows)
        if followed is None:
            yield Problem(f"{location}.follows", f"there is no ban {decision.follows}")
        elif followed.service != ban.service:
            yield Problem(f"{location}.follows", f"the ban of {followed.service} is not one of {ban.service}")
        elif followed.authority == ban.authority:
            yield Problem(f"{location}.follows", f"{ban.authority} cannot adopt its own ban")

    def _binding(self, location: str, binding: Binding) -> Found:
        yield from self._known(f"{location}.authority", "authority", binding.authority, self._authorities)
        yield from _interval(location, binding.start, binding.end)
        yield from text_faults(location, {"instrument": binding.instrument, "date": binding.date})
        if binding.new_names_at_once and binding.ground is not Ground.LAW:
            yield Problem(f"{location}.new_names_at_once", NOT_BY_LAW)
        yield from self._within_life(location, binding.authority, binding.end)
        ban = self._bans.get(binding.ban)
        if ban is None:
            yield Problem(f"{location}.of", f"there is no ban {binding.ban}")
        elif ban.authority == binding.authority:
            yield Problem(f"{location}.of", f"{binding.authority} cannot be bound by its own ban")
        else:
            yield from self._within_life(location, ban.authority, binding.end)

    def _exemption(self, location: str, exemption: Exemption) -> Found:
        yield from self._known(f"{location}.site", "site", exemption.site, self._sites)
        yield from _interval(location, exemption.start, exemption.end)
        yield from text_faults(location, {"reason": exemption.reason})
        if not exemption.ranges:
            yield Problem(f"{location}.ranges", "names no range")
        for prefix in sorted(exemption.ranges, key=prefix_order):
            if exemption.site in self._sites and (exemption.site, prefix) not in self._ranges:
                message = f"{prefix} is not registered at site {exemption.site!r}: name registered ranges"
                yield Problem(f"{location}.ranges", message)
        for hours in exemption.hours:
            yield from _hours(f"{location}.hours", hours)
        ban = self._bans.get(exemption.ban)
        if ban is None:
            yield Problem(f"{location}.of", f"there is no ban {exemption.ban}")
            return
        yield from self._within_life(location, ban.authority, exemption.end)
        owner = self._authorities.get(ban.authority)
        if owner is not None and exemption.start < exemption.end and lasts_too_long(exemption, owner.time_zone):
            yield Problem(
                f"{location}.end", "lies more than a year after the start: an exemption lasts at most one year"
            )

    def _suspension(self, location: str, suspension: Suspension) -> Found:
        if suspension.authority is not None:
            yield from self._known(f"{location}.authority", "authority", suspension.authority, self._authorities)
        yield from _interval(location, suspension.start, suspension.end)
        yield from text_faults(location, {"reason": suspension.reason})
        if suspension.end - suspension.start > MAX_SUSPENSION_S:
            yield Problem(f"{location}.end", f"lies more than {MAX_SUSPENSION_S // 3600} hours after the start")

    def _allowed(self, location: str, allowed: AllowedName) -> Found:
        yield from self._known(f"{location}.authority", "authority", allowed.authority, self._authorities)
        yield from _interval(location, allowed.start, allowed.end)
        yield from _review(location, allowed.end, allowed.review_by)
        yield from text_faults(location, {"reason": allowed.reason})
        # A name that was ended in the second in which it began ends in the next.
        yield from self._within_life(location, allowed.authority, allowed.end, allowed.start + 1)
        yield from name_problems(f"{location}.name", allowed.name)

    @staticmethod
    def _known(location: str, what: str, slug: str, known: Iterable[str]) -> Found:
        if slug not in known:
            yield Problem(location, f"there is no {what} {slug!r}")


def prefix_order(prefix: Prefix) -> tuple[int, int, int]:
    """Return a sort key for prefixes of both families."""
    return (prefix.version, int(prefix.network_address), prefix.prefixlen)


def _unique(table: str, key: str, values: Iterable[str]) -> Found:
    seen: set[str] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Problem(f"{table}[{index}].{key}", f"{value!r} is used twice")
        seen.add(value)


def _authority(location: str, authority: Authority) -> Found:
    yield from slug_faults(f"{location}.slug", authority.slug)
    yield from text_faults(location, {"contact": authority.contact, "group": authority.group})
    if authority.filtering_database:
        yield from slug_faults(f"{location}.filtering_database", authority.filtering_database)
    yield from text_faults(
        f"{location}.names", {f"{tag}": name for tag, name in authority.names if _LANGUAGE.fullmatch(tag)}
    )
    try:
        zone(authority.time_zone)
    except ValueError as error:
        yield Problem(f"{location}.time_zone", f'{error}: write for example "Europe/Brussels"')
    if not authority.contact:
        yield Problem(
            f"{location}.contact", "is empty: name a function that answers questions, such as ict@example.org"
        )
    if not authority.names:
        yield Problem(f"{location}.names", "is empty: give the name in at least one language")
    if not authority.languages:
        yield Problem(f"{location}.languages", "is empty: give at least one language")
    for key, tags in (("names", [tag for tag, _ in authority.names]), ("languages", list(authority.languages))):
        for tag in tags:
            if not _LANGUAGE.fullmatch(tag):
                yield Problem(f"{location}.{key}", f'{tag!r} is not a language tag: write for example "nl" or "fr"')
        if len(set(tags)) < len(tags):
            yield Problem(f"{location}.{key}", "names a language twice")


def _in_circles(authorities: Iterable[Authority]) -> frozenset[str]:
    """Return the authorities whose successors lead back to themselves."""
    successors = {entry.slug: entry.closing.successor for entry in authorities if entry.closing is not None}
    found: set[str] = set()
    known: set[str] = set()
    for start in successors:
        path: list[str] = []
        slug: str | None = start
        while slug in successors and slug not in known:
            known.add(slug)
            path.append(slug)
            slug = successors[slug]
        if slug in path:
            found.update(path[path.index(slug) :])
    return frozenset(found)


def _reply(location: str, ban: Ban) -> Found:
    if ban.reply is Reply.ADDRESS and not ban.addresses:
        yield Problem(f"{location}.addresses", 'is needed for the reply "address"')
    if ban.reply is not Reply.ADDRESS and ban.addresses:
        yield Problem(f"{location}.addresses", f'is only for the reply "address", and the reply is "{ban.reply}"')
    if len(ban.addresses) > MAX_ADDRESSES:
        yield Problem(
            f"{location}.addresses", f"has {len(ban.addresses)} addresses; at most {MAX_ADDRESSES} are answered"
        )
    for address in ban.addresses:
        if address.is_multicast or getattr(address, "scope_id", None) is not None:
            yield Problem(f"{location}.addresses", f"{address} cannot be used in an answer")


def _term(location: str, ban: Ban, term: Term) -> Found:
    yield from _interval(location, term.start, term.end)
    yield from _review(location, term.end, term.review_by)
    if ban.provisional and (term.end is None or term.end - term.start > MAX_PROVISIONAL_S):
        yield Problem(f"{location}.end", "lies more than 72 hours after the start, and the ban is provisional")


def _review(location: str, end: Instant | None, review_by: Instant | None) -> Found:
    if end is None and review_by is None:
        yield Problem(location, "has no end: give an end, or a date for its review (review_by)")
    if review_by is not None and not 0 <= review_by <= LAST_INSTANT:
        yield Problem(f"{location}.review_by", f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")


def _off(location: str, ban: Ban) -> Found:
    if ban.off_until is None:
        return
    if ban.mode is Mode.OFF:
        yield Problem(f"{location}.off_until", "needs the mode that applies then: enforce or monitor")
    if not 0 <= ban.off_until <= LAST_INSTANT:
        yield Problem(f"{location}.off_until", f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")


def _interval(location: str, start: Instant, end: Instant | None) -> Found:
    if not 0 <= start <= LAST_INSTANT:
        yield Problem(f"{location}.start", f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    if end is not None and not 0 <= end <= LAST_INSTANT:
        yield Problem(f"{location}.end", f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    elif end is not None and end <= start:
        yield Problem(f"{location}.end", "must lie after the start")


def _hours(location: str, hours: WeeklyHours) -> Found:
    if not hours.days or not hours.days <= set(range(7)):
        yield Problem(location, "must name days of the week")
    if not 0 <= hours.start_minute < hours.end_minute <= MINUTES_PER_DAY:
        yield Problem(location, "must begin and end within one day, in that order")
    try:
        zone(hours.time_zone)
    except ValueError as error:
        yield Problem(location, str(error))
