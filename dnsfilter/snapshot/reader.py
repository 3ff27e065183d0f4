"""Read a snapshot: the class of a client, the entries of a name, and the decision at a time. It has no clock.

It applies the rules of `policy/decide.py` in a form that is fast enough for every query. Parity tests compare the two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.decide import Decision, Verdict
from dnsfilter.policy.intervals import Intervals
from dnsfilter.policy.model import ENCRYPTED_DNS, Address, Instant, Prefix, Suspension, WireName
from dnsfilter.policy.rows import Effect
from dnsfilter.snapshot.layout import OPTIONAL, Kind, Part
from dnsfilter.snapshot.manifest import Manifest, parse_manifest
from dnsfilter.snapshot.names_file import Matched, NameEntry, NameTable
from dnsfilter.snapshot.ranges_file import RangeTable
from dnsfilter.snapshot.rule_parts.allowed import Allowed
from dnsfilter.snapshot.rule_parts.fleet_names import FleetTable
from dnsfilter.snapshot.rulebook import BanView, Rule, RuleTable
from dnsfilter.snapshot.sections import Buffer
from dnsfilter.telemetry.policy_words import Pair, PolicyWords

__all__ = ["PASS", "BanView", "Judgement", "Matched", "Snapshot"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result for a query. `ban` and `hit` are those of the winner, also of a monitoring one.

    `refused`, `monitored` and `exempted` are indexes into the snapshot's pairs, `refused_by`, `monitored_by` and
    `exempted_by` into its ban counts. -1 or () means: not counted. `is_bypass` says that a match is of the service
    `encrypted_dns`. `pending` has pairs with the pending names that the query belongs to, unless a ban refuses it.
    """

    verdict: Verdict
    ban: BanView | None
    hit: Matched | None
    refused: int
    monitored: tuple[int, ...]
    exempted: tuple[int, ...]
    refused_by: int = -1
    monitored_by: tuple[int, ...] = ()
    exempted_by: tuple[int, ...] = ()
    is_bypass: bool = False
    pending: tuple[tuple[int, WireName], ...] = ()


PASS = Judgement(Verdict.PASS, None, None, -1, (), ())
_BYPASS = replace(PASS, is_bypass=True)


@dataclass(frozen=True, slots=True)
class _Weighed:
    """The rules that apply to a query: the winner with its hit and effect, the monitoring ones, those set aside.

    `pending` are those of the monitoring rules that will enforce, with their hits.
    """

    winner: tuple[Rule, Matched, Effect] | None
    monitoring: list[Rule]
    aside: list[Rule]
    pending: list[tuple[Rule, Matched]]


