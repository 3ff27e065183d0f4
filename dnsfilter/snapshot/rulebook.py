"""A rules file, read in place: classes, their rules, and the effect of each at a time."""

from bisect import bisect_right
from dataclasses import dataclass

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.intervals import FOREVER, union
from dnsfilter.policy.model import Instant, Reply
from dnsfilter.policy.rows import Effect
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
from dnsfilter.snapshot.rule_parts.allowed import AllowedTable
from dnsfilter.snapshot.rule_parts.clients_noted import read_clients_noted
from dnsfilter.snapshot.rule_parts.counted import read_counts
from dnsfilter.snapshot.rule_parts.suspended import read_suspensions
from dnsfilter.snapshot.sections import Buffer, read_file

_PACKED_SIZES = {4: 4, 6: 16}
_EFFECTS = {int(effect): effect for effect in Effect}


@dataclass(frozen=True, slots=True)
class BanView:
    """The data of a ban that a reply needs. `addresses` are packed; `ede` and `text` are those of a refusal here.

    `structured` is the text as JSON, or empty.
    """

    number: int
    authority: str
    service: str
    reply: Reply
    addresses: tuple[bytes, ...]
    ede: int
    text: str
    bound: bool
    structured: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """One ban for one class. `pair` and `count`, its ban count, are -1 if nothing is counted.

    While a `pending` rule monitors, its names are pending.
    """

    ban: BanView
    entries: frozenset[int]
    pair: int
    count: int
    first_span: int
    spans: int
    pending: bool


