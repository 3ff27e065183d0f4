"""Write a `Policy` as policy.toml: absolute dates and stable order, for version control."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from ipaddress import IPv6Network
from typing import TypeAlias

from dnsfilter.policy.calendar import after_day, hours_text, last_day, local_day, local_midnight
from dnsfilter.policy.faults import prefix_order
from dnsfilter.policy.fleets import FleetName, default_number, fleet_number, is_fleet
from dnsfilter.policy.model import (
    DEFAULT_AUDIENCE,
    DEFAULT_FUNDING,
    DEFAULT_SITE,
    DEFAULT_TIERS,
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
    Range,
    Reply,
    Service,
    Site,
    Term,
    Usage,
    WeeklyHours,
)
from dnsfilter.policy.prohibited_lists import NO_LISTS, LinkGround, ListLink, Lists, ListVersion, ProhibitedList
from dnsfilter.policy.single_names import EXACTLY, NameVerdict, is_plain_refusal
from dnsfilter.wire.names import name_text

Value: TypeAlias = "str | int | bool | date | Iterable[str] | Iterable[int] | Mapping[str, str]"
Pairs: TypeAlias = list[tuple[str, Value]]

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}


def dump_policy(policy: Policy, lists: Lists = NO_LISTS) -> str:
    """Return a policy file that `parse_policy` reads as the same valid policy, without data that no file holds.

    `lists` are those that bans of the policy come from. All bans and bindings are written, also those that lists make.

    Such data are the revision, services of the catalogue, suspensions, and the times of recording, acceptance and
    approval (only whether they happened is written). Numbers are not written either, but bans, bindings, exemptions and
    allowed names keep their order. Refused names follow the other bans.
    """
    return "\n".join(_Dump(policy, lists).blocks())


class _Dump:
    def __init__(self, policy: Policy, lists: Lists) -> None:
        self._policy, self._lists = policy, lists
        self._by_reference = {each.reference: each for each in lists.lists}
        self._brought = {number: link.prohibited_list for link in lists.links for number in link.bindings}
        self._bans = {ban.number: ban for ban in policy.bans}
        self._zones = {authority.slug: authority.time_zone for authority in policy.authorities}

    def blocks(self) -> Iterable[str]:
        policy = self._policy
        for authority in policy.authorities:
            yield _block("[[authority]]", _authority(authority))
            if authority.closing is not None:
                yield from self._decision("[authority.closed_decision]", authority.closing.decision)
        if policy.sites != (Site(DEFAULT_SITE),):
            for site in policy.sites:
                yield _block("[[site]]", [("slug", site.slug), *_unless([("name", site.name)], "")])
        for entry in policy.ranges:
            if not is_fleet(entry.prefix):
                yield _block("[[range]]", _range(entry))
        yield from self._fleets()
        for service in policy.services:
            if service.authority is not None:
                yield _block("[[service]]", _own_service(service.authority, service))
        plain = [ban for ban in policy.bans if is_plain_refusal(ban)]
        for ban in sorted((ban for ban in policy.bans if ban not in plain), key=lambda ban: ban.number):
            yield _block("[[ban]]", self._ban(ban))
            yield from self._decision("[ban.decision]", ban.decision)
            for term in ban.terms:
                yield _block("[[ban.term]]", self._term(self._zones[ban.authority], term))
                yield from self._decision("[ban.term.decision]", term.decision)
        for prohibited in self._lists.lists:
            yield from self._list(prohibited)
        for link in self._lists.links:
            yield _block("[[list_link]]", self._link(link))
        for binding in sorted(policy.bindings, key=lambda binding: binding.number):
            yield _block("[[binding]]", self._binding(binding))
        for exemption in sorted(policy.exemptions, key=lambda exemption: exemption.number):
            yield _block("[[exemption]]", self._exemption(exemption))
        for ban in sorted(plain, key=lambda ban: ban.number):
            for term in ban.terms:
                yield _block("[[name]]", self._refused(ban, term))
        for allowed in sorted(policy.allowed, key=lambda allowed: allowed.number):
            yield _block("[[name]]", self._allowed(allowed))

    def _fleets(self) -> Iterable[str]:
        for entry in self._policy.ranges:
            prefix = entry.prefix
            if not isinstance(prefix, IPv6Network) or not is_fleet(prefix):
                continue
            yield _block("[[fleet]]", _fleet(entry, fleet_number(prefix)))
            time_zone = self._zones[entry.authority]
            for name in self._policy.fleet_names:
                if (name.site, name.prefix) == (entry.site, prefix):
                    yield _block("[[fleet.names]]", _fleet_name(name, time_zone))

    def _ban(self, ban: Ban) -> Pairs:
        pairs: Pairs = [("authority", ban.authority), ("service", ban.service), ("mode", ban.mode)]
        if ban.off_until is not None:
            pairs.append(("off_until", _end(ban.off_until, self._zones[ban.authority])))
        pairs += _scope(ban)
        if ban.provisional:
            pairs.append(("provisional", True))
        if ban.on_list is not None and ban.on_list.reference in self._by_reference:
            pairs += [("list", ban.on_list.reference), ("list_version", ban.on_list.version)]
        return pairs

    def _list(self, prohibited: ProhibitedList) -> Iterable[str]:
        named = [("title", prohibited.title), ("category", prohibited.category)]
        pairs: Pairs = [("authority", prohibited.authority), ("slug", prohibited.slug), *_unless([*named], "")]
        services: Pairs = [("services", prohibited.draft), ("declined", prohibited.declined)]
        yield _block("[[list]]", [*pairs, *_unless(services, ())])
        banned = {ban.service for ban in self._policy.bans if ban.authority == prohibited.authority}
        for number, version in enumerate(prohibited.versions, 1):
            on = [service for service, added in prohibited.service_versions.items() if added == number]
            changes = _unless([("adds", version.adds), ("removes", version.removes)], ())
            yield _block(
                "[[list.version]]",
                [
                    *changes,
                    *_unless([("except", [service for service in on if service not in banned])], []),
                    *_unless([("mode", version.mode)], Mode.ENFORCE),
                    *_scope(version),
                ],
            )
            yield from self._decision("[list.version.decision]", version.decision)
            for term in version.terms:
                yield _block("[[list.version.term]]", self._term(self._zones[prohibited.authority], term))

    def _link(self, link: ListLink) -> Pairs:
        return [
            ("list", link.prohibited_list),
            ("authority", link.authority),
            ("ground", link.ground),
            *_unless([("instrument", link.instrument), ("date", _date(link.date))], ""),
            *_interval(link.start, link.end, self._zones[link.authority]),
            *([("new_names_at_once", True)] if link.new_names_at_once else []),
            *_unless([("except", self._unbound(link))], []),
        ]

    def _unbound(self, link: ListLink) -> list[str]:
        """Return the services on the list whose bans the link would bring, but do not bind its authority."""
        if link.ground is LinkGround.FOLLOWING:
            return []
        bound = {binding.ban for binding in self._policy.bindings if binding.authority == link.authority}
        prohibited = self._by_reference[link.prohibited_list]
        numbers = {ban.service: ban.number for ban in self._policy.bans if ban.authority == prohibited.authority}
        return [service for service in prohibited.service_versions if numbers.get(service, 0) not in {0, *bound}]

    @staticmethod
    def _term(time_zone: str, term: Term) -> Pairs:
        pairs = _interval(term.start, term.end, time_zone)
        return pairs if term.review_by is None else [*pairs, ("review_by", _beginning(term.review_by, time_zone))]

    def _decision(self, header: str, decision: FormalDecision) -> Iterable[str]:
        pairs = _unless(
            [
                ("organ", decision.organ),
                ("reference", decision.reference),
                ("date", _date(decision.date)),
                ("legal_basis", decision.legal_basis),
                ("advice", decision.advice),
                ("link", decision.link),
            ],
            "",
        )
        if decision.follows is not None:
            pairs.append(("follows", self._bans[decision.follows].authority))
        if pairs:
            yield _block(header, pairs)

    def _binding(self, binding: Binding) -> Pairs:
        ban = self._bans[binding.ban]
        pairs: Pairs = [
            ("authority", binding.authority),
            ("of", ban.authority),
            ("service", ban.service),
            ("ground", binding.ground),
            *_unless([("instrument", binding.instrument), ("date", _date(binding.date))], ""),
            *_interval(binding.start, binding.end, self._zones[ban.authority]),
        ]
        if binding.number in self._brought:
            pairs.append(("list", self._brought[binding.number]))
        pending = binding.accepted is None and binding.ground is Ground.AGREEMENT
        pairs += [("new_names_at_once", True)] if binding.new_names_at_once else []
        return pairs + ([("accepted", False)] if pending else [])

    def _refused(self, ban: Ban, term: Term) -> Pairs:
        exact = ban.tiers == EXACTLY
        named = _name(ban.authority, ban.service, NameVerdict.REFUSE, exact)
        return [*named, *self._term(self._zones[ban.authority], term), *_unless([("reason", ban.reason)], "")]

    def _allowed(self, allowed: AllowedName) -> Pairs:
        named = _name(allowed.authority, name_text(allowed.name), NameVerdict.ALLOW, allowed.exact)
        term = Term(allowed.start, allowed.end, allowed.review_by)
        return [*named, *self._term(self._zones[allowed.authority], term), *_unless([("reason", allowed.reason)], "")]

    def _exemption(self, exemption: Exemption) -> Pairs:
        ban = self._bans[exemption.ban]
        time_zone = exemption.time_zone or self._zones[ban.authority]
        pairs: Pairs = [
            ("of", ban.authority),
            ("service", ban.service),
            ("ranges", [str(prefix) for prefix in sorted(exemption.ranges, key=prefix_order)]),
            *_unless([("site", exemption.site)], DEFAULT_SITE),
            *_interval(exemption.start, exemption.end, time_zone),
        ]
        pairs += _unless([("time_zone", time_zone)], self._zones[ban.authority])
        if exemption.hours:
            pairs.append(("hours", [_hours(hours, time_zone) for hours in exemption.hours]))
        pairs += _unless([("reason", exemption.reason)], "")
        return pairs + ([("approved", False)] if exemption.approved is None else [])


def _name(authority: str, name: str, verdict: NameVerdict, exact: bool) -> Pairs:
    pairs: Pairs = [("authority", authority), ("name", name), ("verdict", verdict)]
    return [*pairs, ("exact", True)] if exact else pairs


def _scope(given: Ban | ListVersion) -> Pairs:
    pairs: Pairs = []
    if given.reply is not Reply.REFUSED:
        pairs.append(("reply", given.reply))
    if given.addresses:
        pairs.append(("addresses", [str(address) for address in given.addresses]))
    if given.tiers != DEFAULT_TIERS:
        pairs.append(("tiers", sorted(given.tiers)))
    if given.funding != DEFAULT_FUNDING:
        pairs.append(("funding", _words(given.funding)))
    if given.audience != DEFAULT_AUDIENCE:
        pairs.append(("audience", _words(given.audience)))
    return pairs


def _authority(authority: Authority) -> Pairs:
    return [
        ("slug", authority.slug),
        ("kind", authority.kind),
        ("names", dict(authority.names)),
        ("languages", authority.languages),
        ("time_zone", authority.time_zone),
        ("contact", authority.contact),
        *_unless([("usage", authority.usage)], Usage.AUTHORITY),
        *_unless([("group", authority.group)], ""),
        *_unless([("public_register", authority.public_register)], False),
        *_unless([("filtering_database", authority.filtering_database)], ""),
        *_closing(authority),
    ]


def _closing(authority: Authority) -> Pairs:
    closing = authority.closing
    if closing is None:
        return []
    pairs: Pairs = [("closes", _beginning(closing.at, authority.time_zone))]
    pairs += _unless([("closed_reason", closing.reason)], "")
    return pairs if closing.successor is None else [*pairs, ("successor", closing.successor)]


def _range(entry: Range) -> Pairs:
    return [
        ("prefix", str(entry.prefix)),
        ("authority", entry.authority),
        *_unless([("site", entry.site)], DEFAULT_SITE),
        *_unless([("label", entry.label)], ""),
        ("funding", entry.funding),
        ("audience", entry.audience),
    ]


def _fleet(entry: Range, number: int) -> Pairs:
    derived = default_number(entry.site, entry.authority, entry.label)
    return [
        ("authority", entry.authority),
        *_unless([("site", entry.site)], DEFAULT_SITE),
        ("label", entry.label),
        ("funding", entry.funding),
        ("audience", entry.audience),
        *_unless([("number", number)], derived),
    ]


def _fleet_name(name: FleetName, time_zone: str) -> Pairs:
    pairs: Pairs = [("token", name.token)]
    if name.start:
        pairs.append(("from", _beginning(name.start, time_zone)))
    if name.end is not None:
        last = _end(name.end, time_zone)
        pairs.append(("end" if isinstance(last, datetime) else "until", last))
    return pairs


def _own_service(authority: str, service: Service) -> Pairs:
    domains = sorted(name_text(name) for tier in service.tiers for name in tier.domains)
    hosts = sorted(name_text(name) for tier in service.tiers for name in tier.hosts)
    return [
        ("authority", authority),
        ("slug", service.slug.partition(":")[2]),
        ("name", service.name),
        *_unless([("source", service.source), ("note", service.note)], ""),
        *([("domains", domains)] if domains else []),
        *([("hosts", hosts)] if hosts else []),
    ]


def _interval(start: Instant, end: Instant | None, time_zone: str) -> Pairs:
    pairs: Pairs = [("start", _beginning(start, time_zone))]
    if end is None:
        return pairs
    last = _end(end, time_zone)
    return [*pairs, ("end" if isinstance(last, datetime) else "until", last)]


def _end(at: Instant, time_zone: str) -> date:
    """Return the day that ends at `at`, a local midnight; else the instant in UTC."""
    day = last_day(at, time_zone)
    return day if after_day(day, time_zone) == at else _utc(at)


def _beginning(at: Instant, time_zone: str) -> date:
    """Return the day whose local midnight is `at`, else the instant in UTC."""
    day = local_day(at, time_zone)
    return day if local_midnight(day, time_zone) == at else _utc(at)


def _utc(at: Instant) -> datetime:
    return datetime.fromtimestamp(at, UTC)


def _date(text: str) -> str | date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return text
    return day if day.isoformat() == text else text


def _hours(hours: WeeklyHours, time_zone: str) -> str:
    return hours_text(hours) + ("" if hours.time_zone == time_zone else f" {hours.time_zone}")


def _words(words: Iterable[StrEnum]) -> list[str]:
    """Return an enumeration's words, in the order of its definition."""
    chosen = list(words)
    return [word for kind in {type(word) for word in chosen} for word in kind if word in chosen]


def _unless(pairs: Pairs, default: Value) -> Pairs:
    return [(key, value) for key, value in pairs if value != default]


def _block(header: str, pairs: Pairs) -> str:
    return "\n".join([header, *(f"{key} = {_toml(value)}" for key, value in pairs), ""])


def _toml(value: Value) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _string(value)
        case int():
            return str(value)
        case datetime():
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        case date():
            return value.isoformat()
        case Mapping():
            return "{ " + ", ".join(f"{_key(key)} = {_string(text)}" for key, text in value.items()) + " }"
        case _:
            return "[" + ", ".join(_toml(item) for item in value) + "]"


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("-", "").replace("_", "").isalnum() else _string(key)


def _string(text: str) -> str:
    return '"' + "".join(_ESCAPES.get(letter) or _letter(letter) for letter in text) + '"'


def _letter(letter: str) -> str:
    return f"\\u{ord(letter):04x}" if ord(letter) < 32 or ord(letter) == 127 else letter
