"""dnsfilterctl help: the long texts, and the help of every command."""

from argparse import ArgumentParser

from api.ctl.command import PROGRAM, Group, Options, Result, Verb, commands_of
from api.ctl.exit_codes import WrongInput
from api.ctl.remote.client import Client
from api.errors import did_you_mean

TEXTS = {
    "times": """\
Every option for a time accepts the same forms:

  08:00                         the next time that clocks show it;
                                as an end, after the start
  today, "tomorrow 08:00"       that day, or that time of it
  friday, "fri 18:00"           the next Friday; an error on a Friday,
                                because it can be two days
  2026-09-30, "2026-09-30 17:00"
                                a date, or a date and a time
  2026-09-30T17:00:00+02:00     RFC 3339
  "30 September 2026 17:00:00 CEST", "through 30 September 2026"
                                every form that dnsfilterctl prints

Where only the past counts, as in `audit list` and `trace`, 08:00 and friday
are the last ones. A time without a zone is in the time zone of the authority,
or in Europe/Brussels. It is an error to name a zone that clocks there do not
show at that time.

--until is inclusive for a day: --until 2026-09-30 includes that day. With a
time, it ends at that time.

--for "6 months" and --for "30 days" count from the start to the end of the
last day. --for "72 hours", "1h30m" and "4 minutes" are exact, and so is every
--for of a suspension. There 30m is half an hour; elsewhere it is an error,
because it can be minutes or months.

Weekly hours are "Mon-Fri 09:00-12:00", or "12-14h" for every day.
""",
    "exit-codes": """\
  0  done
  1  a check failed: differences found, control plane not ready,
     act recorded but not yet in force
  2  wrong input, or a conflict with what is recorded
  3  permission denied, or no token
  4  control plane not reachable, or temporarily unable to answer
  5  nothing has changed yet: the act waits for an approver

--json changes no exit code.
""",
}
"""Texts by topic."""


def add(groups: Group) -> None:
    """Add the command."""
    verb = Verb(_help, needs_token=False, local=True)
    parser = groups.add_command("help", verb, "help times", "help ban off")
    parser.add_argument("topic", nargs="*", metavar="TOPIC", help=f"{', '.join(TEXTS)}, or a command")


def _help(_client: Client, options: Options) -> Result:
    text = help_text(options.topic)
    return Result({"help": text}, text.splitlines, raw=text)


def help_text(words: list[str]) -> str:
    """Return the text of a topic, or the help of a command. Raise WrongInput if there is neither."""
    # Imported here, because the parser imports this module.
    from api.ctl.parser import parser_for

    if len(words) == 1 and words[0] in TEXTS:
        return TEXTS[words[0]]
    parser: ArgumentParser = parser_for(words)
    for word in words:
        known = commands_of(parser)
        if word not in known:
            names = [*known, *(TEXTS if parser.prog == PROGRAM else ())]
            raise WrongInput(f'no help on "{word}".{did_you_mean(word, names)} Type: {parser.prog} --help')
        parser = known[word]
    return parser.format_help()
