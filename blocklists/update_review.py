"""What an update changes in a service, which of its names are tried before they bite, and what speaks against it. Pure.

An update is held back if it hits the guard, if the list shrinks by a third, triples or gets empty, or if a tenth of its
lines cannot be read. Only names that are added are compared with the guard: what is in force was judged before.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from blocklists.guard import Guard
from dnsfilter.policy.model import Instant, Tier, WireName
from dnsfilter.wire.names import name_text

PENDING_S = 72 * 3600
"""Seconds for which a new name is only monitored."""
FEWEST = 20
"""If fewer names come or go in all, the size is not judged: in a short list they are what a person meant."""
MAX_HITS = 20
"""Maximum number of guard hits that are named. All are counted."""


class Held(StrEnum):
    """Why an update is held back."""

    GUARDED = "guarded"
    EMPTY = "empty"
    SHRINKS = "shrinks"
    GROWS = "grows"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to hold an update back, in words."""

    held: Held
    text: str


@dataclass(frozen=True, slots=True)
class Review:
    """An update compared with the content in force. `added` and `removed` have one tier of each number that changes.

    `content` is what is in force if the update is taken. Its new names are enforced from `enforced_from`.
    """

    content: tuple[Tier, ...]
    enforced_from: Instant | None
    added: tuple[Tier, ...]
    removed: tuple[Tier, ...]
    reasons: tuple[Reason, ...]


def review(
    in_force: Sequence[Tier],
    wanted: Sequence[Tier],
    guard: Guard,
    now: Instant,
    *,
    at_once: bool = False,
    unreadable: int = 0,
    lines: int = 0,
) -> Review:
    """Compare `wanted` with `in_force`. Of its `lines`, `unreadable` could not be read.

    With `at_once`, new names are not pending. The instants of `wanted` are ignored.
    """
    before, after = _by_number(in_force), _by_number(wanted)
    enforced_from = None if at_once else now + PENDING_S
    content = _content(in_force, after, now, enforced_from)
    added, removed = difference(wanted, in_force), difference(in_force, content)
    reasons = (
        *_hits(guard, added),
        *_size(names_in(before.values()), names_in(after.values())),
        *_unreadable(unreadable, lines),
    )
    return Review(content, enforced_from, added, removed, reasons)


def _by_number(tiers: Iterable[Tier]) -> dict[int, Tier]:
    """Join the tiers of one number, without their instants."""
    found: dict[int, Tier] = {}
    for tier in tiers:
        same = found.get(tier.number, Tier(tier.number))
        found[tier.number] = Tier(tier.number, same.domains | tier.domains, same.hosts | tier.hosts)
    return found


def difference(tiers: Iterable[Tier], others: Iterable[Tier]) -> tuple[Tier, ...]:
    """Return the names of `tiers` that `others` lack in the same tier, without regard to instants."""
    known, left = _by_number(others), []
    for number, tier in sorted(_by_number(tiers).items()):
        other = known.get(number, Tier(number))
        left.append(Tier(number, tier.domains - other.domains, tier.hosts - other.hosts))
    return tuple(tier for tier in left if tier.domains or tier.hosts)


def names_in(tiers: Iterable[Tier]) -> int:
    """Return the number of names in these tiers."""
    return sum(len(tier.domains) + len(tier.hosts) for tier in tiers)


def plain(tiers: Iterable[Tier]) -> tuple[Tier, ...]:
    """Return the names without their instants, a tier of each number."""
    return tuple(tier for _, tier in sorted(_by_number(tiers).items()))


def without(tiers: Iterable[Tier], names: frozenset[WireName]) -> tuple[Tier, ...]:
    """Return the tiers without these names."""
    return _joined(replace(tier, domains=tier.domains - names, hosts=tier.hosts - names) for tier in tiers)


def enforced(tiers: Iterable[Tier], instant: Instant) -> tuple[Tier, ...]:
    """Return the tiers with the names that are pending until `instant` enforced at once."""
    return _joined(replace(tier, enforced_from=None) if tier.enforced_from == instant else tier for tier in tiers)


