"""The command line of dnsfilterctl: complete, or with the topics that one command line needs."""

import argparse
from collections.abc import Sequence, Set
from functools import cache
from importlib import import_module

from api.ctl.command import PROGRAM, Help, Parser, add_global, first_sentence
from api.ctl.topics import COMMANDS, TOPICS
from dnsfilter import __version__

_MODULES = frozenset(command.module for command in COMMANDS.values())
_EPILOG = """\
Global options may stand before or after the command. No option takes a token: other users can see command lines.

`dnsfilterctl COMMAND --help` describes a command. `dnsfilterctl help TOPIC` shows a longer text.
The topics are times, token-file, output and exit-codes.

example:
  dnsfilterctl ban on ghent tiktok"""


def parser_for(arguments: Sequence[str]) -> Parser:
    """Return a parser of this command line. Of commands that it does not name, only the summaries are known.

    Its results have `verb`, and `api`, `token_file` and `json` if they were given.
    """
    return _shared(frozenset(COMMANDS[name].module for name in COMMANDS.keys() & set(arguments)))


def make_parser() -> Parser:
    """Return the complete parser."""
    return _shared(_MODULES)


@cache
def _shared(modules: frozenset[str]) -> Parser:
    """Make a parser once, because parsing does not change it."""
    return fresh_parser(modules)


def fresh_parser(modules: Set[str] = _MODULES) -> Parser:
    """Make a new parser, for callers that change it."""
    parser = Root(
        prog=PROGRAM,
        description="Manage dnsfilter from a shell, through the API of its control plane.",
        epilog=_EPILOG,
        formatter_class=Help,
        allow_abbrev=False,
    )
    add_global(parser, shown=True)
    parser.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    groups = parser.add_commands("COMMAND")
    for name, (module, summary) in COMMANDS.items():
        if module not in modules:
            groups.add_parser(name, help=first_sentence(summary), add_help=False)
        elif name not in groups.choices:
            import_module(f"api.ctl.{module}").add(groups)
    return parser


class Root(Parser):
    """The parser of the program, whose help lists the commands by topic."""

    def format_help(self) -> str:
        """Return the help text."""
        formatter = self._get_formatter()
        formatter.add_usage(self.usage, self._actions, self._mutually_exclusive_groups)
        formatter.add_text(self.description)
        (commands,) = (action for action in self._actions if isinstance(action, argparse._SubParsersAction))
        listed = {action.dest: action for action in commands._get_subactions()}
        for topic, names in TOPICS.items():
            formatter.start_section(topic)
            formatter.add_arguments([listed[name] for name in names])
            formatter.end_section()
        formatter.start_section("options")
        formatter.add_arguments([action for action in self._actions if action is not commands])
        formatter.end_section()
        formatter.add_text(self.epilog)
        return formatter.format_help()
