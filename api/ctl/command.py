"""What a command is: arguments in, a result out; and the options that several commands share."""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network
from textwrap import TextWrapper
from typing import Any, NoReturn, TypeAlias

from api.ctl.display.safe_text import escape
from api.ctl.exit_codes import DONE, WRONG_INPUT
from api.ctl.remote.client import Client
from api.http.prefixes import why_no_prefix
from api.http.schemas import SERVICE_SLUG
from dnsfilter.policy.model import Audience, Funding, Kind
from dnsfilter.wire.asked import parse_asked
from dnsfilter.wire.names import name_text

Options: TypeAlias = argparse.Namespace
Body: TypeAlias = dict[str, Any]

PROGRAM = "dnsfilterctl"
WIDTH = 80
DEFAULT_LIMIT, MAX_LIMIT = 200, 10_000
MIN_REASON = 3
MAX_DIGITS = 19

WHEN = "a date or a time, by the authority's clock"
"""For help texts; `dnsfilterctl --help` explains both forms."""

_SLUG = re.compile(SERVICE_SLUG)
_SECRET = re.compile(r"dnsf_[A-Za-z0-9_-]+|(?<=://)[^/\s@]*@")


def words_of(kind: type[StrEnum]) -> tuple[str, ...]:
    """The words of an enumeration, in its order."""
    return tuple(map(str, kind))


KINDS, FUNDING, AUDIENCE = words_of(Kind), words_of(Funding), words_of(Audience)


@dataclass(frozen=True, slots=True)
class Result:
    """What a command found: an answer or other JSON, and lines for a person, made only when they are wanted."""

    data: object
    lines: Callable[[], Iterable[str]]
    code: int = DONE
    notes: tuple[str, ...] = ()
    """For standard error, also with --json."""
    raw: str | None = None
    """A file's text, printed as it is in place of lines."""
    stream: Iterable[bytes] | None = None
    """What may be too large for memory, printed as it comes in place of everything else."""


Run: TypeAlias = Callable[[Client, Options], Result]


@dataclass(frozen=True, slots=True)
class Verb:
    """One command. `needs_token` is false for what the API tells everybody; one that is `local` asks no API at all.

    One that `asks_token` has none yet, and is given it; one that `takes_token` tells more with one, where there is one.
    """

    run: Run
    needs_token: bool = field(default=True)
    asks_token: bool = field(default=False)
    takes_token: bool = field(default=False)
    local: bool = field(default=False)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are escaped, and repeat no token or password given by mistake."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the fault, and exit with 2."""
        shown = escape(_SECRET.sub("[hidden]", message))
        self.exit(WRONG_INPUT, f"{self.format_usage()}{self.prog}: {shown}\n")


class Help(argparse.RawDescriptionHelpFormatter):
    """Help of one width everywhere, so that documentation and terminal say the same. Indented lines are kept."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=WIDTH)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrapper = TextWrapper(width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        lines = (indent + line if line[:1] in ("", " ") else wrapper.fill(line) for line in text.splitlines())
        return "\n".join(lines)


Group: TypeAlias = "argparse._SubParsersAction[Parser]"
"""What commands, or a command's verbs, are added to."""


def add_group(groups: Group, name: str, summary: str) -> Group:
    """A noun, to whose parsers the verbs are added."""
    parser = groups.add_parser(name, help=summary, description=summary, formatter_class=Help, allow_abbrev=False)
    return parser.add_subparsers(metavar="VERB", required=True)


def add_verb(group: Group, name: str, verb: Verb | Run, summary: str, *examples: str) -> Parser:
    """A command with its summary and at least one example; the options before the verb are taken after it too."""
    lines = "\n".join(map(_example, examples))
    heading = "example:" if len(examples) == 1 else "examples:"
    parser = group.add_parser(
        name,
        help=summary,
        description=summary,
        epilog=f"{heading}\n{lines}",
        formatter_class=Help,
        allow_abbrev=False,
    )
    add_global(parser, shown=False)
    parser.set_defaults(verb=verb if isinstance(verb, Verb) else Verb(verb), command=parser)
    return parser


def add_numbered(group: Group, name: str, run: Run, summary: str, example: str) -> Parser:
    """Add a command about what has a number."""
    parser = add_verb(group, name, run, summary, example)
    parser.add_argument("number", type=number, metavar="NUMBER")
    return parser


def _example(arguments: str) -> str:
    """A command as a shell takes it, with its options on further lines where it is long. None has " --" in a text."""
    lines = [f"  {PROGRAM}"]
    for part in re.split(r" (?=--)", arguments):
        if len(lines[-1]) + len(part) + len("  \\") > WIDTH:
            lines[-1] += " \\"
            lines.append(f"     {part}")
        else:
            lines[-1] += f" {part}"
    return "\n".join(lines)


def add_global(parser: argparse.ArgumentParser, *, shown: bool) -> None:
    """--api, --ca, --token-file, --json. Absent, they leave no attribute: what was given before the verb stays."""
    texts = {
        "api": "the control plane, also unix:PATH (DNSFILTER_URL, else http://127.0.0.1:8080)",
        "ca": "the certificates that it may be signed by (DNSFILTER_CA, else those that the machine trusts)",
        "token-file": "the file with the token (DNSFILTER_TOKEN_FILE, else what login keeps, else ./.run/admin-token "
        "or ./admin-token)",
    }
    for option, metavar in (("api", "URL"), ("ca", "FILE"), ("token-file", "FILE")):
        text = texts[option] if shown else argparse.SUPPRESS
        parser.add_argument(f"--{option}", metavar=metavar, default=argparse.SUPPRESS, help=text)
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def add_limit(parser: argparse.ArgumentParser) -> None:
    """--limit of a list."""
    parser.add_argument(
        "--limit",
        type=integer(1, MAX_LIMIT),
        default=DEFAULT_LIMIT,
        metavar="N",
        help=f"print at most N entries ({DEFAULT_LIMIT})",
    )


