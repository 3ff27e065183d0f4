"""Convert policy.toml to a `Policy`: dates become instants (`table_times.py`), and names become references."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TypeVar

from dnsfilter.config.file_schema import read_tables
from dnsfilter.config.fleet_tables import FleetTables
from dnsfilter.config.list_tables import ListTables, formal, scope
from dnsfilter.config.locations import Fault, KeyPath, Written, parse_path, parse_toml
from dnsfilter.config.name_tables import GuardedFault, NameTables, time_of_name, too_late, unguarded
from dnsfilter.config.policy_schema import (
    AuthorityTable,
    BanTable,
    BindingTable,
    DecisionTable,
    ExemptionTable,
    NameTable,
    PolicyFile,
    ServiceTable,
    TermTable,
)
from dnsfilter.config.table_times import TableTimes, instant_of
from dnsfilter.errors import ConfigError
from dnsfilter.policy.calendar import (
    after_day,
    parse_hours,
    zone,
)
from dnsfilter.policy.faults import problems
from dnsfilter.policy.model import (
    DEFAULT_SITE,
    Authority,
    Ban,
    Binding,
    Closing,
    Exemption,
    FormalDecision,
    Ground,
    Instant,
    OnList,
    Policy,
    Range,
    Service,
    Site,
    Term,
    Tier,
    WeeklyHours,
)
from dnsfilter.policy.prohibited_lists import Lists

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Loaded:
    """A policy file: its policy, the lists that some of its bans come from, and when each item was loaded first."""

    policy: Policy
    lists: Lists
    times: Mapping[str, Instant]


def parse_policy(
    text: str,
    location: str,
    *,
    services: Mapping[str, Service],
    now: Instant,
    revision: int = 1,
    guard: GuardedFault = unguarded,
) -> Policy:
    """Return the policy in `text`, as loaded at `now`. Of `services` it has those that no authority defines.

    Bans, bindings, exemptions and allowed names are numbered from 1 in file order. Refused names follow the other bans,
    and then what prohibited lists make: bans, and the bindings of their links.
    Terms and names are recorded, agreements accepted and exemptions approved at `now`. `guard` says which names may not
    be refused by themselves. Raise ConfigError with every problem. `location` stands for the file in the problems.
    """
    return parse_loaded(text, location, services=services, now=now, revision=revision, loaded={}, guard=guard).policy


def parse_loaded(
    text: str,
    location: str,
    *,
    services: Mapping[str, Service],
    now: Instant,
    revision: int = 1,
    loaded: Mapping[str, Instant],
    guard: GuardedFault = unguarded,
) -> Loaded:
    """Do as `parse_policy`, with items loaded at the times in `loaded`, others at `now`. Also return these times."""
    written = parse_toml(text, location)
    file, faults = read_tables(PolicyFile, written.data)
    if file is None:
        raise ConfigError(written.problems(faults))
    conversion = _Conversion(file, written, TableTimes(written, now, loaded, faults), faults)
    policy = conversion.policy(services, revision)
    faults += conversion.names.faults(policy, guard, now)
    faults += conversion.fleets.faults()
    faults += conversion.lists.faults(_present(file.ban), _present(file.binding))
    blamed = {fault.path[:length] for fault in faults for length in range(3, len(fault.path) + 1)}
    for problem in problems(policy):
        path = conversion.path_in_file(parse_path(problem.location))
        # A problem of a value that only replaces a faulty one is not reported.
        if path not in blamed:
            faults.append(Fault(path, problem.message))
    if faults:
        raise ConfigError(written.problems(faults))
    return Loaded(policy, conversion.lists.lists(), conversion.times.used)


def _present(items: list[T | None]) -> list[tuple[int, T]]:
    return [(index, item) for index, item in enumerate(items) if item is not None]


@dataclass(slots=True)
class _Conversion:
    """The conversion of one file to a policy. `positions` holds the file's index of each converted item, per table."""

    file: PolicyFile
    written: Written
    times: TableTimes
    faults: list[Fault]
    positions: dict[str, list[int]] = field(default_factory=dict)
    numbers: dict[tuple[str, str], int] = field(default_factory=dict)
    names: NameTables = field(init=False)
    lists: ListTables = field(init=False)
    fleets: FleetTables = field(init=False)

    def policy(self, services: Mapping[str, Service], revision: int) -> Policy:
        file = self.file
        for _, authority in _present(file.authority):
            self.times.zones[authority.slug] = authority.time_zone
        for number, (_, ban) in enumerate(self._kept("ban", file.ban), 1):
            self.numbers.setdefault((ban.authority, ban.service), number)
        self.names = NameTables(_present(file.name), self.positions["ban"])
        for key, number in self.names.numbers().items():
            self.numbers.setdefault(key, number)
        others = len(self.positions["ban"]) + len(self.names.numbers())
        self.lists = ListTables(_present(file.lists), _present(file.list_link), self.times, self.numbers, others)
        allowed = tuple(self.names.allowed(self._time_of_name))
        bindings = [(table, self._binding(index, table)) for index, table in _present(file.binding)]
        bound = [(table, binding) for table, binding in bindings if binding is not None]
        exemptions = [self._exemption(index, table) for index, table in _present(file.exemption)]
        # The file's own services come first: their positions are those of their tables.
        known = (
            *(_own_service(table) for _, table in self._kept("service", file.service)),
            *self.names.services(services, [ban for _, ban in _present(file.ban)]),
        )
        ranges = [
            Range(table.prefix, table.authority, table.funding, table.audience, table.label, table.site)
            for _, table in self._kept("range", file.range)
        ]
        self.fleets = FleetTables(_present(file.fleet), len(ranges), self.times.zone)
        return Policy(
            revision=revision,
            authorities=tuple(self._authority(*item) for item in self._kept("authority", file.authority)),
            sites=self._sites(),
            ranges=(*ranges, *self.fleets.ranges()),
            fleet_names=tuple(self.fleets.names()),
            services=known,
            bans=(
                *(self._ban(index, number, table) for number, (index, table) in enumerate(_present(file.ban), 1)),
                *self.names.refusals(self._time_of_name),
                *self.lists.bans({service.slug: service for service in known}),
            ),
            allowed=allowed,
            bindings=(*(binding for _, binding in bound), *self.lists.bindings(bound)),
            exemptions=tuple(exemption for exemption in exemptions if exemption is not None),
        )

    def path_in_file(self, path: KeyPath) -> KeyPath:
        """Convert a path with indices of the policy's tuples to one with indices of the file."""
        if len(path) < 2 or not isinstance(path[1], int):
            return path
        listed = self.lists.path_of_binding(self.lists.path_of_ban(path), len(self.positions.get("binding", ())))
        if listed != path:
            return self._spelt(listed)
        named = self.fleets.path_in_file(self.names.path_in_file(path))
        if named != path:
            return self._spelt(named)
        positions = self.positions.get(str(path[0]), [])
        index = positions[path[1]] if path[1] < len(positions) else path[1]
        path = (path[0], index, *path[2:])
        return self._spelt(path)

    def _spelt(self, path: KeyPath) -> KeyPath:
        """Return the path of an end as it is written: it is checked as an instant, but has one of three keys."""
        if path[-1] == "end" and not self.written.holds(path):
            spelt = [(*path[:-1], key) for key in ("until", "for") if self.written.holds((*path[:-1], key))]
            return spelt[0] if spelt else path
        return path

    def _kept(self, table: str, items: list[T | None]) -> list[tuple[int, T]]:
        kept = _present(items)
        self.positions[table] = [index for index, _ in kept]
        return kept

    def _authority(self, index: int, table: AuthorityTable) -> Authority:
        return Authority(
            slug=table.slug,
            kind=table.kind,
            names=tuple(table.names.items()),
            languages=tuple(table.languages),
            time_zone=table.time_zone,
            contact=table.contact,
            usage=table.usage,
            group=table.group,
            closing=self._closing(index, table),
            public_register=table.public_register,
            filtering_database=table.filtering_database,
        )

    def _closing(self, index: int, table: AuthorityTable) -> Closing | None:
        if table.closes is None:
            item = self.written.data["authority"][index]
            for key in () if "closes" in item else ("closed_reason", "closed_decision", "successor"):
                if key in item:
                    self.faults.append(Fault(("authority", index, key), "needs closes: set when the authority closes"))
            return None
        at = instant_of(table.closes, self.times.zone(table.slug))
        return Closing(at, table.closed_reason, formal(table.closed_decision), table.successor)

    def _sites(self) -> tuple[Site, ...]:
        sites = tuple(Site(table.slug, table.name) for _, table in self._kept("site", self.file.site))
        if any(site.slug == DEFAULT_SITE for site in sites):
            return sites
        self.positions["site"].insert(0, -1)
        return (Site(DEFAULT_SITE), *sites)

    def _ban(self, index: int, number: int, table: BanTable) -> Ban:
        path: KeyPath = ("ban", index)
        return Ban(
            number=number,
            authority=table.authority,
            service=table.service,
            mode=table.mode,
            terms=tuple(self._term((*path, "term", position), table, term) for position, term in enumerate(table.term)),
            **scope(table)._asdict(),
            decision=self._decision((*path, "decision"), table, table.decision),
            provisional=table.provisional,
            off_until=self._off_until(table),
            on_list=None if table.from_list is None else OnList(table.from_list, table.list_version or 0),
        )

    def _off_until(self, table: BanTable) -> Instant | None:
        """Return when the mode returns. A date is the last day off, as in `until`."""
        end = table.off_until
        if end is None:
            return None
        time_zone = self.times.zone(table.authority)
        return instant_of(end, time_zone) if isinstance(end, datetime) else after_day(end, time_zone)

    def _time_of_name(self, index: int, table: NameTable) -> Term:
        path: KeyPath = ("name", index)
        first, time_zone = self.times.loaded(path), self.times.zone(table.authority)
        start, end = self.times.interval(path, table, first, time_zone)
        term = time_of_name(start, end, self.times.review(path, table, start, time_zone), first, time_zone)
        fault = too_late(term, time_zone)
        if fault is not None:
            self.faults.append(Fault(path, fault))
        return term

    def _term(self, path: KeyPath, ban: BanTable, table: TermTable | None) -> Term:
        if table is None:
            return Term(self.times.now, end=self.times.now + 1, recorded=self.times.now)
        first = self.times.loaded(path, ban.authority, ban.service)
        time_zone = self.times.zone(ban.authority)
        start, end = self.times.interval(path, table, first, time_zone)
        review_by = self.times.review(path, table, start, time_zone)
        return Term(start, end, review_by, first, self._decision((*path, "decision"), ban, table.decision))

    def _decision(self, path: KeyPath, ban: BanTable, table: DecisionTable) -> FormalDecision:
        follows = None
        if table.follows is not None:
            follows = self.numbers.get((table.follows, ban.service))
            if follows is None:
                self.faults.append(Fault((*path, "follows"), f"{table.follows!r} has no ban of {ban.service} here"))
        return replace(formal(table), follows=follows)

    def _binding(self, index: int, table: BindingTable) -> Binding | None:
        path: KeyPath = ("binding", index)
        first = self.times.loaded(path)
        start, end = self.times.interval(path, table, first, self.times.zone(table.of))
        ban = self._ban_of(path, table.of, table.service)
        if ban is None:
            return None
        self.positions.setdefault("binding", []).append(index)
        return Binding(
            number=len(self.positions["binding"]),
            ban=ban,
            authority=table.authority,
            ground=table.ground,
            start=start,
            end=end,
            accepted=first if table.accepted and table.ground is Ground.AGREEMENT else None,
            recorded=first,
            instrument=table.instrument,
            date=table.date,
            new_names_at_once=table.new_names_at_once,
        )

    def _exemption(self, index: int, table: ExemptionTable) -> Exemption | None:
        path: KeyPath = ("exemption", index)
        first = self.times.loaded(path)
        own_zone = self._known_zone((*path, "time_zone"), table.time_zone)
        time_zone = own_zone or self.times.zone(table.of)
        start, end = self.times.interval(path, table, first, time_zone)
        hours = tuple(self._hours((*path, "hours"), text, time_zone) for text in table.hours)
        ban = self._ban_of(path, table.of, table.service)
        if end is None:
            self.faults.append(Fault(path, "has no end: set until, end or for, at most a year after the start"))
        if ban is None or end is None:
            return None
        self.positions.setdefault("exemption", []).append(index)
        return Exemption(
            number=len(self.positions["exemption"]),
            ban=ban,
            ranges=frozenset(prefix for prefix in table.ranges if prefix is not None),
            start=start,
            end=end,
            hours=tuple(entry for entry in hours if entry is not None),
            site=table.site,
            reason=table.reason,
            approved=first if table.approved else None,
            time_zone=own_zone,
        )

    def _known_zone(self, path: KeyPath, time_zone: str) -> str:
        """Return the zone, or an empty text if it is faulty and reported as such."""
        try:
            if time_zone:
                zone(time_zone)
        except ValueError as error:
            self.faults.append(Fault(path, str(error)))
            return ""
        return time_zone

    def _hours(self, path: KeyPath, text: str, time_zone: str) -> WeeklyHours | None:
        """Return weekly hours, in the exemption's zone unless the text ends in another ("Mon 09:00-12:00 UTC")."""
        words = text.split()
        if len(words) > 2 and words[-1][:1].isalpha():
            text, time_zone = " ".join(words[:-1]), words[-1]
        try:
            return parse_hours(text, time_zone)
        except ValueError as error:
            self.faults.append(Fault(path, str(error)))
            return None

    def _ban_of(self, path: KeyPath, authority: str, service: str) -> int | None:
        number = self.numbers.get((authority, service))
        if number is None:
            self.faults.append(Fault((*path, "of"), f"{authority!r} has no ban of {service!r} here"))
        return number


def _own_service(table: ServiceTable) -> Service:
    """Return an own service. All its names are in tier 1."""
    domains, hosts = (frozenset(name for name in names if name is not None) for names in (table.domains, table.hosts))
    tiers = (Tier(1, domains, hosts),)
    return Service(f"{table.authority}:{table.slug}", table.name, tiers, table.source, table.note)
