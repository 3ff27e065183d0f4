"""The complete command line of dnsfilterctl."""

from functools import cache

from api.ctl.command import PROGRAM, Help, Parser, add_global
from api.ctl.explain import explain, reports, trace
from api.ctl.network import nodes, ranges, spaces
from api.ctl.operation import audit, backups, captures, completion, coverage, notices, status, usage_counts, webhooks
from api.ctl.people import accounts, failures, grants, login, tokens
from api.ctl.policy import (
    authorities,
    bans,
    bindings,
    exemptions,
    policies,
    requests,
    revisions,
    services,
    suspensions,
)
from dnsfilter import __version__

_TOPICS = (
    login,
    authorities,
    ranges,
    spaces,
    services,
    bans,
    reports,
    requests,
    bindings,
    exemptions,
    suspensions,
    explain,
    trace,
    policies,
    revisions,
    usage_counts,
    captures,
    coverage,
    audit,
    notices,
    webhooks,
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
Global options may stand before or after the command. No option takes a token: other users can see command lines.

times:
  2026-09-30, "2026-09-30 17:00", "30 September 2026 17:00:00 CEST",
  2026-09-30T17:00:00+02:00, and every form that dnsfilterctl prints. A time
  without a zone is in the time zone of the authority, or in Europe/Brussels.

exit codes:
  0  done
  1  a check failed: differences found, control plane not ready,
     act recorded but not yet in force
  2  wrong input, or a conflict with what is recorded
  3  permission denied, or no token
  4  control plane not reachable, or temporarily unable to answer

example:
  dnsfilterctl ban set ghent tiktok --mode enforce"""


@cache
def make_parser() -> Parser:
    """Return the parser. Its results have `verb`, and `api`, `token_file` and `json` if they were given.

    It is made once, because parsing does not change it.
    """
    return fresh_parser()


def fresh_parser() -> Parser:
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
    for topic in _TOPICS:
        topic.add(groups)
    return parser