def add_at(parser: argparse.ArgumentParser) -> None:
    """--at of an end."""
    parser.add_argument("--at", metavar="WHEN", help=f"{WHEN}, from now on (now)")


def add_state(parser: argparse.ArgumentParser, kind: type[StrEnum]) -> None:
    """--state of a list."""
    states = words_of(kind)
    parser.add_argument("--state", choices=states, metavar="STATE", help=", ".join(states))


def add_reason(parser: argparse.ArgumentParser) -> None:
    """--reason of an act that needs one."""
    parser.add_argument("--reason", type=reason, required=True, metavar="TEXT", help="why; it stays on record")


def add_site(parser: argparse.ArgumentParser) -> None:
    """--site, where a network has several."""
    parser.add_argument("--site", type=slug, default="default", metavar="SITE", help="the site (default)")


def add_decision(parser: argparse.ArgumentParser, what: str = "the decision", *, of_ban: bool = True) -> None:
    """The options of a formal decision; `of_ban` where it is one on a ban, which may follow another."""
    shown = "; clients are shown it" if of_ban else ""
    group = parser.add_argument_group(what)
    group.add_argument("--organ", metavar="TEXT", help="who decided, for example college")
    group.add_argument("--reference", metavar="TEXT", help=f"the decision's reference{shown}")
    group.add_argument("--date", metavar="DATE", help="of the decision, for example 2023-03-24")
    group.add_argument("--legal-basis", metavar="TEXT", help="the legal basis")
    group.add_argument("--advice", metavar="TEXT", help="reference of the advice behind it")
    group.add_argument("--link", metavar="URL", help="where it can be read")
    if of_ban:
        group.add_argument("--follows", type=reference, metavar="AUTHORITY/SERVICE", help="the ban that it adopts")


def add_term(parser: argparse.ArgumentParser, *, review: bool = False, start: str = "now") -> "argparse._ArgumentGroup":
    """The options of a period; with `review` it may be without an end. `start` tells when it begins by default."""
    group = parser.add_argument_group("the term", "Times are by the authority's clock, unless they name a zone.")
    group.add_argument("--start", metavar="WHEN", help=f"a date or a time ({start})")
    add_end(group)
    if review:
        group.add_argument("--review-by", metavar="DATE", help="without an end: when it is looked at again")
    return group


def add_end(parser: "argparse._ActionsContainer", *, required: bool = False) -> None:
    """The options of an end, of which one may be given."""
    end = parser.add_mutually_exclusive_group(required=required)
    end.add_argument("--end", metavar="WHEN", help="the first instant after it: a date or a time")
    end.add_argument("--until", metavar="WHEN", help="the last day of it, or a time")
    end.add_argument(
        "--for", dest="for_", metavar="SPAN", help='"6 months", "30 days": to the end of the last day; or "72 hours"'
    )


def with_decision(options: Options, body: Body) -> Body:
    """The body of an act, with the decision that the options give."""
    decision = decision_body(options)
    return {**body, "decision": decision} if decision else body


def decision_body(options: Options) -> Body:
    """The decision that the options give; empty where they give none."""
    return given(options, "organ", "reference", "date", "legal_basis", "advice", "link", "follows")


def term_body(options: Options) -> Body:
    """The term that the options give; empty where they give none."""
    body = given(options, "start", "end", "until", "for_", "review_by")
    return {key.rstrip("_"): value for key, value in body.items()}


def given(options: Options, *names: str) -> Body:
    """The options that were given, by name."""
    values: Mapping[str, Any] = vars(options)
    return {name: values[name] for name in names if values.get(name) is not None}


def slug(text: str) -> str:
    """An argument that names an authority, a service or a site."""
    if not _SLUG.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no short name: lower-case letters, digits and hyphens")
    return text


def reason(text: str) -> str:
    """An argument that says why."""
    if len(text.strip()) < MIN_REASON:
        raise argparse.ArgumentTypeError("give a reason of at least three characters")
    return text


def reference(text: str) -> str:
    """An argument that names a ban."""
    authority, slash, service = text.partition("/")
    if not slash or not _SLUG.fullmatch(authority) or not _SLUG.fullmatch(service):
        raise argparse.ArgumentTypeError(f"{text!r} names no ban: write for example ghent/tiktok")
    return text


def question(text: str) -> str:
    """Return an argument as a domain name. Only the host of a URL leaves this machine."""
    try:
        return name_text(parse_asked(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def integer(least: int, most: int, fault: str = "") -> Callable[[str], int]:
    """Return the reader of an argument that is a number from `least` to `most`; `fault` is what is said of others."""
    said = fault or f"is not a number from {least} to {most}"

    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS and least <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text!r} {said}")
        return int(text)

    return parse


number = integer(1, 999_999_999, "is no number of one: lists show them")
"""An argument that numbers a binding, an exemption, a grant or a token."""


def prefix(text: str) -> str:
    """An argument that is an address prefix; a single address is one too."""
    try:
        return str(ip_network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(why_no_prefix(text)) from error


def tiers(text: str) -> list[int]:
    """An argument of several tiers with commas between."""
    if not re.fullmatch(r"[1-9](,[1-9]){0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} are no tiers: write for example 1,2")
    return sorted({int(part) for part in text.split(",")})
