"""The curated catalogue: which names make up a service, in tiers, each name with the sources that give it.

One TOML file per service, named after its slug; the packaged ones lie in `blocklists/catalogue/` beside this file. What
the keys mean is told in docs/catalogue.md. A place in a problem is `file:key`, items of an array counted from 1, names
by themselves: `tiktok.toml:tier[1].domains[tiktok.com]`.
"""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, TypeAlias

from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.model import Service, Tier, WireName
from dnsfilter.wire.names import parse_name, suffixes

MAX_FILES = 1_000
MAX_FILE_OCTETS = 1 << 20
MAX_NAMES = 10_000
"""Names in one service."""
MAX_TIER = 9

_NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,31}")
_Table: TypeAlias = dict[str, Any]


class Category(StrEnum):
    """What sort of service an entry is, for lists on a screen; no rule depends on it."""

    ADVERTISING = "advertising"
    AI = "ai"
    COMPANY = "company"
    CREATIVE = "creative"
    DATING = "dating"
    GAMES = "games"
    MEETINGS = "meetings"
    MESSENGER = "messenger"
    MUSIC = "music"
    NETWORK = "network"
    PUBLISHING = "publishing"
    SOCIAL = "social"
    VIDEO = "video"


@dataclass(frozen=True, slots=True)
class Source:
    """Where names come from: `what` is a repository or list, `revision` is empty where none is known."""

    id: str
    what: str
    licence: str
    revision: str = ""


@dataclass(frozen=True, slots=True)
class CatalogueName:
    """One name of a service: `exact` is a host, else it stands for itself and all below it.

    `sources` are ids. `lists` and `families` say in how many compared lists, and independent families of lists, the
    name stands, where that was counted.
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
    """One tier as shown to people; names in file order, domains first."""

    number: int
    title: str
    description: str
    names: tuple[CatalogueName, ...]

    def tier(self) -> Tier:
        """The tier as the policy uses it."""
        return Tier(
            number=self.number,
            domains=frozenset(name.wire for name in self.names if not name.exact),
            hosts=frozenset(name.wire for name in self.names if name.exact),
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One service with everything that is known about it; `reviewed` is the day of the last review."""

    slug: str
    name: str
    category: Category
    reviewed: date
    sources: tuple[Source, ...]
    tiers: tuple[TierEntry, ...]

    @property
    def names_count(self) -> int:
        """How many names all tiers hold together."""
        return sum(len(tier.names) for tier in self.tiers)

    def service(self) -> Service:
        """The entry as the policy uses it."""
        return Service(slug=self.slug, name=self.name, tiers=tuple(tier.tier() for tier in self.tiers))


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All entries, ordered by slug."""

    entries: tuple[Entry, ...]

    @property
    def services(self) -> tuple[Service, ...]:
        """All entries as the policy uses them, ordered by slug."""
        return tuple(entry.service() for entry in self.entries)

    def entry(self, slug: str) -> Entry:
        """The entry of that slug; KeyError where there is none."""
        for entry in self.entries:
            if entry.slug == slug:
                return entry
        raise KeyError(slug)


def load_catalogue(directory: Path | None = None) -> Catalogue:
    """Read every `*.toml` of `directory`, by default the packaged ones.

    Raises ConfigError with the problems of all files, in order of file names.
    """
    root: Traversable = files("blocklists") / "catalogue" if directory is None else directory
    try:
        found = sorted((item for item in root.iterdir() if item.name.endswith(".toml")), key=lambda item: item.name)
    except OSError as error:
        raise ConfigError((Problem(str(root), f"list catalogue directory: {error.strerror}"),)) from error
    if len(found) > MAX_FILES:
        raise ConfigError((Problem(str(root), f"read catalogue: {len(found)} files, at most {MAX_FILES} are allowed"),))
    entries: list[Entry] = []
    problems: list[Problem] = []
    for item in found:
        try:
            entries.append(parse_entry(_load_text(item), item.name))
        except ConfigError as error:
            problems.extend(error.problems)
    if problems:
        raise ConfigError(tuple(problems))
    return Catalogue(tuple(sorted(entries, key=lambda entry: entry.slug)))


def parse_entry(text: str, file_name: str) -> Entry:
    """Read one service from TOML text; raises ConfigError with all problems.

    `file_name` is the slug and `.toml`, without directories.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError((Problem(file_name, f"read as TOML: {error}"),)) from error
    reader = _Reader(file_name)
    entry = reader.entry(table)
    if reader.problems:
        raise ConfigError(tuple(reader.problems))
    return entry


