"""The guard: names that no service may hit, and suffixes that may never be an entry.

The files are in `blocklists/guard/`: one name per line, `#` starts a comment, `*.name` guards a name and all below it.
The Public Suffix List guards every public suffix, less those that a line `!name` frees: they belong to one service.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from blocklists.public_suffixes import PublicSuffixes, load_public_suffixes
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.model import Service, WireName
from dnsfilter.translatable import Text
from dnsfilter.wire.names import ROOT, is_at_or_below, name_text, parent, parse_name, suffixes

MAX_FILE_BYTES = 1 << 20
SINGLE_LABEL = "single label"
"""Reported instead of a file name if an entry has only one label."""
PUBLIC_SUFFIX = "Public Suffix List"
"""Reported instead of a file name if an entry is a public suffix, or a domain above one."""


@dataclass(frozen=True, slots=True)
class GuardedName:
    """A name that no service may hit. `subtree` guards everything below it too. `file_name` says who guards it."""

    name: WireName
    subtree: bool
    file_name: str


@dataclass(frozen=True, slots=True)
class Violation:
    """An entry of a service that hits a guarded name. `file_name` is the part of the guard that forbids it."""

    service: str
    tier: int
    entry: WireName
    guarded: WireName
    file_name: str

    def __str__(self) -> str:
        entry, guarded = name_text(self.entry), name_text(self.guarded)
        return f"{self.service} tier {self.tier}: {entry} hits {guarded} ({self.file_name})"


@dataclass(frozen=True, slots=True)
class Guard:
    """Guarded names, arranged for one look-up per entry.

    `exact`: every guarded name. `above`: those and every name above one. `subtrees`: those guarded with all below them.
    `wildcards`: names of which every child is guarded, except `exceptions`.
    """

    exact: dict[WireName, GuardedName]
    above: dict[WireName, GuardedName]
    subtrees: dict[WireName, GuardedName]
    wildcards: frozenset[WireName] = frozenset()
    exceptions: frozenset[WireName] = frozenset()

    def violations(self, service: Service) -> tuple[Violation, ...]:
        """Return the violations of a service's entries, ordered by tier and name.

        A domain hits guarded names at or below it, a host only an equal one. Both hit a guarded subtree above them. A
        single label and the root always hit.
        """
        return tuple(
            Violation(service.slug, tier.number, entry, hit.name, hit.file_name)
            for tier in service.tiers
            for entry, hit in sorted(
                (self.hits(tier.domains, is_host=False) | self.hits(tier.hosts, is_host=True)).items()
            )
        )

    def hit(self, entry: WireName, *, is_host: bool) -> GuardedName | None:
        """Return the guarded name that one entry hits, if any."""
        return self.hits(frozenset({entry}), is_host=is_host).get(entry)

    def name_fault(self, name: WireName, exact: bool) -> str | None:
        """Return why a single name may not be refused, or None. Unless `exact`, the names below it are refused too."""
        hit = self.hit(name, is_host=exact)
        if hit is None:
            return None
        if hit.name == name and hit.file_name == PUBLIC_SUFFIX:
            return Text("{name} is a public suffix, below which others register names", name=name_text(name))
        if hit.name == name:
            return Text("{name} must always be answered ({list})", name=name_text(name), list=hit.file_name)
        return Text(
            "{name} hits {guarded}, which must always be answered ({list})",
            name=name_text(name),
            guarded=name_text(hit.name),
            list=hit.file_name,
        )

    def hits(self, entries: frozenset[WireName], *, is_host: bool) -> dict[WireName, GuardedName]:
        """Return the entries that hit a guarded name, with that name. A million take less than a second."""
        guarded = self.exact if is_host else self.above
        found: dict[WireName, GuardedName] = {}
        subtrees = tuple(self.subtrees)
        for entry in entries:
            up = parent(entry)
            if up == ROOT:
                found[entry] = GuardedName(entry, False, SINGLE_LABEL)
            elif entry in guarded:
                found[entry] = guarded[entry]
            elif up in self.wildcards and entry not in self.exceptions:
                found[entry] = GuardedName(entry, False, PUBLIC_SUFFIX)
            elif entry.endswith(subtrees):
                subtree = next((self.subtrees[up] for up in suffixes(entry) if up in self.subtrees), None)
                found |= {} if subtree is None else {entry: subtree}
        return found

    def with_names(self, names: Iterable[GuardedName]) -> "Guard":
        """Return this guard with further guarded names, such as those of an installation's own servers."""
        added = _arranged(names)
        return replace(
            self,
            exact=added.exact | self.exact,
            above=added.above | self.above,
            subtrees=added.subtrees | self.subtrees,
        )


