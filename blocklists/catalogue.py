"""The curated catalogue: the names of each service, in tiers, each name with its sources.

There is one TOML file per service, named after its slug. The packaged ones are in `blocklists/catalogue/`.
docs/reference/catalogue.md explains the keys. The location of a problem is `file:key`: items of an array are counted
from 1, names stand for themselves: `tiktok.toml:tier[1].domains[tiktok.com]`.
"""

import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeVar, cast

from blocklists.catalogue_file import (
    MAX_NAME,
    AddressTable,
    EntryTable,
    NameTable,
    Source,
    TierTable,
    read_entry,
)
from blocklists.catalogue_release import load_release
from blocklists.categories import Category
from dnsfilter.config.locations import KeyPath
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.model import Service, Tier, WireName
from dnsfilter.wire.names import parse_name, suffixes

MAX_FILES = 1_000
MAX_FILE_BYTES = 1 << 20
MAX_NAMES = 10_000
"""Maximum number of names in one service."""
MAX_TIER = 9

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


@dataclass(frozen=True, slots=True)
class CatalogueName:
    """One name of a service. `exact` matches only the name itself, else the name and all names below it.

    `sources` are ids. `lists` and `families` are the numbers of compared lists, and of independent families of lists,
    that contain the name, if they were counted.
    """

    text: str
    wire: WireName
    exact: bool
    sources: tuple[str, ...]
    lists: int | None = None
    families: int | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class TierEntry:
    """One tier with its texts. Names are in file order, domains first."""

    number: int
    title: str
    description: str
    names: tuple[CatalogueName, ...]

    def tier(self) -> Tier:
        """Return the tier as the policy uses it."""
        return Tier(
            number=self.number,
            domains=frozenset(name.wire for name in self.names if not name.exact),
            hosts=frozenset(name.wire for name in self.names if name.exact),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One service of the catalogue. `reviewed` is the day of the last review.

    `addresses` belong to the service or its owner alone. Only a firewall uses them; the resolver does not.
    """

    slug: str
    name: str
    category: Category
    reviewed: date
    sources: tuple[Source, ...]
    tiers: tuple[TierEntry, ...]
    addresses: tuple[AddressTable, ...] = ()

    @property
    def names_count(self) -> int:
        """Return the number of names in all tiers."""
        return sum(len(tier.names) for tier in self.tiers)

    def service(self) -> Service:
        """Return the entry as the policy uses it."""
        return Service(slug=self.slug, name=self.name, tiers=tuple(tier.tier() for tier in self.tiers))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries, ordered by slug. `number` and `made` are those of its release; 0 and None if it has none."""

    entries: tuple[Entry, ...]
    number: int = 0
    made: date | None = None

    @property
    def services(self) -> tuple[Service, ...]:
        """Return all entries as the policy uses them, ordered by slug."""
        return tuple(entry.service() for entry in self.entries)

    def entry(self, slug: str) -> Entry:
        """Return the entry of that slug. Raise KeyError if there is none."""
        for entry in self.entries:
            if entry.slug == slug:
                return entry
        raise KeyError(slug)


def load_catalogue(directory: Path | None = None) -> Catalogue:
    """Read every `*.toml` of `directory`, by default the packaged ones, with their number.

    Raise ConfigError with the problems of all files, in order of file names.
    """
    entries = _each(_found(directory), lambda item, name: parse_entry(_load_text(item), name))
    if directory is not None:
        return _catalogue(entries)
    release = load_release()
    return _catalogue(entries, release.number, release.made)


def read_files(directory: Path | None = None) -> Mapping[str, str]:
    """Return the text of every `*.toml` of `directory`, by default the packaged ones. Raise ConfigError."""
    return _each(_found(directory), lambda item, _name: _load_text(item))


def parse_catalogue(texts: Mapping[str, str], number: int = 0, made: date | None = None) -> Catalogue:
    """Read the files of a catalogue from their texts by name. Raise ConfigError with the problems of all files."""
    return _catalogue(_each(sorted(texts.items()), parse_entry), number, made)


def _found(directory: Path | None) -> Iterator[tuple[str, Traversable]]:
    root: Traversable = files("blocklists") / "catalogue" if directory is None else directory
    try:
        found = sorted((item for item in root.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    except OSError as error:
        raise ConfigError((Problem(str(root), f"list catalogue directory: {error.strerror}"),)) from error
    if len(found) > MAX_FILES:
        raise ConfigError((Problem(str(root), f"read catalogue: {len(found)} files, at most {MAX_FILES} are allowed"),))
    return ((item.name, item) for item in found)


def _catalogue(entries: Mapping[str, Entry], number: int = 0, made: date | None = None) -> Catalogue:
    return Catalogue(tuple(sorted(entries.values(), key=lambda entry: entry.slug)), number, made)


def _each(items: Iterable[tuple[str, _Item]], parse: Callable[[_Item, str], _Made]) -> Mapping[str, _Made]:
    """Return what `parse` makes of each item and its name. Raise ConfigError with the problems of all."""
    made: dict[str, _Made] = {}
    problems: list[Problem] = []
    for name, item in items:
        try:
            made[name] = parse(item, name)
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    return made


def parse_entry(text: str, file_name: str) -> Entry:
    """Read one service from TOML text. Raise ConfigError with all problems.

    `file_name` is the slug and `.toml`, without directories.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError((Problem(file_name, f"read as TOML: {error}"),)) from error
    table, tiers, faults = read_entry(data, file_name)
    found = [(_location(fault.path, data), fault.message) for fault in faults]
    found += _name_faults(tiers)
    if table is not None:
        found += _number_faults(table) + _address_faults(table) + _source_faults(table)
    if table is None or found:
        raise ConfigError(tuple(Problem(f"{file_name}:{location}", message) for location, message in found))
    return _entry(table)


def _entry(table: EntryTable) -> Entry:
    tiers = tuple(TierEntry(tier.number, tier.title, tier.description, _names(tier)) for tier in table.tier)
    return Entry(
        table.slug, table.name, table.category, table.reviewed, tuple(table.source), tiers, tuple(table.addresses)
    )


def _names(tier: TierTable) -> tuple[CatalogueName, ...]:
    return tuple(
        CatalogueName(
            name.name, parse_name(name.name), exact, tuple(name.sources), name.lists, name.families, name.note
        )
        for exact, names in ((False, tier.domains), (True, tier.hosts))
        for name in names
    )


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


def _location(path: KeyPath, data: Mapping[str, Any]) -> str:
    """Return a location such as `tier[1].domains[tiktok.com].lists`. A fault of a name has that of its table."""
    location, held = "", cast(Any, data)
    for part in path:
        held = held[part] if not isinstance(held, dict) or part in held else {}
        if isinstance(part, str):
            location += f".{part}" if location else part
        else:
            name = held.get("name") if isinstance(held, dict) else None
            named = isinstance(name, str) and 0 < len(name) <= MAX_NAME
            location += f"[{name if named else part + 1}]"
            if named and path[-2:] == (part, "name"):
                break
    return location


def _located(tiers: Sequence[tuple[int, TierTable]]) -> Iterator[tuple[int, str, NameTable]]:
    """Yield each name with the position of its tier and its location."""
    for position, tier in tiers:
        for key, names in (("domains", tier.domains), ("hosts", tier.hosts)):
            for name in names:
                yield position, f"tier[{position}].{key}[{name.name}]", name


def _name_faults(tiers: Sequence[tuple[int, TierTable]]) -> list[tuple[str, str]]:
    """Return the faults between names: a name given twice, or below a domain of its own tier."""
    faults: list[tuple[str, str]] = []
    if sum(len(tier.domains) + len(tier.hosts) for _, tier in tiers) > MAX_NAMES:
        faults.append(("tier", f"has more than {MAX_NAMES} names"))
    seen: dict[WireName, int] = {}
    domains = {(position, parse_name(name.name)): name.name for position, tier in tiers for name in tier.domains}
    for position, location, name in _located(tiers):
        wire = parse_name(name.name)
        if wire in seen:
            faults.append((location, f"is already in tier[{seen[wire]}]"))
        seen.setdefault(wire, position)
        above = next((domains[position, up] for up in suffixes(wire) if up != wire and (position, up) in domains), None)
        if above is not None:
            faults.append((location, f"is already covered by {above!r}"))
    return faults


def _number_faults(table: EntryTable) -> list[tuple[str, str]]:
    numbers = [tier.number for tier in table.tier]
    if numbers[0] == 1 and numbers == sorted(set(numbers)) and numbers[-1] <= MAX_TIER:
        return []
    return [("tier", f"has the numbers {numbers}: they must start at 1, rise, and be at most {MAX_TIER}")]


def _address_faults(table: EntryTable) -> list[tuple[str, str]]:
    counts = Counter(address.prefix for address in table.addresses)
    return [(f"addresses[{prefix}]", "is given twice") for prefix, count in counts.items() if count > 1]


def _source_faults(table: EntryTable) -> list[tuple[str, str]]:
    """Return the faults between sources and what cites them: an id given twice, unknown or unused."""
    ids = Counter(source.id for source in table.source)
    faults = [("source", f"has the id {ident!r} twice") for ident, count in ids.items() if count > 1]
    citing = [(location, name.sources) for _, location, name in _located(list(enumerate(table.tier, 1)))]
    citing += [(f"addresses[{address.prefix}]", address.sources) for address in table.addresses]
    faults += [
        (f"{location}.sources", f"no [[source]] has the id {unknown!r}")
        for location, sources in citing
        for unknown in sorted(set(sources) - set(ids))
    ]
    cited = {ident for _, sources in citing for ident in sources}
    unused = sorted(set(ids) - cited)
    return faults + [("source", f"{ident!r} is not used by any name or address: remove it") for ident in unused]
