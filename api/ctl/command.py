"""Define commands and their results, and the options that several commands share."""

import argparse
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from textwrap import TextWrapper
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

from api.ctl.arguments import integer, number, reason, service, slug, words_of
from api.ctl.ban_references import LIST_METAVAR, METAVAR, join_references, list_reference, reference
from api.ctl.display.safe_text import escape
from api.ctl.exit_codes import DONE, WRONG_INPUT
from api.ctl.topics import COMMANDS
from api.http.patterns import MIN_REASON

if TYPE_CHECKING:
    _Commands: TypeAlias = "argparse._SubParsersAction[Parser]"
    # The parser needs neither HTTP nor pydantic.
    from api.ctl.remote.client import Client

else:
    _Commands = argparse._SubParsersAction

Options: TypeAlias = argparse.Namespace
Body: TypeAlias = dict[str, Any]

PROGRAM = "dnsfilterctl"
WIDTH = 80
DEFAULT_LIMIT, MAX_LIMIT = 200, 10_000
WAIT_S = 60

KEPT = f"in at least {MIN_REASON} characters; kept in the audit log"
"""Part of help texts about reasons."""

WHEN = "18:00, tomorrow 18:00, a date, or a date and a time"
"""Part of help texts; `dnsfilterctl help times` lists all forms."""

