"""Say which bans change for ranges, and ask at a terminal before that is done."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from api.ctl.command import Options, Parser
from api.ctl.display.safe_text import counted
from api.ctl.exit_codes import Withheld
from api.ranges.schemas import AppliedBanRead, ChangedBansRead
from dnsfilter.telemetry.dialogue import InputEnded, at_terminal, confirm, say

MAX_NAMED = 5
"""The most ranges that a line names."""


class WithChangedBans(Protocol):
    """An answer that says which bans change."""

    @property
    def changes(self) -> list[ChangedBansRead]: ...


Answer = TypeVar("Answer", bound=WithChangedBans)


def add_rehearsal(parser: Parser) -> None:
    """Add --dry-run, and --yes against the question at a terminal."""
    parser.add_argument("--dry-run", action="store_true", help="show which bans would change, and do nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask before bans change")


def acted(send: Callable[[bool], Answer], options: Options) -> Answer:
    """Act by `send(False)`, or with --dry-run rehearse by `send(True)`. At a terminal, rehearse and ask first.

    Raise Withheld if the answer is no. Ask nothing if no ban changes.
    """
    if options.dry_run:
        return send(True)
    if at_terminal() and not options.yes and not getattr(options, "json", False):
        lines = list(change_lines(send(True).changes))
        for line in lines:
            say(line)
        if lines and not _agreed():
            raise Withheld("Nothing was done.")
    return send(False)


def change_lines(changes: Iterable[ChangedBansRead]) -> Iterator[str]:
    """Yield which bans change, for each group of ranges."""
    for each in changes:
        yield f"{_ranges(each)}, {_owner('until now of', each.before)}, {_owner('then of', each.after)}:"
        for verb, bans in (("begins to apply", each.begin), ("no longer applies", each.end)):
            yield from (f"  {_ban(ban)} {verb}" for ban in bans)


def _agreed() -> bool:
    try:
        return confirm("Continue?")
    except InputEnded:
        return False


def _ranges(each: ChangedBansRead) -> str:
    named = [name.split("/", 2)[2] for name in each.ranges[:MAX_NAMED]]
    more = each.count - len(named)
    return ", ".join(named) + (f" and {counted(more, 'more range')}" if more else "")


def _owner(words: str, authority: str | None) -> str:
    return f"{words} {authority or 'no authority'}"


def _ban(ban: AppliedBanRead) -> str:
    return f"{ban.ban} ({ban.mode}{', by a binding' if ban.bound else ''})"