def _load_text(item: Traversable) -> str:
    try:
        with item.open("rb") as stream:
            octets = stream.read(MAX_FILE_OCTETS + 1)
        if len(octets) > MAX_FILE_OCTETS:
            raise ConfigError((Problem(item.name, f"read file: longer than {MAX_FILE_OCTETS} octets"),))
        return octets.decode()
    except OSError as error:
        raise ConfigError((Problem(item.name, f"read file: {error.strerror}"),)) from error
    except UnicodeDecodeError as error:
        raise ConfigError((Problem(item.name, f"read file: not UTF-8 at octet {error.start}"),)) from error


class _Reader:
    """Reads one file's tables and collects what is wrong; what it returns counts only while `problems` is empty."""

    def __init__(self, file_name: str) -> None:
        self.file_name = file_name
        self.problems: list[Problem] = []

    def problem(self, key: str, message: str) -> None:
        self.problems.append(Problem(f"{self.file_name}:{key}", message))

    def entry(self, table: _Table) -> Entry:
        self.known(table, "", {"slug", "name", "category", "reviewed", "source", "tier"})
        slug = self.text(table, "", "slug", 32)
        if slug and not _SLUG.fullmatch(slug):
            self.problem("slug", f"read slug {slug!r}: small letters, digits, - and _ only, at most 32")
        elif slug and f"{slug}.toml" != self.file_name:
            self.problem("slug", f"read slug {slug!r}: the file must be named {slug}.toml")
        name = self.text(table, "", "name", 60)
        category = self.category(table)
        reviewed = self.reviewed(table)
        sources = tuple(self.source(item, key) for item, key in self.tables(table, "source"))
        for double in _doubles([source.id for source in sources]):
            self.problem("source", f"read sources: id {double!r} is given twice")
        tiers = tuple(self.tier(item, key) for item, key in self.tables(table, "tier"))
        self.numbers(tiers)
        self.names(tiers, {source.id for source in sources})
        return Entry(slug, name, category, reviewed, sources, tiers)

    def category(self, table: _Table) -> Category:
        text = self.text(table, "", "category", 32)
        try:
            return Category(text)
        except ValueError:
            if text:
                self.problem("category", f"read category {text!r}: one of {', '.join(Category)}")
            return Category.NETWORK

    def reviewed(self, table: _Table) -> date:
        value = table.get("reviewed")
        if isinstance(value, date) and not isinstance(value, datetime):
            return value
        self.problem("reviewed", "read date of the last review: a date without quotes is needed, as 2026-11-25")
        return date.min

    def source(self, table: _Table, key: str) -> Source:
        self.known(table, key, {"id", "what", "revision", "licence"})
        ident = self.text(table, key, "id", 32)
        if ident and not _SLUG.fullmatch(ident):
            self.problem(f"{key}.id", f"read source id {ident!r}: small letters, digits, - and _ only")
        revision = self.text(table, key, "revision", 64) if "revision" in table else ""
        return Source(ident, self.text(table, key, "what", 200), self.text(table, key, "licence", 60), revision)

    def tier(self, table: _Table, key: str) -> TierEntry:
        self.known(table, key, {"number", "title", "description", "domains", "hosts"})
        number = self.count(table, key, "number")
        if "number" not in table:
            self.problem(f"{key}.number", "read tier: a number is needed")
        names = [self.name(item, at, exact=False) for item, at in self.items(table, key, "domains")]
        names += [self.name(item, at, exact=True) for item, at in self.items(table, key, "hosts")]
        if not names:
            self.problem(key, "read tier: neither domains nor hosts")
        title = self.text(table, key, "title", 60)
        return TierEntry(number or 0, title, self.text(table, key, "description", 240), tuple(names))

    def name(self, table: _Table, key: str, *, exact: bool) -> CatalogueName:
        self.known(table, key, {"name", "sources", "lists", "families", "note"})
        text = self.text(table, key, "name", 253)
        wire = b""
        if text:
            try:
                wire = parse_name(text)
            except ValueError as error:
                self.problem(key, str(error))
        if wire and not _NAME.fullmatch(text):
            self.problem(key, f"read name {text!r}: small letters, digits, - and _ only, no * and no final dot")
        sources = table.get("sources")
        if not isinstance(sources, list) or not sources or not all(isinstance(item, str) for item in sources):
            self.problem(f"{key}.sources", "read sources of a name: at least one source id is needed")
            sources = []
        for double in _doubles(sources):
            self.problem(f"{key}.sources", f"read sources of a name: {double!r} is given twice")
        lists, families = self.count(table, key, "lists"), self.count(table, key, "families")
        note = self.text(table, key, "note", 120) if "note" in table else ""
        return CatalogueName(text, wire, exact, tuple(sources), lists, families, note)

    def numbers(self, tiers: tuple[TierEntry, ...]) -> None:
        numbers = [tier.number for tier in tiers]
        if numbers and all(numbers) and (numbers[0] != 1 or numbers != sorted(set(numbers)) or numbers[-1] > MAX_TIER):
            self.problem("tier", f"read tiers: numbers must rise from 1 and stay within {MAX_TIER}, not {numbers}")

    def names(self, tiers: tuple[TierEntry, ...], sources: set[str]) -> None:
        """Check names against each other and against the sources: none twice, none below a domain of its own tier."""
        seen: dict[WireName, int] = {}
        cited: set[str] = set()
        if sum(len(tier.names) for tier in tiers) > MAX_NAMES:
            self.problem("tier", f"read tiers: more than {MAX_NAMES} names")
        for position, tier in enumerate(tiers, 1):
            domains = {name.wire: name.text for name in tier.names if not name.exact and name.wire}
            for name in tier.names:
                key = f"tier[{position}].{'hosts' if name.exact else 'domains'}[{name.text}]"
                cited.update(name.sources)
                for unknown in sorted(set(name.sources) - sources):
                    self.problem(f"{key}.sources", f"read sources of a name: no [[source]] has the id {unknown!r}")
                if not name.wire:
                    continue
                if name.wire in seen:
                    self.problem(key, f"read name {name.text!r}: already in tier[{seen[name.wire]}]")
                seen.setdefault(name.wire, position)
                above = next((domains[up] for up in suffixes(name.wire) if up != name.wire and up in domains), None)
                if above is not None:
                    self.problem(key, f"read name {name.text!r}: already covered by {above!r}")
        for unused in sorted(sources - cited - {""}):
            self.problem("source", f"read sources: {unused!r} names nothing here")

    def known(self, table: _Table, key: str, allowed: set[str]) -> None:
        wanted = ", ".join(sorted(allowed))
        for other in sorted(set(table) - allowed):
            self.problem(_join(key, other), f"read key {other!r}: not known here, known are {wanted}")

    def text(self, table: _Table, key: str, name: str, limit: int) -> str:
        value = table.get(name)
        if isinstance(value, str) and value.strip() and len(value) <= limit and value.isprintable():
            return value
        self.problem(_join(key, name), f"read {name}: printable text of 1 to {limit} characters is needed")
        return ""

    def count(self, table: _Table, key: str, name: str) -> int | None:
        value = table.get(name)
        if value is None or (isinstance(value, int) and not isinstance(value, bool) and value > 0):
            return value
        self.problem(_join(key, name), f"read {name}: a whole number above zero is needed, not {value!r}")
        return None

    def tables(self, table: _Table, name: str) -> Iterator[tuple[_Table, str]]:
        value = table.get(name)
        if not isinstance(value, list) or not value or not all(isinstance(item, dict) for item in value):
            self.problem(name, f"read {name}: at least one [[{name}]] is needed")
            return
        yield from ((item, f"{name}[{position}]") for position, item in enumerate(value, 1))

    def items(self, table: _Table, key: str, name: str) -> Iterator[tuple[_Table, str]]:
        """The inline tables of `domains` or `hosts`, each with its place: by its name where it has one."""
        value = table.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.problem(f"{key}.{name}", f"read {name}: a list of {{ name = …, sources = […] }} is needed")
            return
        for position, item in enumerate(value, 1):
            label = item.get("name")
            yield item, f"{key}.{name}[{label if isinstance(label, str) and label else position}]"


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _doubles(items: list[str]) -> list[str]:
    return sorted({item for item in items if items.count(item) > 1})