class RuleTable:
    """The rules of every class. Those of a class become Python objects when it is first asked for."""

    __slots__ = (
        "_bans",
        "_classes",
        "_known",
        "_structured",
        "all_suspended",
        "allowed",
        "authorities",
        "clients_noted",
        "concerned",
        "counts",
        "parts",
        "suspensions",
    )

    def __init__(self, buffer: Buffer) -> None:
        """Check the complete file. Raise SnapshotError if it is damaged.

        Later, no method raises because of its content.
        """
        self.parts = read_file(Kind.RULES, buffer)
        strings = self.parts[Part.STRINGS]
        classes = tuple(self.parts[Part.CLASSES].all_records(CLASS))
        self.authorities: tuple[str, ...] = tuple(strings.text(authority) for authority, _, _ in classes)
        self.counts = read_counts(self.parts, self.parts[Part.RULES].count(RULE), self.authorities)
        self.clients_noted = read_clients_noted(self.parts.get(Part.CLASS_CLIENTS), len(classes))
        self.concerned = frozenset(entry for (entry,) in self.parts[Part.CONCERNED].all_records(RULE_ENTRY))
        self.allowed = AllowedTable(self.parts, len(classes))
        self._bans = tuple(self._read_ban(*record) for record in self.parts[Part.BANS].all_records(BAN))
        self._structured = self.parts.get(Part.STRUCTURED_TEXTS)
        self._check_spans()
        self._check_rules()
        self._check_structured()
        self._classes: tuple[tuple[int, int], ...] = tuple((first, count) for _, first, count in classes)
        for first, count in self._classes:
            self.parts[Part.RULES].check_slice(RULE, first, count)
        self._known: dict[int, tuple[Rule, ...]] = {}
        self.suspensions = read_suspensions(self.parts.get(Part.SUSPENSIONS))
        self.all_suspended = union((each.start, each.end) for each in self.suspensions if each.authority is None)

    def rules(self, class_index: int) -> tuple[Rule, ...]:
        """Return the rules of a class, by the number of their ban."""
        known = self._known.get(class_index)
        if known is None:
            first, count = self._classes[class_index]
            records = enumerate(self.parts[Part.RULES].records(RULE, first, count), first)
            known = self._known[class_index] = tuple(self._read_rule(number, *record) for number, record in records)
        return known

    def effect(self, rule: Rule, at: Instant) -> Effect | None:
        """Return the effect of the rule at `at`, or None."""
        index = self._span_index(rule, at)
        if index < rule.first_span:
            return None
        _start, end, effect = self.parts[Part.SPANS].record(SPAN, index)
        return _EFFECTS[effect] if at < end else None

    def next_change(self, rule: Rule, at: Instant) -> Instant | None:
        """Return the first time after `at` at which one of the rule's spans starts or ends, or None."""
        index = self._span_index(rule, at)
        spans = self.parts[Part.SPANS]
        changes: list[Instant] = []
        if index >= rule.first_span:
            changes.append(spans.record(SPAN, index)[1])
        if index + 1 < rule.first_span + rule.spans:
            changes.append(spans.record(SPAN, index + 1)[0])
        return min((change for change in changes if at < change < FOREVER), default=None)

    def _span_index(self, rule: Rule, at: Instant) -> int:
        """Return the index of the rule's last span that starts by `at`, or one less than its first if none does."""
        end = rule.first_span + rule.spans
        return bisect_right(range(end), at, lo=rule.first_span, key=self._span_start) - 1

    def _span_start(self, index: int) -> Instant:
        start: Instant = self.parts[Part.SPANS].record(SPAN, index)[0]
        return start

    def _read_ban(self, number: int, authority: int, service: int, first: int, count: int, reply: int) -> BanView:
        """Return the ban without the data that a class adds to it."""
        if reply >= len(REPLIES):
            raise SnapshotError(f"read snapshot: ban {number} has the unknown reply {reply}")
        strings = self.parts[Part.STRINGS]
        addresses = []
        for family, packed in self.parts[Part.ADDRESSES].records(ADDRESS, first, count):
            if family not in _PACKED_SIZES:
                raise SnapshotError(f"read snapshot: ban {number} has an address of the unknown family {family}")
            addresses.append(packed[: _PACKED_SIZES[family]])
        return BanView(
            number, strings.text(authority), strings.text(service), REPLIES[reply], tuple(addresses), 0, "", False
        )

    def _read_rule(
        self,
        number: int,
        ban: int,
        first_entry: int,
        first_span: int,
        spans: int,
        text: int,
        pair: int,
        entries: int,
        ede: int,
        bound: int,
        pending: int,
    ) -> Rule:
        base = self._bans[ban]
        view = BanView(
            base.number,
            base.authority,
            base.service,
            base.reply,
            base.addresses,
            ede,
            self.parts[Part.STRINGS].text(text),
            bool(bound),
            self._structured_text(number),
        )
        own = self.parts[Part.RULE_ENTRIES].records(RULE_ENTRY, first_entry, entries)
        counted = frozenset(entry for (entry,) in own), -1 if pair == NONE else pair, self.counts.by_rule[number]
        return Rule(view, *counted, first_span, spans, bool(pending))

    def _structured_text(self, rule: int) -> str:
        if self._structured is None:
            return ""
        (reference,) = self._structured.record(STRUCTURED_TEXT, rule)
        return self.parts[Part.STRINGS].text(reference)

    def _check_structured(self) -> None:
        if self._structured is None:
            return
        found, wanted = self._structured.count(STRUCTURED_TEXT), self.parts[Part.RULES].count(RULE)
        if found != wanted:
            raise SnapshotError(f"read snapshot: {found} structured texts for {wanted} rules")
        for reference in {reference for (reference,) in self._structured.all_records(STRUCTURED_TEXT)}:
            self.parts[Part.STRINGS].text(reference)

    def _check_spans(self) -> None:
        for start, end, effect in self.parts[Part.SPANS].all_records(SPAN):
            if start >= end or effect not in _EFFECTS:
                raise SnapshotError(f"read snapshot: a span from {start} to {end} has effect {effect}")

    def _check_rules(self) -> None:
        spans, entries, strings = (self.parts[part] for part in (Part.SPANS, Part.RULE_ENTRIES, Part.STRINGS))
        texts: set[int] = set()
        rules = self.parts[Part.RULES].all_records(RULE)
        for ban, first_entry, first_span, count, text, pair, own, _ede, _bound, _pending in rules:
            if ban >= len(self._bans) or (pair != NONE and pair >= len(self.counts.words.pairs)):
                raise SnapshotError("read snapshot: a rule names a ban or a counter that does not exist")
            spans.check_slice(SPAN, first_span, count)
            entries.check_slice(RULE_ENTRY, first_entry, own)
            texts.add(text)
        for text in texts:
            strings.text(text)