_SECRET = re.compile(r"dnsf_[A-Za-z0-9_-]+|(?<=://)[^/\s@]*@")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a command: data for JSON, and lines for a person, which are made only when printed."""

    data: object
    lines: Callable[[], Iterable[str]]
    code: int = DONE
    notes: tuple[str, ...] = ()
    """Lines for standard error, also with --json."""
    raw: str | None = None
    """Text that is printed unchanged instead of `lines` if standard output is not a terminal."""
    stream: Iterable[bytes] | None = None
    """Output that may be too large for memory; printed as it arrives, instead of everything else."""


Run: TypeAlias = Callable[["Client", Options], Result]


@dataclass(frozen=True, slots=True)
class Verb:
    """One command: the function that runs it, and how it uses the API."""

    run: Run
    needs_token: bool = field(default=True)
    """False if the API answers without a token."""
    asks_token: bool = field(default=False)
    """True if the command itself reads a new token."""
    takes_token: bool = field(default=False)
    """True if the command prints more when a token is present."""
    local: bool = field(default=False)
    """True if the command asks no API at all."""


class Help(argparse.RawDescriptionHelpFormatter):
    """Help of a fixed width, so that documentation and terminal agree. Indented lines are kept."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=WIDTH)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """Print the value of an option once, as Python 3.13 does: `-o, --output FILE`."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, self._get_default_metavar_for_optional(action))
        return f"{', '.join(action.option_strings)} {value}"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        wrapper = TextWrapper(width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False)
        lines = (indent + line if line[:1] in ("", " ") else wrapper.fill(line) for line in text.splitlines())
        return "\n".join(lines)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are escaped and hide tokens and passwords."""

    implied = ""
    """The verb that a command line of this noun means if it names none."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the fault, and exit with 2."""
        shown = escape(_SECRET.sub("[hidden]", message))
        self.exit(WRONG_INPUT, f"{self.format_usage()}{self.prog}: {shown}\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Name the most similar command instead of all commands."""
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            # Imported here, because only a fault needs it.
            from api.errors import did_you_mean

            similar = did_you_mean(value, action.choices) or f" Type: {self.prog} --help"
            raise argparse.ArgumentError(None, f'no command "{value}".{similar}')
        super()._check_value(action, value)

    def parse_known_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def]
        """Do as argparse does, after the two words of each ban have become one, with the implied verb."""
        if args is not None:
            if self.implied and args[:1] not in ([word] for word in (*commands_of(self), "-h", "--help")):
                args = [self.implied, *args]
            args = join_references(self._actions, args)
        return super().parse_known_args(args, namespace)

    def add_slug(self, name: str, text: str | None = None, **more: Any) -> None:
        """Add an argument or option that names an authority, a service, a site or a node."""
        self.add_argument(name, type=slug, metavar=name.lstrip("-").upper(), help=text, **more)

    def add_service(self, name: str = "service", text: str | None = None, **more: Any) -> None:
        """Add an argument or option that names a service, of the catalogue or an authority's own."""
        self.add_argument(name, type=service, metavar=name.lstrip("-").upper(), help=text, **more)

    def add_ban(self, what: str = "the ban") -> None:
        """Add the argument that names a ban."""
        self.add_argument("ban", type=reference, metavar=METAVAR, help=f"{what}; AUTHORITY SERVICE is the same")

    def add_list(self, what: str = "the list") -> None:
        """Add the argument that names a prohibited list."""
        self.add_argument("list", type=list_reference, metavar=LIST_METAVAR, help=f"{what}; AUTHORITY LIST is the same")

    def add_commands(self, metavar: str) -> "Group":
        """Let the command have commands of its own."""
        made = self.add_subparsers(metavar=metavar, required=True, parser_class=Parser, action=Group)
        return cast("Group", made)

    def add_limit(self) -> None:
        """Add --limit of a list."""
        self.add_argument(
            "--limit",
            type=integer(1, MAX_LIMIT),
            default=DEFAULT_LIMIT,
            metavar="N",
            help=f"print at most N entries (default: {DEFAULT_LIMIT})",
        )

    def add_at(self) -> None:
        """Add --at of an act that ends something."""
        self.add_argument("--at", metavar="WHEN", help=f"{WHEN}, not in the past (default: now)")

    def add_state(self, kind: type[StrEnum]) -> None:
        """Add --state of a list."""
        states = words_of(kind)
        self.add_argument("--state", choices=states, metavar="STATE", help=f"only this state: {', '.join(states)}")

    def add_reason(self) -> None:
        """Add --reason of an act that needs one."""
        self.add_argument("--reason", type=reason, required=True, metavar="TEXT", help=f"why, {KEPT}")

    def add_why(self) -> None:
        """Add --reason of an act that needs one only if less is refused, and only where the authority says so."""
        text = f"why less is refused, if the act has that effect, {KEPT}"
        self.add_argument("--reason", type=reason, metavar="TEXT", help=text)

    def add_wait(self, what: str) -> None:
        """Add --wait, for nodes that `reached_nodes` asks about."""
        text = f"wait up to {WAIT_S} seconds until every node that reports has {what}. Exit code 1 if a node does not"
        self.add_argument("--wait", action="store_true", help=text)

    def add_site(self) -> None:
        """Add --site, for networks with several sites."""
        self.add_slug("--site", "the site (default: default)", default="default")

    def add_decision(self, what: str = "decision", *, of_ban: bool = True) -> None:
        """Add the options of a formal decision. With `of_ban` it is one about a ban, which may follow another ban."""
        shown = "; shown to clients" if of_ban else ""
        group = self.add_argument_group(what)
        group.add_argument("--organ", metavar="TEXT", help="organ that decided, for example college")
        group.add_argument("--reference", metavar="TEXT", help=f"reference of the decision{shown}")
        group.add_argument("--date", metavar="DATE", help="date of the decision, for example 2023-03-24")
        group.add_argument("--legal-basis", metavar="TEXT", help="legal basis of the decision")
        group.add_argument("--advice", metavar="TEXT", help="reference of the advice behind it")
        group.add_argument("--link", metavar="URL", help="URL at which the decision can be read")
        if of_ban:
            group.add_argument("--follows", type=reference, metavar=METAVAR, help="ban that the decision adopts")

    def add_term(self, *, review: bool = False, start: str = "now") -> "argparse._ArgumentGroup":
        """Add the options of a period. `review` allows a period without an end; `start` describes the default start."""
        group = self.add_argument_group("term", "Times without a time zone are in the authority's time zone.")
        group.add_argument("--start", metavar="WHEN", help=f"start: {WHEN} (default: {start})")
        add_end(group)
        if review:
            group.add_argument("--review-by", metavar="DATE", help="date of the next review, for a term without an end")
        return group