def load_guard(directory: Path | None = None) -> Guard:
    """Read every `*.txt` of `directory`, by default the packaged ones. Raise ConfigError with all problems."""
    root: Traversable = files("blocklists") / "guard" if directory is None else directory
    guarded: list[GuardedName] = []
    freed: list[WireName] = []
    problems: list[Problem] = []
    try:
        found = sorted((item for item in root.iterdir() if item.name.endswith(".txt")), key=lambda item: item.name)
    except OSError as error:
        raise ConfigError((Problem(str(root), f"list guard directory: {error.strerror}"),)) from error
    if not found:
        raise ConfigError((Problem(str(root), "read guard: the directory has no *.txt file"),))
    for item in found:
        try:
            names, free = parse_guard(_load_text(item), item.name)
            guarded.extend(names)
            freed.extend(free)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    return compile_guard(guarded, freed, load_public_suffixes())


@cache
def packaged_guard() -> Guard:
    """Return the packaged guard, read once."""
    return load_guard()


def installation_guard(zones: Iterable[WireName], control_plane: Iterable[WireName]) -> Guard:
    """Return the packaged guard with the names that an installation itself depends on."""
    return packaged_guard().with_names(
        (
            *(GuardedName(name, True, "a conditional zone") for name in zones),
            *(GuardedName(name, False, "the control plane") for name in control_plane),
        )
    )


def parse_guard(text: str, file_name: str) -> tuple[tuple[GuardedName, ...], tuple[WireName, ...]]:
    """Return the guarded names of a file, and those that it frees. Raise ConfigError with a problem per bad line."""
    guarded: dict[WireName, GuardedName] = {}
    freed: list[WireName] = []
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        location = f"{file_name}:{number}"
        plain = content.removeprefix("*.").removeprefix("!")
        try:
            name = parse_name(plain)
        except ValueError as error:
            problems.append(Problem(location, str(error)))
            continue
        if "*" in plain:
            problems.append(Problem(location, f"read guarded name {content!r}: * is allowed only at the start"))
        if name in guarded or name in freed:
            problems.append(Problem(location, f"read guarded name {content!r}: already given above"))
        if content.startswith("!"):
            freed.append(name)
        else:
            guarded[name] = GuardedName(name, content.startswith("*."), file_name)
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(guarded.values()), tuple(freed)


def compile_guard(guarded: Iterable[GuardedName], freed: Sequence[WireName], public: PublicSuffixes) -> Guard:
    """Arrange guarded names and public suffixes for look-up. If several match, a name of a file is reported first."""
    kept = [name for name in sorted(public.names) if not any(is_at_or_below(name, free) for free in freed)]
    guard = _arranged(guarded)
    suffixes_of_list = _arranged(GuardedName(name, False, PUBLIC_SUFFIX) for name in kept)
    return Guard(
        suffixes_of_list.exact | guard.exact,
        suffixes_of_list.above | guard.above,
        guard.subtrees,
        public.wildcards & frozenset(kept),
        public.exceptions,
    )


def _arranged(guarded: Iterable[GuardedName]) -> Guard:
    """Arrange names without the Public Suffix List. The first of several that match is reported."""
    exact: dict[WireName, GuardedName] = {}
    above: dict[WireName, GuardedName] = {}
    subtrees: dict[WireName, GuardedName] = {}
    for item in guarded:
        exact.setdefault(item.name, item)
        for up in suffixes(item.name):
            above.setdefault(up, item)
        if item.subtree:
            subtrees.setdefault(item.name, item)
    # An entry that is itself guarded is reported as that name, not as one below it.
    return Guard(exact, above | exact, subtrees)


def _load_text(item: Traversable) -> str:
    try:
        with item.open("rb") as stream:
            data = stream.read(MAX_FILE_BYTES + 1)
        if len(data) > MAX_FILE_BYTES:
            raise ConfigError((Problem(item.name, f"read file: longer than {MAX_FILE_BYTES} bytes"),))
        return data.decode()
    except OSError as error:
        raise ConfigError((Problem(item.name, f"read file: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((Problem(item.name, f"read file: not UTF-8 at byte {error.start}"),)) from error
