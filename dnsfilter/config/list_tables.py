"""Convert the tables [[list]] and [[list_link]] of a policy file.

A version of a list makes a ban on each service that it adds, unless a table [[ban]] of the authority is on that
service. A link makes a binding of each ban on its list, unless a table [[binding]] binds its authority to that ban.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from dnsfilter.config.locations import Fault, KeyPath
from dnsfilter.config.policy_schema import (
    BanTable,
    BindingTable,
    ClosedDecisionTable,
    ListLinkTable,
    ListTable,
    ListVersionTable,
    ScopeTable,
)
from dnsfilter.config.table_times import TableTimes
from dnsfilter.policy.intervals import until
from dnsfilter.policy.model import (
    NOT_BY_LAW,
    Address,
    Audience,
    Ban,
    Binding,
    FormalDecision,
    Funding,
    OnList,
    Reply,
    Service,
    Term,
)
from dnsfilter.policy.prohibited_lists import LinkGround, ListLink, Lists, ListVersion, ProhibitedList
from dnsfilter.policy.single_names import is_single_name
from dnsfilter.policy.text_faults import slug_faults, text_fault

Numbers: TypeAlias = dict[tuple[str, str], int]
"""The number of each ban, by authority and service."""
_OF_LINK = ("authority", "start", "end", "instrument", "date")
"""Keys of a binding that its link gives."""


class Scope(NamedTuple):
    """How a ban refuses and what it covers, under the names that `Ban` and `ListVersion` have for it."""

    reply: Reply
    addresses: tuple[Address, ...]
    tiers: frozenset[int]
    funding: frozenset[Funding]
    audience: frozenset[Audience]


@dataclass(frozen=True, slots=True)
class _Made:
    """A ban that a version of a list makes. `path` is that of the version, with `position` among what it adds."""

    number: int
    prohibited_list: ProhibitedList
    service: str
    version: int
    path: KeyPath
    position: int


class ListTables:
    """The prohibited lists of a file. `numbers` has the `others`, bans of other tables. Those that lists make join."""

    def __init__(
        self,
        lists: Sequence[tuple[int, ListTable]],
        links: Sequence[tuple[int, ListLinkTable]],
        times: TableTimes,
        numbers: Numbers,
        others: int,
    ) -> None:
        self._tables, self._times, self._numbers, self._others = lists, times, numbers, others
        self._lists = {index: self._list(index, table) for index, table in lists}
        self._by_reference = {each.reference: each for each in reversed(self._lists.values())}
        self._made = list(self._make())
        self._link_tables = dict(links)
        self._links = {
            index: self._link(index, table) for index, table in links if table.prohibited_list in self._by_reference
        }
        self._brought: list[int] = []
        """The index in the file of the link that makes each binding after those of other tables."""

    def bans(self, services: Mapping[str, Service]) -> Iterator[Ban]:
        """Yield the bans that versions make."""
        for made in self._made:
            version, owner = made.prohibited_list.versions[made.version - 1], made.prohibited_list.authority
            on_list = OnList(made.prohibited_list.reference, made.version)
            yield version.ban(made.number, owner, made.service, services.get(made.service), on_list)

    def bindings(self, tables: Sequence[tuple[BindingTable, Binding]]) -> list[Binding]:
        """Return the bindings that links make, numbered after those of tables."""
        bound = {(binding.ban, binding.authority) for _, binding in tables}
        found: list[Binding] = []
        for index, link in self._links.items():
            table = self._link_tables[index]
            brought = {held.number for written, held in tables if self._link_of(written, held) == index}
            for number in self._listed(table) if link.ground is not LinkGround.FOLLOWING else ():
                if (number, link.authority) not in bound:
                    first = self._times.loaded(("list_link", index), table.prohibited_list)
                    found.append(link.binding(len(tables) + len(found) + 1, number, first))
                    self._brought.append(index)
                    brought.add(found[-1].number)
            self._links[index] = replace(link, bindings=frozenset(brought))
        return found

    def lists(self) -> Lists:
        """Return the lists and the links, which know their bindings by now."""
        return Lists(tuple(self._lists.values()), tuple(self._links.values()))

    def path_of_ban(self, path: KeyPath) -> KeyPath:
        """Return the path in the file for that of a ban in the policy; other paths stay."""
        position = path[1] if len(path) > 1 else None
        if path[0] != "ban" or not isinstance(position, int) or position < self._others:
            return path
        made, rest = self._made[position - self._others], path[2:]
        match rest[:1]:
            case ("service",):
                return (*made.path, "adds", made.position)
            case ("authority",):
                return (*made.path[:2], "authority")
            case _:
                return (*made.path, *rest)

    def path_of_binding(self, path: KeyPath, others: int) -> KeyPath:
        """Return the path in the file for that of a binding in the policy; `others` come from tables of bindings."""
        position = path[1] if len(path) > 1 else None
        if path[0] != "binding" or not isinstance(position, int) or position < others:
            return path
        index = self._brought[position - others]
        return ("list_link", index, *(part for part in path[2:] if part in _OF_LINK))

    def faults(
        self, bans: Sequence[tuple[int, BanTable]], bindings: Sequence[tuple[int, BindingTable]]
    ) -> Iterator[Fault]:
        """Yield what is wrong with the lists, their links, and what other tables say about them."""
        seen: set[str] = set()
        for index, table in self._tables:
            path: KeyPath = ("list", index)
            reference = self._lists[index].reference
            if reference in seen:
                yield Fault((*path, "slug"), f"{reference!r} is used twice")
            seen.add(reference)
            yield from self._list_faults(path, table)
        for index, link in self._link_tables.items():
            if index in self._links:
                yield from self._link_faults(("list_link", index), link, self._links[index])
            else:
                yield from self._unknown(("list_link", index, "list"), link.prohibited_list)
        for index, ban in bans:
            yield from self._ban_faults(("ban", index), ban)
        for index, binding in bindings:
            if binding.from_list is not None and binding.from_list not in self._by_reference:
                yield from self._unknown(("binding", index, "list"), binding.from_list)
            elif binding.from_list is not None and not self._linked(binding):
                message = f"no [[list_link]] of {binding.from_list} by {binding.ground} to {binding.authority}"
                yield Fault(("binding", index, "list"), f"{message}: add it, or leave list out")

    def _make(self) -> Iterator[_Made]:
        number = self._others
        for index, table in self._tables:
            wanted = self._lists[index]
            for service, version in wanted.service_versions.items():
                written = table.version[version - 1]
                key = wanted.authority, service
                if written is not None and service not in written.without and key not in self._numbers:
                    number += 1
                    self._numbers[key] = number
                    path = ("list", index, "version", version - 1)
                    yield _Made(number, wanted, service, version, path, written.adds.index(service))

    def _list(self, index: int, table: ListTable) -> ProhibitedList:
        versions = tuple(
            ListVersion() if version is None else self._version(("list", index, "version", position), table, version)
            for position, version in enumerate(table.version)
        )
        named = table.authority, table.slug, table.title, table.category
        return ProhibitedList(*named, tuple(table.services), versions, tuple(table.declined))

    def _version(self, path: KeyPath, owner: ListTable, table: ListVersionTable) -> ListVersion:
        zone = self._times.zone(owner.authority)
        terms: list[Term] = []
        for position, term in enumerate(table.term):
            at: KeyPath = (*path, "term", position)
            if term is not None:
                # Equal terms of two versions are loaded at times of their own.
                first = self._times.loaded(at, owner.authority, owner.slug, str(path[-1]))
                start, end = self._times.interval(at, term, first, zone)
                terms.append(Term(start, end, self._times.review(at, term, start, zone), first))
        decided = formal(table.decision), tuple(terms), table.mode
        return replace(ListVersion(tuple(table.adds), tuple(table.removes), *decided), **scope(table)._asdict())

    def _link(self, index: int, table: ListLinkTable) -> ListLink:
        path: KeyPath = ("list_link", index)
        first = self._times.loaded(path, table.prohibited_list)
        start, end = self._times.interval(path, table, first, self._times.zone(table.authority))
        named = table.prohibited_list, table.authority, table.ground, table.instrument, table.date
        return ListLink(*named, start, end, new_names_at_once=table.new_names_at_once)

    def _listed(self, table: ListLinkTable) -> Iterator[int]:
        """Yield the numbers of the bans on a list that its link brings."""
        prohibited = self._by_reference[table.prohibited_list]
        for service in prohibited.service_versions:
            number = self._numbers.get((prohibited.authority, service))
            if number is not None and service not in table.without:
                yield number

    def _linked(self, table: BindingTable) -> list[int]:
        """Return the indices of the links that may have brought the binding of a table."""
        return [
            index
            for index, link in self._links.items()
            if link.prohibited_list == table.from_list
            and (link.authority, str(link.ground)) == (table.authority, str(table.ground))
            and link.prohibited_list.partition("/")[0] == table.of
        ]

    def _link_of(self, table: BindingTable, held: Binding) -> int | None:
        """Return the index of the link that brought a binding: of several, the one that ends first, but not before."""
        if table.from_list is None:
            return None
        ends = {index: until(self._links[index].end) for index in self._linked(table)}
        later = {index: end for index, end in ends.items() if end >= until(held.end)}
        return min(later or ends, key=ends.__getitem__, default=None)

    def _list_faults(self, path: KeyPath, table: ListTable) -> Iterator[Fault]:
        if table.authority not in self._times.zones:
            yield Fault((*path, "authority"), f"there is no authority {table.authority!r}")
        for problem in slug_faults("", table.slug):
            yield Fault((*path, "slug"), problem.message)
        for key, text in (("title", table.title), ("category", table.category)):
            fault = text_fault(text)
            if fault is not None:
                yield Fault((*path, key), fault)
        if table.declined and not table.category:
            yield Fault((*path, "declined"), "are services of a category: give it, or leave declined out")
        if table.services and table.version:
            message = "are those of a list without a version: name them in adds of a version"
            yield Fault((*path, "services"), message)
        if not table.services and not table.version:
            yield Fault(path, "has no service: give services, or a [[list.version]] with adds")
        yield from _not_services((*path, "services"), table.services)
        on: set[str] = set()
        for position, version in enumerate(table.version):
            if version is not None:
                yield from self._version_faults((*path, "version", position), version, on)
                on = (on | set(version.adds)) - set(version.removes)

    def _version_faults(self, path: KeyPath, table: ListVersionTable, on: Collection[str]) -> Iterator[Fault]:
        if not table.adds and not table.removes:
            yield Fault(path, "changes nothing: give adds or removes")
        yield from _not_services((*path, "adds"), table.adds)
        for position, service in enumerate(table.adds):
            if service in on:
                yield Fault((*path, "adds", position), f"{service} is on the list already: leave it out")
        for position, service in enumerate(table.removes):
            if service not in on:
                yield Fault((*path, "removes", position), f"{service} is not on the list: leave it out")
        for position, service in enumerate(table.without):
            if service not in table.adds:
                yield Fault((*path, "except", position), f"{service} is not in adds of this version: leave it out")
        if not table.term and any(made.path == path for made in self._made):
            yield Fault(path, "has no term, and its bans need one: add [[list.version.term]]")

    def _link_faults(self, path: KeyPath, table: ListLinkTable, link: ListLink) -> Iterator[Fault]:
        prohibited = self._by_reference[table.prohibited_list]
        if table.authority not in self._times.zones:
            yield Fault((*path, "authority"), f"there is no authority {table.authority!r}")
        if table.authority == prohibited.authority:
            yield Fault((*path, "authority"), f"{prohibited.reference} is its own list: name another authority")
        if table.ground is LinkGround.FOLLOWING:
            for key, given in (("instrument", table.instrument), ("date", table.date)):
                if given:
                    yield Fault((*path, key), "following rests on no instrument: leave it out")
            if table.without:
                yield Fault((*path, "except"), "following brings no binding: leave it out")
        if table.new_names_at_once and table.ground is not LinkGround.LAW:
            yield Fault((*path, "new_names_at_once"), NOT_BY_LAW)
        for key, text in (("instrument", table.instrument), ("date", table.date)):
            fault = text_fault(text)
            if fault is not None:
                yield Fault((*path, key), fault)
        for position, service in enumerate(table.without):
            if service not in prohibited.service_versions:
                yield Fault((*path, "except", position), f"{service} is not on {prohibited.reference}: leave it out")
        if link.end is not None and link.end <= link.start:
            yield Fault(path, "ends at or before its start: give a later end")

    def _ban_faults(self, path: KeyPath, ban: BanTable) -> Iterator[Fault]:
        if ban.from_list is None:
            if ban.list_version is not None:
                yield Fault((*path, "list_version"), "needs list: the prohibited list as authority/slug")
            return
        prohibited = self._by_reference.get(ban.from_list)
        if prohibited is None:
            yield from self._unknown((*path, "list"), ban.from_list)
        elif ban.list_version is None:
            yield Fault((*path, "list"), "needs list_version: the version that added the service")
        elif ban.list_version > len(prohibited.versions):
            message = f"{ban.from_list} has no version {ban.list_version}: the last is {len(prohibited.versions)}"
            yield Fault((*path, "list_version"), message)
        elif ban.service not in prohibited.versions[ban.list_version - 1].adds:
            message = f"version {ban.list_version} of {ban.from_list} does not add {ban.service}"
            yield Fault((*path, "list_version"), f"{message}: give the one that does")

    def _unknown(self, path: KeyPath, reference: str) -> Iterator[Fault]:
        known = ", ".join(self._by_reference) or "the file has none"
        yield Fault(path, f"there is no prohibited list {reference!r}: known are {known}")


def _not_services(path: KeyPath, services: Sequence[str]) -> Iterator[Fault]:
    for position, service in enumerate(services):
        if is_single_name(service):
            yield Fault((*path, position), f"{service!r} is a name, not a service: refuse it with [[name]]")
        if service in services[:position]:
            yield Fault((*path, position), f"{service} is there twice: leave it out once")


def formal(table: ClosedDecisionTable) -> FormalDecision:
    """Return a formal decision, without the ban that it follows."""
    return FormalDecision(table.organ, table.reference, table.date, table.legal_basis, table.advice, table.link)


def scope(table: ScopeTable) -> Scope:
    """Return how a ban refuses and what it covers. Faulty items are left out."""
    return Scope(
        table.reply,
        tuple(address for address in table.addresses if address is not None),
        frozenset(tier for tier in table.tiers if tier is not None),
        frozenset(word for word in table.funding if word is not None),
        frozenset(word for word in table.audience if word is not None),
    )
