"""`dnsfilter lists`: check a list of names, and write services of the catalogue as lists for other programs."""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dnsfilter.cli.options import DONE, FOUND, WRONG_INPUT, Commands, add_command, add_group
from dnsfilter.errors import ConfigError, ListError, Problem
from dnsfilter.policy.model import WireName
from dnsfilter.telemetry.terminal import say
from dnsfilter.wire.names import name_text

if TYPE_CHECKING:
    from blocklists.catalogue import Entry
    from blocklists.formats.items import Item
    from blocklists.list_file import ReadList

READ = ("domains", "hosts", "adblock", "rpz")
WRITTEN = (*READ, "unbound")
_REDRAW_S = 0.1


def add(commands: Commands) -> None:
    """Add the commands."""
    group = add_group(commands, "lists", "check lists of names, and write services of the catalogue as lists")
    command = add_command(group, "check", check, "print what a list of names says, what is skipped and why")
    command.add_argument("file", type=Path, metavar="FILE", help="the list")
    command.add_argument("--format", choices=READ, help="the list's format (default: found by its beginning)")
    meaning = command.add_mutually_exclusive_group()
    meaning.add_argument(
        "--exact", action="store_const", const=True, help="read each name as exactly this name (default for hosts)"
    )
    meaning.add_argument(
        "--suffixes",
        action="store_const",
        const=False,
        dest="exact",
        help="read each name with all names below it (default for domains)",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")
    command.epilog = "Exit codes: 0 done, 1 a name hits the guard, or the list has no name, 2 it is no list."
    command = add_command(group, "export", export, "print services of the catalogue as a list, tiers 1 and 2")
    command.add_argument("services", nargs="+", metavar="SERVICE", help="slug of a service")
    command.add_argument("--format", choices=WRITTEN, required=True, help="the format of the list")


class _Progress:
    """A line on standard error, if that is a terminal. It is erased when the block ends."""

    def __init__(self, total: int) -> None:
        self._total = max(total, 1)
        self._next_s = 0.0
        self._shown = sys.stderr.isatty() and os.environ.get("TERM", "") not in ("dumb", "unknown")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown and self._next_s:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def __call__(self, size: int) -> None:
        """Show how much has been read."""
        if self._shown and time.monotonic() >= self._next_s:
            self._next_s = time.monotonic() + _REDRAW_S
            print(f"\r{size / 1e6:.1f} MB read, {100 * size // self._total} %", end="", file=sys.stderr, flush=True)


def check(options: argparse.Namespace) -> int:
    """Print names, skips and guard hits of a list. Return exit code 1 for a guard hit or a list without names."""
    from blocklists.formats.known import Format
    from blocklists.guard import GuardedName, load_guard
    from blocklists.list_file import load_list

    known = None if options.format is None else Format(options.format)
    guard = load_guard()
    hits: dict[WireName, GuardedName] = {}
    hitting: list[Item] = []

    def note(item: "Item") -> None:
        if item.name in hits and not item.allow:
            hitting.append(item)

    try:
        size = options.file.stat().st_size if options.file.exists() else 0
        with _Progress(size) as progress:
            found = load_list(options.file, known, options.exact, progress=progress)
            names = found.names
            hits = guard.hits(names.domains, is_host=False) | guard.hits(names.hosts, is_host=True)
            if hits:
                # Look for the lines only now: most lists have none, and the numbers of a million lines take memory.
                load_list(options.file, found.format, options.exact, note)
    except ListError as error:
        say(f"{options.file}: {error}", file=sys.stderr)
        return WRONG_INPUT
    guarded = [
        (item.line, name_text(item.name), name_text(hits[item.name].name), hits[item.name].file_name)
        for item in hitting
    ]
    if options.json:
        print(json.dumps(_value(options.file, found, guarded)))
    else:
        _show(options.file, found, guarded)
    return FOUND if hits or not len(found.names) else DONE


def export(options: argparse.Namespace) -> int:
    """Print the names of tiers 1 and 2 of services in a format. Return exit code 2 for an unknown service."""
    from blocklists.catalogue import load_catalogue
    from blocklists.list_export import export_list

    entries = _entries(load_catalogue().entries, options.services)
    title = ", ".join(entry.name for entry in entries)
    tiers = [tier.tier() for entry in entries for tier in entry.tiers]
    made = export_list(options.format, title, tiers, int(time.time()))
    for line in made.lines:
        print(line)
    for note in made.notes:
        say(f"dnsfilter: {note}", file=sys.stderr)
    return DONE


def _entries(known: Iterable["Entry"], slugs: Iterable[str]) -> list["Entry"]:
    """Return the entries of these slugs. Raise ConfigError for those that the catalogue lacks."""
    entries = {entry.slug: entry for entry in known}
    problems = []
    for slug in slugs:
        if slug not in entries:
            near = get_close_matches(slug, entries, 1)
            hint = f'did you mean "{near[0]}"?' if near else "docs/reference/catalogue.md lists the services"
            problems.append(Problem(slug, f"no service of the catalogue has this slug: {hint}"))
    if problems:
        raise ConfigError(tuple(problems))
    return [entries[slug] for slug in dict.fromkeys(slugs)]


def _show(path: Path, found: "ReadList", guarded: Iterable[tuple[int, str, str, str]]) -> None:
    for skip in found.skips:
        say(f"{path}:{skip.line}: {skip.text} {skip.reason}")
    for line, name, guards, file_name in guarded:
        say(f"{path}:{line}: {name} hits the guard: {guards} ({file_name})")
    names = found.names
    say(
        f"{found.format}, {found.lines} lines: {len(names.domains)} names with all below them, {len(names.hosts)} exact"
    )
    if names.allowed_domains or names.allowed_hosts:
        say(f"exceptions: {len(names.allowed_domains) + len(names.allowed_hosts)}")
    say(f"given twice, or covered or freed by another line: {found.merged}")
    say(f"skipped: {found.skipped.total()}")
    for reason, count in found.skipped.most_common():
        say(f"  {reason}: {count}")
    if found.skipped.total() > len(found.skips):
        say(f"the first {len(found.skips)} skipped lines are listed")


def _value(path: Path, found: "ReadList", guarded: Iterable[tuple[int, str, str, str]]) -> dict[str, object]:
    names = found.names
    return {
        "file": str(path),
        "format": found.format,
        "lines": found.lines,
        "domains": len(names.domains),
        "hosts": len(names.hosts),
        "exceptions": len(names.allowed_domains) + len(names.allowed_hosts),
        "merged": found.merged,
        "skipped": dict(found.skipped.most_common()),
        "skips": [skip._asdict() for skip in found.skips],
        "guard": [dict(zip(("line", "name", "guarded", "file"), hit, strict=True)) for hit in guarded],
    }
