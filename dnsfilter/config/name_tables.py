"""Convert the tables [[name]] of a policy file. A refused name becomes a ban, with a term for each of its tables."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

from dnsfilter.config.locations import Fault, KeyPath
from dnsfilter.config.policy_schema import BanTable, NameTable
from dnsfilter.policy.bounds import MAX_NAME_MONTHS
from dnsfilter.policy.model import AllowedName, Ban, Instant, Mode, Policy, Service, Term, WireName
from dnsfilter.policy.single_names import (
    EXACTLY,
    WITH_ALL_BELOW,
    NameVerdict,
    contradictions,
    default_review,
    is_single_name,
    latest_end,
    parse_single_name,
    with_single_names,
)
from dnsfilter.wire.names import name_text, parse_name

GuardedFault: TypeAlias = Callable[[WireName, bool], str | None]
"""Return why a name, exactly it or with all below it, may not be refused by itself; None if it may."""
Tables: TypeAlias = Sequence[tuple[int, NameTable]]
"""Tables with their indices in the file."""


def unguarded(_name: WireName, _exact: bool) -> str | None:
    """Let every name be refused: the file is only read."""
    return None


class NameTables:
    """The single names of a file. Its tables of bans come first, at the positions `bans`."""

    def __init__(self, tables: Tables, bans: Sequence[int]) -> None:
        self._bans, self._positions = len(bans), bans
        self._allowed = [(index, table) for index, table in tables if table.verdict is NameVerdict.ALLOW]
        self._refused: dict[tuple[str, str], list[tuple[int, NameTable]]] = {}
        for index, table in tables:
            if table.verdict is NameVerdict.REFUSE:
                self._refused.setdefault((table.authority, name_text(table.name)), []).append((index, table))

    def numbers(self) -> Mapping[tuple[str, str], int]:
        """Return the number of each refused name as a ban, by authority and name."""
        return {key: number for number, key in enumerate(self._refused, self._bans + 1)}

    def services(self, known: Mapping[str, Service], bans: Sequence[BanTable]) -> Iterable[Service]:
        """Return the services that no authority defines, and those of single names.

        A single name may also have a table of `bans`, with other fields.
        """
        catalogue = {slug: one for slug, one in known.items() if one.authority is None and not is_single_name(slug)}
        return with_single_names(catalogue, [*_names(bans), *(name for _, name in self._refused)]).values()

    def refusals(self, term: Callable[[int, NameTable], Term]) -> Iterator[Ban]:
        """Yield a ban for each refused name. The last of several tables has its tiers and its reason."""
        for (authority, name), number in self.numbers().items():
            tables = self._refused[authority, name]
            last = tables[-1][1]
            yield Ban(
                number=number,
                authority=authority,
                service=name,
                mode=Mode.ENFORCE,
                terms=tuple(term(index, table) for index, table in tables),
                tiers=EXACTLY if last.exact else WITH_ALL_BELOW,
                reason=last.reason,
            )

    def allowed(self, term: Callable[[int, NameTable], Term]) -> Iterator[AllowedName]:
        """Yield the allowed names, numbered from 1."""
        for number, (index, table) in enumerate(self._allowed, 1):
            held = term(index, table)
            times = held.start, held.end, held.recorded, held.review_by
            yield AllowedName(number, table.authority, table.name, table.exact, *times, table.reason)

    def path_in_file(self, path: KeyPath) -> KeyPath:
        """Return the path of a single name in the file, for its path in the policy; other paths stay."""
        index = path[1] if len(path) > 1 else None
        if path[0] == "allowed" and isinstance(index, int):
            return ("name", self._allowed[index][0], *path[2:])
        if path[0] != "ban" or not isinstance(index, int) or index < self._bans:
            return path
        tables, rest = list(self._refused.values())[index - self._bans], path[2:]
        if len(rest) > 1 and rest[0] == "term" and isinstance(rest[1], int):
            return ("name", tables[rest[1]][0], *rest[2:])
        return ("name", tables[0][0], *rest)

    def faults(self, policy: Policy, guard: GuardedFault, now: Instant) -> Iterator[Fault]:
        """Yield the names that the guard forbids to refuse from `now` on, and contradictions."""
        for position, ban in zip(self._positions, policy.bans, strict=False):
            if _is_known(ban.service):
                exact = WITH_ALL_BELOW.isdisjoint(ban.tiers)
                yield from _guarded(ban, parse_name(ban.service), exact, ("ban", position, "service"), guard, now)
        by_key = {(ban.authority, ban.service): ban for ban in policy.bans[self._bans :]}
        for key, tables in self._refused.items():
            index, table = tables[-1]
            yield from _guarded(by_key[key], table.name, table.exact, ("name", index, "name"), guard, now)
        for allowed, ban in contradictions(policy):
            index = self._allowed[allowed.number - 1][0]
            message = f"{ban.authority} refuses {ban.service} meanwhile, which this would free: remove one of them"
            yield Fault(("name", index, "name"), message)


def time_of_name(start: Instant, end: Instant | None, review_by: Instant | None, first: Instant, zone: str) -> Term:
    """Return the time of a name, with a review in six months if the file gives neither end nor review."""
    return Term(start, end, default_review(start, zone) if end is None and review_by is None else review_by, first)


def too_late(term: Term, zone: str) -> str | None:
    """Return what is wrong with the end or the review of a name, or None."""
    latest = latest_end(term.start, zone)
    for what, at in (("ends", term.end), ("is reviewed", term.review_by)):
        if at is not None and at > latest:
            return f"{what} more than {MAX_NAME_MONTHS} months after its start: give an earlier time"
    return None


def _guarded(
    ban: Ban, name: WireName, exact: bool, path: KeyPath, guard: GuardedFault, now: Instant
) -> Iterator[Fault]:
    """Yield why a ban may not refuse a name. One that has ended refuses nothing."""
    fault = guard(name, exact)
    if fault is not None and not all(term.period.has_ended(now) for term in ban.terms):
        yield Fault(path, f"{fault}: refuse a longer name")


def _names(bans: Sequence[BanTable]) -> Iterator[str]:
    """Yield the services of bans that are names, as `parse_single_name` writes them."""
    return (table.service for table in bans if _is_known(table.service))


def _is_known(service: str) -> bool:
    """Return whether a service is a name, as `parse_single_name` writes it. Others are reported as unknown."""
    try:
        return is_single_name(service) and name_text(parse_single_name(service)) == service
    except ValueError:
        return False
