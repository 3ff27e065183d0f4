"""The guard: names that no service may hit, and suffixes that may never be an entry.

The files are in `blocklists/guard/`: one name per line, `#` starts a comment, `*.name` guards a name and all below it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.model import Service, WireName
from dnsfilter.wire.names import label_count, name_text, parse_name, suffixes

MAX_FILE_BYTES = 1 << 20
SINGLE_LABEL = "single label"
"""Reported instead of a file name if an entry has only one label."""


@dataclass(frozen=True, slots=True)
class GuardedName:
    """One line of the guard. `subtree` guards everything below the name too."""

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
    """

    exact: Mapping[WireName, GuardedName]
    above: Mapping[WireName, GuardedName]
    subtrees: Mapping[WireName, GuardedName]

    def violations(self, service: Service) -> tuple[Violation, ...]:
        """Return the violations of a service's entries, ordered by tier and name.

        A domain hits guarded names at or below it, a host only an equal one. Both hit a guarded subtree above them. A
        single label and the root always hit.
        """
        found: list[Violation] = []
        for tier in service.tiers:
            entries = [(wire, False) for wire in tier.domains] + [(wire, True) for wire in tier.hosts]
            for wire, is_host in sorted(entries):
                hit = self.hit(wire, is_host=is_host)
                if hit is not None:
                    found.append(Violation(service.slug, tier.number, wire, hit.name, hit.file_name))
        return tuple(found)

    def hit(self, entry: WireName, *, is_host: bool) -> GuardedName | None:
        """Return the guarded name that one entry hits, if any."""
        if label_count(entry) < 2:
            return GuardedName(entry, False, SINGLE_LABEL)
        equal_or_below = (self.exact if is_host else self.above).get(entry)
        if equal_or_below is not None:
            return equal_or_below
        return next((self.subtrees[up] for up in suffixes(entry) if up in self.subtrees), None)


def load_guard(directory: Path | None = None) -> Guard:
    """Read every `*.txt` of `directory`, by default the packaged ones. Raise ConfigError with all problems."""
    root: Traversable = files("blocklists") / "guard" if directory is None else directory
    guarded: list[GuardedName] = []
    problems: list[Problem] = []
    try:
        found = sorted((item for item in root.iterdir() if item.name.endswith(".txt")), key=lambda item: item.name)
    except OSError as error:
        raise ConfigError((Problem(str(root), f"list guard directory: {error.strerror}"),)) from error
    if not found:
        raise ConfigError((Problem(str(root), "read guard: the directory has no *.txt file"),))
    for item in found:
        try:
            guarded.extend(parse_guard(_load_text(item), item.name))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    return compile_guard(guarded)


def parse_guard(text: str, file_name: str) -> tuple[GuardedName, ...]:
    """Read one guard file. Raise ConfigError with a problem per bad line."""
    guarded: dict[WireName, GuardedName] = {}
    problems: list[Problem] = []
    for number, line in enumerate(text.splitlines(), 1):
        content = line.partition("#")[0].strip()
        if not content:
            continue
        location = f"{file_name}:{number}"
        try:
            name = parse_name(content.removeprefix("*."))
        except ValueError as error:
            problems.append(Problem(location, str(error)))
            continue
        if "*" in content.removeprefix("*."):
            problems.append(Problem(location, f"read guarded name {content!r}: * is allowed only at the start"))
        if name in guarded:
            problems.append(Problem(location, f"read guarded name {content!r}: already given above"))
        guarded[name] = GuardedName(name, content.startswith("*."), file_name)
    if problems:
        raise ConfigError(tuple(problems))
    return tuple(guarded.values())


def compile_guard(guarded: Iterable[GuardedName]) -> Guard:
    """Arrange guarded names for look-up. If several match, the first one is reported."""
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