class Group(_Commands):
    """The commands of the program, or the verbs of a command."""

    def add_group(self, name: str, implied: str = "") -> "Group":
        """Add a noun of `COMMANDS` and return the group for its verbs. Without a verb it means `implied`."""
        summary = COMMANDS[name].summary
        parser = self._add(name, summary)
        parser.implied = implied
        return parser.add_commands("VERB")

    def add_command(self, name: str, verb: Verb | Run, *examples: str) -> Parser:
        """Add a command of `COMMANDS` that has no verbs."""
        return self.add_verb(name, verb, COMMANDS[name].summary, *examples)

    def add_verb(self, name: str, verb: Verb | Run, summary: str, *examples: str) -> Parser:
        """Add a command with its summary and examples. It also accepts the global options after the verb."""
        lines = "\n".join(map(_example, examples))
        heading = "example:" if len(examples) == 1 else "examples:"
        parser = self._add(name, summary, f"{heading}\n{lines}")
        add_global(parser, shown=False)
        parser.set_defaults(verb=verb if isinstance(verb, Verb) else Verb(verb), command=parser)
        return parser

    def add_numbered(self, name: str, run: Run, summary: str, example: str) -> Parser:
        """Add a command whose argument is the number of an object."""
        parser = self.add_verb(name, run, summary, example)
        parser.add_argument("number", type=number, metavar="NUMBER")
        return parser

    def _add(self, name: str, summary: str, epilog: str | None = None) -> Parser:
        return self.add_parser(
            name,
            help=first_sentence(summary),
            description=summary,
            epilog=epilog,
            formatter_class=Help,
            allow_abbrev=False,
        )


def commands_of(parser: argparse.ArgumentParser) -> Mapping[str, argparse.ArgumentParser]:
    """Return the commands of a parser by name; none if it has no commands."""
    found = (action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return next(found, {})


def first_sentence(summary: str) -> str:
    """Return the first sentence of a summary, for lists of commands."""
    first = summary.partition(". ")[0].removesuffix(".")
    return first[0].lower() + first[1:]


def _example(arguments: str) -> str:
    """Return a command line for a shell; if it is too wide, each option that does not fit begins a new line."""
    lines = [f"  {PROGRAM}"]
    for part in re.split(r" (?=--)", arguments):
        if len(lines[-1]) + len(part) + len("  \\") > WIDTH:
            lines[-1] += " \\"
            lines.append(f"     {part}")
        else:
            lines[-1] += f" {part}"
    return "\n".join(lines)


def add_global(parser: argparse.ArgumentParser, *, shown: bool) -> None:
    """Add --api, --ca, --token-file and --json. If absent they set no attribute, so a value before the verb stays."""
    texts = {
        "api": "URL of the control plane, or unix:PATH (default: $DNSFILTER_URL or http://127.0.0.1:8080)",
        "ca": "file of CA certificates to trust (default: $DNSFILTER_CA or the CAs that the machine trusts)",
        "token-file": "file that holds the token (default: $DNSFILTER_TOKEN_FILE, the token stored by `login`, "
        "./.run/admin-token, ./admin-token or /var/lib/dnsfilter/admin-token)",
    }
    for option, metavar in (("api", "URL"), ("ca", "FILE"), ("token-file", "FILE")):
        text = texts[option] if shown else argparse.SUPPRESS
        parser.add_argument(f"--{option}", metavar=metavar, default=argparse.SUPPRESS, help=text)
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")


def add_end(parser: "argparse._ActionsContainer", *, required: bool = False) -> None:
    """Add the options of an end; only one of them may be given."""
    end = parser.add_mutually_exclusive_group(required=required)
    end.add_argument("--until", metavar="WHEN", help="the last day, inclusive, or an end: 18:00, friday 18:00")
    end.add_argument(
        "--for",
        dest="for_",
        metavar="SPAN",
        help='length: "6 months" or "30 days" (to the end of the last day), or "72 hours" or "4 minutes" (exact)',
    )


def with_decision(options: Options, body: Body) -> Body:
    """Return the request body of an act, with the decision if the options give one."""
    decision = decision_body(options)
    return {**body, "decision": decision} if decision else body


def decision_body(options: Options) -> Body:
    """Return the decision that the options give; empty if they give none."""
    return given(options, "organ", "reference", "date", "legal_basis", "advice", "link", "follows")


def term_body(options: Options) -> Body:
    """Return the term that the options give; empty if they give none."""
    body = given(options, "start", "until", "for_", "review_by")
    return {key.rstrip("_"): value for key, value in body.items()}


def given(options: Options, *names: str) -> Body:
    """Return the named options that were given."""
    values: Mapping[str, Any] = vars(options)
    return {name: values[name] for name in names if values.get(name) is not None}
