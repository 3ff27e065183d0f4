"""The whole command line of dnsfilterctl."""

from functools import cache

from api.ctl.command import PROGRAM, Help, Parser, add_global
from api.ctl.explain import explain, trace
from api.ctl.network import nodes, ranges, spaces
from api.ctl.operation import audit, backups, completion, notices, status
from api.ctl.people import accounts, failures, grants, login, tokens
from api.ctl.policy import authorities, bans, bindings, exemptions, policies, requests, revisions, services, suspensions
from dnsfilter import __version__

_TOPICS = (
    login,
    authorities,
    ranges,
    spaces,
    services,
    bans,
    requests,
    bindings,
    exemptions,
    suspensions,
    explain,
    trace,
    policies,
    revisions,
    audit,
    notices,
    accounts,
    grants,
    tokens,
    failures,
    backups,
    nodes,
    status,
    completion,
)

_EPILOG = """\
The options stand before or after the command. There is none for a token itself: command lines are seen by others.

times:
  2026-09-30, "2026-09-30 17:00", "30 September 2026 17:00:00 CEST",
  2026-09-30T17:00:00+02:00, and every form that the tool prints; without a
  zone by the clock of the authority concerned, else of Europe/Brussels

exit codes:
  0  done
  1  a check found something: differences, a control plane that is not ready,
     an act not yet in force
  2  wrong input, or the record forbids it
  3  refused for want of permission, or no token
  4  the control plane is not reachable, or cannot do it now

example:
  dnsfilterctl ban set ghent tiktok --mode enforce"""


@cache
def make_parser() -> Parser:
    """The parser; what it parses has `verb`, and `api`, `token_file` and `json` where they were given.

    The same one each time: to parse changes nothing of it.
    """
    return fresh_parser()


def fresh_parser() -> Parser:
    """Make another such parser, for whoever changes it."""
    parser = Parser(
        prog=PROGRAM,
        description="Do from a shell what the API of dnsfilter's control plane does.",
        epilog=_EPILOG,
        formatter_class=Help,
        allow_abbrev=False,
    )
    add_global(parser, shown=True)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    groups = parser.add_subparsers(metavar="COMMAND", required=True)
    for topic in _TOPICS:
        topic.add(groups)
    return parser
