"""The command line of dnsfilterctl: complete, or with the topics that one command line needs."""

from collections.abc import Sequence, Set
from functools import cache
from importlib import import_module

from api.ctl.command import PROGRAM, Help, Parser, add_global, first_sentence
from api.ctl.topics import TOPICS
from dnsfilter import __version__

_EPILOG = """\
Global options may stand before or after the command. No option takes a token: other users can see command lines.

times:
  08:00, today, "tomorrow 08:00", "friday 18:00", 2026-09-30,
  "2026-09-30 17:00", "30 September 2026 17:00:00 CEST",
  2026-09-30T17:00:00+02:00, and every form that dnsfilterctl prints. A time
  without a date is the next one; where only the past counts, the last one. A
  time without a zone is in the time zone of the authority, or in
  Europe/Brussels. Lengths are "4 minutes", "1h30m", "8 hours", "30 days",
  "6 months". Weekly hours are "Mon-Fri 09:00-12:00", or "12-14h" for every day.

exit codes:
  0  done
  1  a check failed: differences found, control plane not ready,
     act recorded but not yet in force
  2  wrong input, or a conflict with what is recorded
  3  permission denied, or no token
  4  control plane not reachable, or temporarily unable to answer
  5  nothing has changed yet: the act waits for an approver

example:
  dnsfilterctl ban set ghent tiktok --mode enforce"""


def parser_for(arguments: Sequence[str]) -> Parser:
    """Return a parser of this command line. Of topics that it does not name, only the summaries are known.

    Its results have `verb`, and `api`, `token_file` and `json` if they were given.
    """
    return _shared(frozenset(topic for topic, commands in TOPICS.items() if not commands.keys().isdisjoint(arguments)))


def make_parser() -> Parser:
    """Return the complete parser."""
    return _shared(frozenset(TOPICS))


@cache
def _shared(topics: frozenset[str]) -> Parser:
    """Make a parser once, because parsing does not change it."""
    return fresh_parser(topics)


def fresh_parser(topics: Set[str] = TOPICS.keys()) -> Parser:
    """Make a new parser, for callers that change it."""
    parser = Parser(
        prog=PROGRAM,
        description="Manage dnsfilter from a shell, through the API of its control plane.",
        epilog=_EPILOG,
        formatter_class=Help,
        allow_abbrev=False,
    )
    add_global(parser, shown=True)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    groups = parser.add_subparsers(metavar="COMMAND", required=True)
    for topic, commands in TOPICS.items():
        if topic in topics:
            import_module(f"api.ctl.{topic}").add(groups)
        else:
            for name, summary in commands.items():
                groups.add_parser(name, help=first_sentence(summary), add_help=False)
    return parser