class Snapshot:
    """One revision of a policy for one site, read in place from its three files."""

    __slots__ = (
        "_class_counts",
        "_names",
        "_ranges",
        "_rules",
        "bypass_entries",
        "entries",
        "fleets",
        "made_s",
        "names_digest",
        "ranges_digest",
        "revision",
        "rules_digest",
        "words",
    )

    def __init__(
        self, manifest: Manifest, names: NameTable, ranges: RangeTable, rules: RuleTable, fleets: FleetTable
    ) -> None:
        self._names = names
        self._ranges = ranges
        self._rules = rules
        self.fleets = fleets
        self.revision: int = manifest.revision
        self.made_s: Instant = manifest.made_s
        self.names_digest: bytes = manifest.names.digest
        self.ranges_digest: bytes = manifest.ranges.digest
        self.rules_digest: bytes = manifest.rules.digest
        self.words: PolicyWords = rules.counts.words
        self._class_counts = rules.counts.by_class
        self.entries: tuple[NameEntry, ...] = names.entries
        self.bypass_entries = frozenset(
            number for number, entry in enumerate(names.entries) if entry.service == ENCRYPTED_DNS
        )

    @classmethod
    def open(cls, manifest: bytes, names: Buffer, ranges: Buffer, rules: Buffer, site: str) -> "Snapshot":
        """Open a snapshot for `site`. An unknown site has no ranges.

        Check that everything lies within its file, but not the digests. Raise SnapshotError if not.
        """
        parsed = parse_manifest(manifest)
        for what, buffer, size in (
            ("names", names, parsed.names.size),
            ("ranges", ranges, parsed.ranges.size),
            ("rules", rules, parsed.rules.size),
        ):
            if len(buffer) != size:
                raise SnapshotError(f"read snapshot: the {what} file has {len(buffer)} bytes instead of {size}")
        rule_table = RuleTable(rules)
        range_table = RangeTable(ranges, site, len(rule_table.authorities))
        fleets = FleetTable(rule_table.parts.get(Part.FLEET_NAMES), site)
        return cls(parsed, NameTable(names), range_table, rule_table, fleets)

    def section(self, kind: Kind, part: Part) -> memoryview:
        """Return one section, empty if an optional one is left out.

        `open` has checked what its readers follow, except offsets of the names file.
        """
        tables: dict[Kind, NameTable | RangeTable | RuleTable] = {
            Kind.NAMES: self._names,
            Kind.RANGES: self._ranges,
            Kind.RULES: self._rules,
        }
        section = tables[kind].parts.get(part)
        if section is None and part not in OPTIONAL:
            raise KeyError(part)
        return memoryview(b"") if section is None else section.data

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The counted authorities and services, by number."""
        return self.words.pairs

    @property
    def authorities_here(self) -> frozenset[str]:
        """The authorities that have a range at this snapshot's site."""
        return frozenset(self._rules.authorities[number] for number in self._ranges.classes_here)

    def bypass_number(self, class_index: int) -> int:
        """Return the number of the authority that bypass attempts of a class count for, or -1."""
        return self._class_counts[class_index]

    def notes_clients(self, class_index: int, at: Instant) -> bool:
        """Return whether clients of a class are noted at `at` if their queries are refused."""
        return at < self._rules.clients_noted[class_index]

    @property
    def intervals(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """First index and number of the site's intervals, of IPv4 and of IPv6."""
        return self._ranges.intervals

    def suspended(self, at: Instant) -> frozenset[str | None]:
        """Return the authorities with a published suspension at `at`; None stands for all."""
        return frozenset(each.authority for each in self.suspensions(at))

    def suspensions(self, at: Instant) -> tuple[Suspension, ...]:
        """Return the suspensions of the rules file that are in force at `at`, without numbers and reasons."""
        return tuple(each for each in self._rules.suspensions if each.period.holds(at))

    @property
    def all_suspended(self) -> Intervals:
        """Intervals in which all are suspended: nothing is refused, and unregistered clients get answers."""
        return self._rules.all_suspended

    def suspends_all(self, at: Instant) -> bool:
        """Return whether all are suspended at `at`."""
        return any(start <= at < end for start, end in self._rules.all_suspended)

    def find(self, address: bytes) -> int | None:
        """Return the class of the most specific range with a packed address, or None for an unregistered one."""
        return self._ranges.find(address)

    def fleet_prefix(self, token: bytes, at: Instant) -> bytes | None:
        """Return the first 12 bytes of the prefix of the fleet that asks by a token at `at`, or None.

        Upper-case letters count as lower-case ones. `policy.fleets.fleet_client` makes the client's address of it.
        """
        return self.fleets.prefix(token, at)

    def in_one_range(self, first: bytes, last: bytes) -> bool:
        """Return whether the same range is the most specific one of both packed addresses."""
        return self._ranges.in_one_range(first, last)

    def describe(self, address: bytes) -> tuple[Prefix, str] | None:
        """Return prefix and label of the range of a packed address, or None. SnapshotError if the data make none."""
        return self._ranges.describe(address)

    def networks(self) -> Iterator[tuple[Prefix, int]]:
        """Yield disjoint networks that together are the site's registered addresses, each with its class."""
        return self._ranges.networks()

    @property
    def range_rows(self) -> range:
        """The numbers of the site's ranges."""
        return self._ranges.rows

    def counted_row(self, address: bytes) -> int | None:
        """Return the number of the range that counts a query of a packed address, or None. Check it by `range_rows`."""
        return self._ranges.counted_row(address)

    def packed_prefix(self, row: int) -> tuple[bytes, int]:
        """Return the first address of a range by its number, packed, and the length of its prefix."""
        return self._ranges.packed_prefix(row)

    def authority(self, class_index: int) -> str:
        """Return the slug of the authority of a class."""
        return self._rules.authorities[class_index]

    def match(self, name: WireName) -> tuple[Matched, ...]:
        """Return every entry that a folded name belongs to, by entry, each with its longest suffix."""
        return self._names.match(name)

    def match_all(self, names: Sequence[WireName]) -> tuple[Matched, ...]:
        """Return the entries of a question, which comes first, and of the targets of its answer.

        An entry that the question belongs to keeps the question's hit, even if a target's suffix is longer: the queried
        name explains a refusal better. An entry of targets only has the longest of their suffixes.
        """
        found: dict[int, Matched] = {}
        for hit in self._names.match(names[0]) if names else ():
            found[hit.entry] = hit
        for name in names[1:]:
            for hit in self._names.match(name):
                known = found.get(hit.entry)
                if known is None or (known.target and known.suffix < hit.suffix):
                    found[hit.entry] = hit._replace(target=True)
        return tuple(found[entry] for entry in sorted(found))

    def judge(
        self, class_index: int, matches: tuple[Matched, ...], at: Instant, names: Sequence[WireName]
    ) -> Judgement:
        """Return the result for a query of that class at `at`. `names` are those of the matches, the question first.

        Of the rules in force, enforcing beats monitoring. Then the authority's own rules come before bound ones, then
        the longest suffix, then the lowest number. Rules that are set aside, also by an allowed name, are counted as
        exempted if nothing else applies.
        """
        if not matches:
            return PASS
        is_bypass = any(hit.entry in self.bypass_entries for hit in matches)
        weighed = self._weigh(class_index, matches, at, names)
        if weighed.winner is None:
            if not weighed.aside:
                return _BYPASS if is_bypass else PASS
            pairs, counts = _pairs(weighed.aside), _counts(weighed.aside)
            return Judgement(Verdict.PASS, None, None, -1, (), pairs, exempted_by=counts, is_bypass=is_bypass)
        rule, hit, effect = weighed.winner
        monitored, by = _pairs(weighed.monitoring), _counts(weighed.monitoring)
        if effect is Effect.ENFORCE:
            return Judgement(Verdict.REFUSE, rule.ban, hit, rule.pair, monitored, (), rule.count, by, (), is_bypass)
        pending = self._pending(weighed.pending, names)
        return Judgement(Verdict.MONITOR, rule.ban, hit, -1, monitored, (), -1, by, (), is_bypass, pending)

    def concerned(self, matches: tuple[Matched, ...]) -> bool:
        """Return whether any class has a ban on one of these entries. A ban may be enabled at any time."""
        return any(hit.entry in self._rules.concerned for hit in matches)

    def next_change(
        self, class_index: int, matches: tuple[Matched, ...], at: Instant, names: Sequence[WireName]
    ) -> Instant | None:
        """Return the first time after `at` at which a rule of that class on these entries starts, changes or ends.

        An allowed name that covers one of the matches' `names` counts too.
        """
        if not matches:
            return None
        changes = [
            self._rules.next_change(rule, at)
            for rule in self._rules.rules(class_index)
            if any(hit.entry in rule.entries for hit in matches)
        ]
        changes.append(self._rules.allowed.next_change(class_index, names, at))
        return min((change for change in changes if change is not None), default=None)

    def enforcing(self, class_index: int, at: Instant) -> bool:
        """Return whether any rule of that class refuses something at `at`."""
        return any(self._rules.effect(rule, at) is Effect.ENFORCE for rule in self._rules.rules(class_index))

    def enforced(self, class_index: int, at: Instant) -> frozenset[str]:
        """Return the services of which any rule of that class refuses something at `at`."""
        rules = self._rules.rules(class_index)
        return frozenset(rule.ban.service for rule in rules if self._rules.effect(rule, at) is Effect.ENFORCE)

    def refused_entries(self, class_index: int, at: Instant) -> frozenset[int]:
        """Return the numbers of the entries that any rule of that class refuses at `at`."""
        rules = self._rules.rules(class_index)
        return frozenset().union(*(rule.entries for rule in rules if self._rules.effect(rule, at) is Effect.ENFORCE))

    def allowed_names(self, class_index: int, at: Instant) -> frozenset[tuple[WireName, bool]]:
        """Return the names that are allowed for a class at `at`, and whether each is exact."""
        return self._rules.allowed.in_force(class_index, at)

    def allowing(self, class_index: int, name: WireName, at: Instant) -> Allowed | None:
        """Return the allowed name that frees a name from own bans of a class at `at`, or None."""
        return self._rules.allowed.covering(class_index, name, at)

    def pending_until(self, class_index: int, name: WireName, at: Instant) -> Instant | None:
        """Return when a ban of a class refuses a name that it only monitors at `at` because the name is pending."""
        weighed = self._weigh(class_index, self.match(name), at, [name])
        if weighed.winner is None or weighed.winner[2] is Effect.ENFORCE:
            return None
        return min((self.entries[hit.entry].enforced_from for _, hit in weighed.pending), default=None)

    def next_change_of_any(self, class_index: int, at: Instant) -> Instant | None:
        """Return the first time after `at` at which any rule of that class starts, changes or ends."""
        changes = (self._rules.next_change(rule, at) for rule in self._rules.rules(class_index))
        return min((change for change in changes if change is not None), default=None)

    def decide(self, client: Address, name: WireName, at: Instant) -> Decision:
        """Return the result of `policy.decide.decide` for this snapshot's site.

        It is correct from `compiler.KEPT_PAST_S` before the creation on: the snapshot leaves out what ended before.
        """
        class_index = self.find(client.packed)
        if class_index is None:
            return Decision(Verdict.PASS, None, admitted=self.suspends_all(at))
        authority = self.authority(class_index)
        weighed = self._weigh(class_index, self.match(name), at, [name])
        if weighed.winner is None:
            return Decision(Verdict.PASS, authority, exempted=_services(weighed.aside))
        rule, hit, effect = weighed.winner
        verdict = Verdict.REFUSE if effect is Effect.ENFORCE else Verdict.MONITOR
        return Decision(
            verdict,
            authority,
            rule.ban.number,
            rule.ban.service,
            rule.ban.bound,
            name[len(name) - hit.suffix :],
            _services(weighed.monitoring),
        )

    def _own_matches(
        self, class_index: int, matches: tuple[Matched, ...], at: Instant, names: Sequence[WireName]
    ) -> tuple[Matched, ...]:
        """Return the matches by which own bans apply: none if the question is allowed, or none of allowed targets."""
        allowed = self._rules.allowed
        if not matches or not allowed.has_any(class_index):
            return matches
        if allowed.covers(class_index, names[0], at):
            return ()
        left = [name for name in names[1:] if not allowed.covers(class_index, name, at)]
        return matches if len(left) == len(names) - 1 else self.match_all([names[0], *left])

    def _weigh(
        self, class_index: int, matches: tuple[Matched, ...], at: Instant, names: Sequence[WireName]
    ) -> _Weighed:
        monitoring: list[Rule] = []
        aside: list[Rule] = []
        best: tuple[Rule, Matched, Effect] | None = None
        own = self._own_matches(class_index, matches, at, names)
        pending: list[tuple[Rule, Matched]] = []
        enforced = -1
        for rule in self._rules.rules(class_index):
            hit = _hit(rule, matches)
            effect = None if hit is None else self._rules.effect(rule, at)
            if own is not matches and not rule.ban.bound and effect is not None:
                kept = _hit(rule, own)
                hit, effect = (hit, Effect.EXEMPT) if kept is None else (kept, effect)
            if hit is None or effect is None:
                continue
            if effect is Effect.EXEMPT:
                aside.append(rule)
                continue
            if effect is Effect.ENFORCE:
                enforced = rule.ban.number
            elif rule.ban.number == enforced:
                continue  # the ban refuses another of its names, and only monitors this one for now
            else:
                monitoring.append(rule)
                if rule.pending:
                    pending.append((rule, hit))
            if best is None or _precedence(rule, hit, effect) < _precedence(*best):
                best = (rule, hit, effect)
        return _Weighed(best, monitoring, aside, pending)

    def _pending(
        self, found: list[tuple[Rule, Matched]], names: Sequence[WireName]
    ) -> tuple[tuple[int, WireName], ...]:
        """Return each pair once with each of its pending names."""
        hits = {(rule.pair, hit.suffix, hit.target): hit for rule, hit in reversed(found) if rule.pair >= 0}
        return tuple((pair, self._matched_name(hit, names)) for (pair, _, _), hit in reversed(hits.items()))

    def _matched_name(self, hit: Matched, names: Sequence[WireName]) -> WireName:
        """Return the service's name of a hit. That of a target is the first target's that has this hit."""
        if not hit.target:
            return names[0][-hit.suffix :]
        wanted = hit.entry, hit.suffix
        matching = (name for name in names[1:] if wanted in {each[:2] for each in self._names.match(name)})
        return next(matching)[-hit.suffix :]


def _hit(rule: Rule, matches: tuple[Matched, ...]) -> Matched | None:
    """Return the hit by which the rule applies: the question's before a target's, then the longest suffix."""
    best: Matched | None = None
    for hit in matches:
        if hit.entry in rule.entries and (best is None or (best.target, -best.suffix) > (hit.target, -hit.suffix)):
            best = hit
    return best


def _precedence(rule: Rule, hit: Matched, effect: Effect) -> tuple[bool, bool, int, int]:
    """Return a sort key, best first."""
    return (effect is not Effect.ENFORCE, rule.ban.bound, -hit.suffix, rule.ban.number)


def _pairs(rules: list[Rule]) -> tuple[int, ...]:
    """Return the distinct pairs, ascending, without those of rules that are not counted."""
    return tuple(sorted({rule.pair for rule in rules if rule.pair >= 0}))


def _counts(rules: list[Rule]) -> tuple[int, ...]:
    """Return the distinct ban counts, ascending, without those of rules that are not counted."""
    return tuple(sorted({rule.count for rule in rules if rule.count >= 0}))


def _services(rules: list[Rule]) -> frozenset[str]:
    return frozenset(rule.ban.service for rule in rules)