def _content(
    in_force: Sequence[Tier], wanted: Mapping[int, Tier], now: Instant, enforced_from: Instant | None
) -> tuple[Tier, ...]:
    """Return the wanted names, each from its instant on, and the names that have to stay meanwhile.

    A name keeps its instant. A new name below a domain of its tier has that one's: it is not new to clients. A name
    that is replaced by a pending one above it, or moves to another tier, stays until the first update after that wait:
    what is refused today would not be refused while the other one is pending.
    """
    held = [tier if tier.is_pending(now) else replace(tier, enforced_from=None) for tier in in_force]
    held.sort(key=lambda tier: tier.enforced_from or 0)
    found: list[Tier] = []
    for number, tier in wanted.items():
        same = [each for each in held if each.number == number]
        domains, hosts = tier.domains, tier.hosts
        for each in same:
            found.append(replace(each, domains=domains & each.domains, hosts=hosts & each.hosts))
            domains, hosts = domains - each.domains, hosts - each.hosts
        for each in same:
            below = Tier(number, _covered(domains, each.domains), _covered(hosts, each.domains), each.enforced_from)
            found.append(below)
            domains, hosts = domains - below.domains, hosts - below.hosts
        found.append(Tier(number, domains, hosts, enforced_from))
    pending = [tier for tier in found if tier.is_pending(now)]
    if pending:
        found += _staying(held, wanted, pending)
    return _joined(found)


def _staying(held: Iterable[Tier], wanted: Mapping[int, Tier], pending: Sequence[Tier]) -> Iterator[Tier]:
    """Yield the names that are no longer wanted but that pending names cover."""
    domains = frozenset[WireName]().union(*(tier.domains for tier in pending))
    hosts = frozenset[WireName]().union(*(tier.hosts for tier in pending))
    for tier in held:
        same = wanted.get(tier.number, Tier(tier.number))
        left_domains, left_hosts = tier.domains - same.domains, tier.hosts - same.hosts
        staying = _covered(left_hosts, domains) | (left_hosts & hosts)
        yield replace(tier, domains=_covered(left_domains, domains), hosts=staying)


def _covered(names: frozenset[WireName], domains: frozenset[WireName]) -> frozenset[WireName]:
    """Return the names that are one of the domains or below one."""
    found = set()
    for name in names if domains else ():
        up = name
        # Written out: a call for each label of a million names takes seconds.
        while len(up) > 1:
            if up in domains:
                found.add(name)
                break
            up = up[up[0] + 1 :]
    return frozenset(found)


def _joined(tiers: Iterable[Tier]) -> tuple[Tier, ...]:
    """Join tiers of one number and one instant, and order them. Leave empty ones out."""
    groups: dict[tuple[int, Instant], list[Tier]] = {}
    for tier in tiers:
        if tier.domains or tier.hosts:
            groups.setdefault((tier.number, tier.enforced_from or 0), []).append(tier)
    return tuple(
        Tier(
            number,
            frozenset[WireName]().union(*(tier.domains for tier in group)),
            frozenset[WireName]().union(*(tier.hosts for tier in group)),
            instant or None,
        )
        for (number, instant), group in sorted(groups.items())
    )


def _hits(guard: Guard, added: Iterable[Tier]) -> Iterator[Reason]:
    hits = [
        hit
        for tier in added
        for hit in (*guard.hits(tier.domains, is_host=False).items(), *guard.hits(tier.hosts, is_host=True).items())
    ]
    for entry, guarded in sorted(hits, key=lambda hit: hit[0])[:MAX_HITS]:
        yield Reason(Held.GUARDED, f"{name_text(entry)} hits {name_text(guarded.name)} ({guarded.file_name})")
    if len(hits) > MAX_HITS:
        yield Reason(Held.GUARDED, f"{len(hits) - MAX_HITS} more names hit the guard")


def _size(before: int, after: int) -> Iterator[Reason]:
    if before and not after:
        yield Reason(Held.EMPTY, f"the list loses all of its {before} names")
    elif before - after >= FEWEST and 3 * after <= 2 * before:
        yield Reason(Held.SHRINKS, f"the list shrinks from {before} to {after} names, by a third or more")
    elif after - before >= FEWEST and before and after >= 3 * before:
        yield Reason(Held.GROWS, f"the list grows from {before} to {after} names, to three times or more")


def _unreadable(unreadable: int, lines: int) -> Iterator[Reason]:
    if unreadable and 10 * unreadable >= lines:
        yield Reason(Held.UNREADABLE, f"{unreadable} of {lines} lines cannot be read, a tenth or more")
