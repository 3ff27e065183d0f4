"""Add bans on single names to a rules file, as a node does by itself.

What the file has stays where it is, except rules: those of a class lie together. So the numbers of its bans, pairs and
counts stay the same, and new ones come after them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct

from dnsfilter.policy.extended_error import ede_code, filled_refusal
from dnsfilter.policy.intervals import union
from dnsfilter.policy.model import DEFAULT_AUDIENCE, DEFAULT_FUNDING, Reply
from dnsfilter.policy.rows import Effect
from dnsfilter.policy.single_names import EXACTLY, WITH_ALL_BELOW, LocalName
from dnsfilter.snapshot.layout import (
    BAN,
    BAN_COUNT,
    CLASS,
    CLASS_COUNT,
    GROUNDS,
    NONE,
    PAIR,
    REPLIES,
    RULE,
    RULE_COUNT,
    RULE_ENTRY,
    SPAN,
    STRING,
    STRUCTURED_TEXT,
    Kind,
    Part,
)
from dnsfilter.snapshot.names_file import NameEntry
from dnsfilter.snapshot.overlay import cut_spans
from dnsfilter.snapshot.rule_parts.class_scopes import ClassScope, read_class_scopes
from dnsfilter.snapshot.rule_parts.suspended import read_suspensions
from dnsfilter.snapshot.sections import Buffer, Section, read_file, write_file
from dnsfilter.telemetry.metrics import BanGround
from dnsfilter.wire.names import name_text

FIRST_LOCAL_BAN = 0xF000_0000
"""The number of the first ban of a node itself. Those of a policy are lower."""
_NO_TEXT = 0
"""The reference of the empty text: a name that is refused on a node has no reference in a register."""


def is_local_ban(number: int) -> bool:
    """Return whether a ban was added on the node itself."""
    return number >= FIRST_LOCAL_BAN


def with_bans(rules: Buffer, refused: Sequence[LocalName], entries: Sequence[NameEntry]) -> Buffer:
    """Return the rules file with a ban for each of these names, in the classes that a ban covers by default.

    `entries` are those of the names file, in order. Raise SnapshotError for a damaged file.
    """
    return _Added(read_file(Kind.RULES, rules), entries).file(refused)


@dataclass(slots=True)
class _Records:
    """The records of a section, to which others are added, each once."""

    shape: Struct
    data: bytearray
    _known: dict[bytes, int] = field(init=False)

    def __post_init__(self) -> None:
        size = self.shape.size
        pieces = (bytes(self.data[at : at + size]) for at in range(0, len(self.data), size))
        self._known = {piece: number for number, piece in reversed(list(enumerate(pieces)))}

    def add(self, *values: object) -> int:
        """Return the number of the record."""
        piece = self.shape.pack(*values)
        if piece not in self._known:
            self._known[piece] = len(self.data) // self.shape.size
            self.data += piece
        return self._known[piece]


class _Added:
    """The sections of a rules file while bans are added."""

    def __init__(self, parts: dict[Part, Section], entries: Sequence[NameEntry]) -> None:
        self._parts = parts
        self._entries = {(entry.service, entry.tier): number for number, entry in enumerate(entries)}
        self._strings = bytearray(parts[Part.STRINGS].data)
        self._known: dict[str, int] = {"": 0}
        self._bans = bytearray(parts[Part.BANS].data)
        self._spans = bytearray(parts[Part.SPANS].data)
        self._rule_entries = _Records(RULE_ENTRY, bytearray(parts[Part.RULE_ENTRIES].data))
        self._pairs = _Records(PAIR, self._by_text(Part.PAIRS, PAIR, 2))
        self._counts = _Records(BAN_COUNT, self._by_text(Part.BAN_COUNTS, BAN_COUNT, 5))
        self._concerned = {entry for (entry,) in parts[Part.CONCERNED].all_records(RULE_ENTRY)}
        self._suspensions = read_suspensions(parts.get(Part.SUSPENSIONS))

    def file(self, refused: Sequence[LocalName]) -> Buffer:
        """Return the file with a ban for each name."""
        parts = self._parts
        classes = tuple(parts[Part.CLASSES].all_records(CLASS))
        scopes = read_class_scopes(parts, len(classes))
        rule_counts = self._numbers(Part.RULE_COUNTS, RULE_COUNT, parts[Part.RULES].count(RULE))
        class_counts = self._numbers(Part.CLASS_COUNTS, CLASS_COUNT, len(classes))
        structured = self._numbers(Part.STRUCTURED_TEXTS, STRUCTURED_TEXT, len(rule_counts))
        bans = self._add_bans(refused)
        class_table, rules, counts, texts = bytearray(), bytearray(), list[int](), list[int]()
        for (slug, first, count), scope, counting in zip(classes, scopes, class_counts, strict=True):
            start = len(counts)
            rules += parts[Part.RULES].data[first * RULE.size : (first + count) * RULE.size]
            counts += rule_counts[first : first + count]
            texts += structured[first : first + count]
            authority = parts[Part.STRINGS].text(slug)
            if scope.funding in DEFAULT_FUNDING and scope.audience in DEFAULT_AUDIENCE:
                for index, name in bans.get(authority, ()):
                    rule, number = self._rule(index, name, scope, counted=counting != NONE)
                    rules += rule
                    counts.append(number)
                    texts.append(_NO_TEXT)
            class_table += CLASS.pack(slug, start, len(counts) - start)
        changed = {
            Part.CLASSES: class_table,
            Part.RULES: rules,
            Part.SPANS: self._spans,
            Part.RULE_ENTRIES: self._rule_entries.data,
            Part.BANS: self._bans,
            Part.PAIRS: self._pairs.data,
            Part.BAN_COUNTS: self._counts.data,
            Part.RULE_COUNTS: b"".join(map(RULE_COUNT.pack, counts)) if self._counts.data else b"",
            Part.CONCERNED: b"".join(map(RULE_ENTRY.pack, sorted(self._concerned))),
            Part.STRUCTURED_TEXTS: b"".join(map(STRUCTURED_TEXT.pack, texts if Part.STRUCTURED_TEXTS in parts else ())),
            Part.STRINGS: self._strings,
        }
        kept = {part: section.data for part, section in parts.items()}
        return write_file(Kind.RULES, {part: bytes(data) for part, data in {**kept, **changed}.items()}).data

    def _add_bans(self, refused: Sequence[LocalName]) -> dict[str, list[tuple[int, LocalName]]]:
        """Add each name to the table of bans. Return their indexes with the names, by authority."""
        found: dict[str, list[tuple[int, LocalName]]] = {}
        for offset, name in enumerate(refused):
            service = name_text(name.name)
            index = len(self._bans) // BAN.size
            slug, text = self._text(name.authority), self._text(service)
            self._bans += BAN.pack(FIRST_LOCAL_BAN + offset, slug, text, 0, 0, REPLIES.index(Reply.REFUSED))
            self._concerned.add(self._entries[service, _tier(name)])
            found.setdefault(name.authority, []).append((index, name))
        return found

    def _rule(self, ban: int, name: LocalName, scope: ClassScope, *, counted: bool) -> tuple[bytes, int]:
        """Return the rule of a ban for a class, and the number of its count."""
        service, slug = name_text(name.name), self._text(name.authority)
        pair = count = NONE
        if counted:
            pair = self._pairs.add(slug, self._text(service))
            networks = self._text(scope.counted[0]), self._text(scope.counted[1])
            count = self._counts.add(slug, self._text(service), slug, *networks, GROUNDS.index(BanGround.OWN))
        first, number = self._add_spans(name)
        text = self._text(filled_refusal(scope.template, service))
        entry = self._rule_entries.add(self._entries[service, _tier(name)])
        return RULE.pack(ban, entry, first, number, text, pair, 1, ede_code(False), False, False), count

    def _add_spans(self, name: LocalName) -> tuple[int, int]:
        aside = union((s.start, s.end) for s in self._suspensions if s.authority in (None, name.authority))
        spans = cut_spans(((name.start, name.end, Effect.ENFORCE),), aside)
        first = len(self._spans) // SPAN.size
        self._spans += b"".join(SPAN.pack(*span) for span in spans)
        return first, len(spans)

    def _text(self, text: str) -> int:
        """Return the reference of a text."""
        known = self._known.get(text)
        if known is None:
            known = self._known[text] = len(self._strings)
            content = text.encode()
            self._strings += STRING.pack(len(content)) + content
        return known

    def _by_text(self, part: Part, shape: Struct, texts: int) -> bytearray:
        """Return the records of a section, whose first values are references that become those of `_text`."""
        section = self._parts.get(part)
        for values in () if section is None else section.all_records(shape):
            for reference in values[:texts]:
                self._known.setdefault(self._parts[Part.STRINGS].text(reference), reference)
        return bytearray() if section is None else bytearray(section.data)

    def _numbers(self, part: Part, shape: Struct, wanted: int) -> list[int]:
        section = self._parts.get(part)
        return [NONE] * wanted if section is None else [number for (number,) in section.all_records(shape)]


def _tier(name: LocalName) -> int:
    return min(EXACTLY if name.exact else WITH_ALL_BELOW)
