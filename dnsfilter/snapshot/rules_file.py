"""The rules file: the effects of each ban for each class over time, refusal texts, and counters.

A *rule* is one ban for one class of ranges under one formal decision. Its *spans* are when it enforces, monitors or is
set aside. A renewed ban has a rule for each reference that it quotes; no two of them are in force at the same time.
An enforcing ban also has a rule for each instant from which some of its names are enforced: until then it monitors
them. These rules follow that of the other names, by instant. While a law asks for new names at once, one rule has all.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby
from operator import itemgetter
from typing import TypeVar

from dnsfilter.errors import PolicyError
from dnsfilter.policy.extended_error import ede_code, filled_refusal, refusal_template, structured_text
from dnsfilter.policy.model import Address, Authority, Ban, Ground, Instant, Mode, Policy, Service, Usage
from dnsfilter.policy.rows import ClassRows, Effect, RangeClass, Row, RowMaker
from dnsfilter.snapshot.layout import (
    ADDRESS,
    BAN,
    CLASS,
    NONE,
    REPLIES,
    RULE,
    RULE_ENTRY,
    SPAN,
    STRUCTURED_TEXT,
    Kind,
    Part,
)
from dnsfilter.snapshot.names_file import NameEntry
from dnsfilter.snapshot.rule_parts.allowed import allowed_sections
from dnsfilter.snapshot.rule_parts.class_scopes import class_scopes
from dnsfilter.snapshot.rule_parts.clients_noted import clients_noted
from dnsfilter.snapshot.rule_parts.counted import Counted
from dnsfilter.snapshot.rule_parts.fleet_names import fleet_name_records
from dnsfilter.snapshot.rule_parts.suspended import suspension_records
from dnsfilter.snapshot.sections import File, Slices, Strings, write_file

_Named = TypeVar("_Named")


def compile_rules(
    policy: Policy,
    classes: Sequence[RangeClass],
    entries: Sequence[NameEntry],
    since: Instant,
    maker: RowMaker | None = None,
) -> File:
    """Compile the rules file, without spans that ended before `since`. `entries` are those of the names file, in order.

    `maker` is a RowMaker of this policy, if rows are known from before. Raise PolicyError for an object that names one
    that does not exist.
    """
    maker = maker or RowMaker(policy)
    by_class = [(range_class, maker.class_rows(range_class, since)) for range_class in classes]
    others = {
        Part.SUSPENSIONS: suspension_records(policy.suspensions, since),
        Part.CLASS_CLIENTS: clients_noted(policy.authorities, classes, since),
        Part.FLEET_NAMES: fleet_name_records(policy.fleet_names, policy.ranges, since),
        **allowed_sections(policy.allowed, [each.authority for each in classes], since),
    }
    return _Writer(policy, entries, since).file(by_class, others)


def _by_decision(rows: Iterable[Row]) -> list[list[Row]]:
    """Return the rows of each ban, reference, ground and `at_once`, in the order of the first of them."""
    found: dict[tuple[int, str, Ground | None, bool], list[Row]] = {}
    for row in rows:
        found.setdefault((row.ban, row.reference, row.ground, row.at_once), []).append(row)
    return list(found.values())


class _Writer:
    """The sections while they grow. Equal slices of entries and spans are stored once."""

    def __init__(self, policy: Policy, entries: Sequence[NameEntry], since: Instant) -> None:
        self._policy = policy
        self._authorities: dict[str, Authority] = {authority.slug: authority for authority in policy.authorities}
        self._services: dict[str, Service] = {service.slug: service for service in policy.services}
        self._bans: dict[int, Ban] = {ban.number: ban for ban in policy.bans}
        self._entries: dict[tuple[str, int], list[tuple[Instant, int]]] = {}
        self._sorted: dict[tuple[str, frozenset[int]], list[tuple[Instant, int]]] = {}
        for number, (slug, tier, instant) in enumerate(entries):
            # Names that are no longer pending join the others.
            self._entries.setdefault((slug, tier), []).append((instant if instant > since else 0, number))
        self._templates: dict[tuple[str, str, str], str] = {}
        self._strings = Strings()
        self._ban_table = bytearray()
        self._ban_indexes: dict[int, int] = {}
        self._addresses = bytearray()
        self._spans = Slices()
        self._rule_entries = Slices()

    def file(self, by_class: list[tuple[RangeClass, ClassRows]], others: Mapping[Part, bytes]) -> File:
        """Return the complete file with these other sections."""
        counted = Counted(
            ((each, known.counted) for each, known in by_class if self._counts(each.authority)), self._bans
        )
        class_table, rules, rule_counts, structured = bytearray(), bytearray(), list[int](), list[int]()
        for range_class, known in by_class:
            authority = _named(self._authorities, range_class.authority, "authority")
            first, numbers = len(rule_counts), counted.numbers(range_class)
            for rows in _by_decision(known.rows):
                ban = self._bans[rows[0].ban]
                pair = counted.pairs.get((authority.slug, ban.service), NONE)
                text = self._structured(authority, rows)
                for enforced_from, entries in self._entry_groups(ban, at_once=rows[0].at_once):
                    rules += self._rule(authority, rows, pair, enforced_from, entries)
                    rule_counts.append(numbers.get((ban.number, rows[0].ground), NONE))
                    structured.append(text)
            class_table += CLASS.pack(self._strings.add(authority.slug), first, len(rule_counts) - first)
        scopes = class_scopes(self._strings, (range_class for range_class, _ in by_class), self._authorities)
        counts = counted.sections(self._strings, rule_counts, [range_class for range_class, _ in by_class])
        # Many bans are on the same tiers of the same service.
        banned = {(ban.service, ban.tiers): ban for ban in self._policy.bans}.values()
        concerned = sorted({entry for ban in banned for _, entry in self._entries_of(ban)})
        return write_file(
            Kind.RULES,
            {
                Part.STRINGS: self._strings.data(),
                Part.CLASSES: bytes(class_table),
                Part.RULES: bytes(rules),
                Part.SPANS: self._spans.data(),
                Part.RULE_ENTRIES: self._rule_entries.data(),
                Part.BANS: bytes(self._ban_table),
                Part.ADDRESSES: bytes(self._addresses),
                **counts,
                Part.CONCERNED: b"".join(RULE_ENTRY.pack(entry) for entry in concerned),
                Part.CLASS_SCOPES: scopes,
                Part.STRUCTURED_TEXTS: b"".join(map(STRUCTURED_TEXT.pack, structured if any(structured) else ())),
                **others,
            },
        )

    def _counts(self, authority: str) -> bool:
        return _named(self._authorities, authority, "authority").usage is not Usage.NONE

    def _rule(
        self, authority: Authority, rows: list[Row], pair: int, enforced_from: Instant, entries: list[int]
    ) -> bytes:
        ban = self._bans[rows[0].ban]
        service = _named(self._services, ban.service, "service")
        decider = _named(self._authorities, ban.authority, "authority")
        bound = rows[0].bound
        ordered = sorted(rows, key=lambda row: row.start)
        spans = [SPAN.pack(*span) for row in ordered for span in _spans(row, enforced_from)]
        return RULE.pack(
            self._ban(ban),
            self._rule_entries.add([RULE_ENTRY.pack(entry) for entry in entries]),
            self._spans.add(spans),
            len(spans),
            self._strings.add(self._refusal(rows[0].reference, service, decider, authority)),
            pair,
            len(entries),
            ede_code(bound),
            bound,
            enforced_from > 0,
        )

    def _refusal(self, reference: str, service: Service, decider: Authority, client: Authority) -> str:
        """Return the text of a refusal. One template serves all bans of an authority that quote the same reference."""
        key = reference, decider.slug, client.slug
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = refusal_template(reference, decider, client)
        return filled_refusal(template, service.name)

    def _structured(self, authority: Authority, rows: list[Row]) -> int:
        """Return the reference of the refusal as JSON."""
        decider = _named(self._authorities, self._bans[rows[0].ban].authority, "authority")
        return self._strings.add(structured_text(rows[0].reference, decider, authority, bound=rows[0].bound))

    def _entries_of(self, ban: Ban) -> list[tuple[Instant, int]]:
        """Return the entries of the ban's tiers, each with the instant from which it is enforced, in that order."""
        key = ban.service, ban.tiers
        found = self._sorted.get(key)
        if found is None:
            of_tiers = (self._entries.get((ban.service, tier), ()) for tier in ban.tiers)
            found = self._sorted[key] = sorted(chain.from_iterable(of_tiers))
        return found

    def _entry_groups(self, ban: Ban, *, at_once: bool) -> list[tuple[Instant, list[int]]]:
        """Return the entries of each rule of the ban, ascending, with the instant from which they are enforced."""
        entries = self._entries_of(ban)
        if ban.mode is not Mode.ENFORCE or not entries or at_once:
            return [(0, sorted(number for _, number in entries))]
        return [(instant, [number for _, number in group]) for instant, group in groupby(entries, itemgetter(0))]

    def _ban(self, ban: Ban) -> int:
        """Return the ban's index in the table."""
        index = self._ban_indexes.get(ban.number)
        if index is None:
            index = self._ban_indexes[ban.number] = len(self._ban_indexes)
            first = len(self._addresses) // ADDRESS.size
            self._addresses += b"".join(_packed(address) for address in ban.addresses)
            self._ban_table += BAN.pack(
                ban.number,
                self._strings.add(ban.authority),
                self._strings.add(ban.service),
                first,
                len(ban.addresses),
                REPLIES.index(ban.reply),
            )
        return index


def _spans(row: Row, enforced_from: Instant) -> Iterator[tuple[Instant, Instant, int]]:
    """Yield start, end and effect of a row for names that are enforced from that instant."""
    if row.effect is Effect.ENFORCE and row.start < enforced_from:
        yield row.start, min(row.end, enforced_from), Effect.MONITOR
        if enforced_from < row.end:
            yield enforced_from, row.end, Effect.ENFORCE
    else:
        yield row.start, row.end, row.effect


def _packed(address: Address) -> bytes:
    return ADDRESS.pack(address.version, address.packed)


def _named(things: Mapping[str, _Named], slug: str, what: str) -> _Named:
    try:
        return things[slug]
    except KeyError:
        raise PolicyError(f"compile rules: there is no {what} {slug!r}") from None
