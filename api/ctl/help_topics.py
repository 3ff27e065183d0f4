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
    "token-file": """\
A command takes its token from the first of these:

  --token-file FILE
  $DNSFILTER_TOKEN_FILE
  the token that `login` stored for the URL of the control plane, in
  $XDG_CONFIG_HOME/dnsfilter/tokens (~/.config/dnsfilter/tokens)
  ./.run/admin-token, then ./admin-token
  /var/lib/dnsfilter/admin-token, only for http://127.0.0.1:8080

No option takes the token itself, because other users of a machine can see
command lines. Use a password manager like this:

  --token-file <(pass show dnsfilter)

`login` checks the token of --token-file before it stores it. Without this
option it asks on a terminal without echo, or reads standard input. `logout`
removes the stored token. The token itself stays valid until it ends or is
revoked.

A file that others can read is used with a warning. The token is sent only to
the given URL: redirects are not followed, and proxies of the environment are
not used. An https URL needs a certificate signed by a CA of --ca, or by one
that the machine trusts. Plain http to another machine works, with a warning.
""",
    "output": """\
Results go to standard output; warnings, errors and notes go to standard error.
--json prints the complete answer of the API, with times in UTC.

Without --json, each time names its zone: that of the authority of a ban, of
the bound authority of a binding, of `audit list --authority`. All other times
are in Europe/Brussels. An end at local midnight is printed as the last day:
through 30 September 2026.

An account is printed by number, and by login if you may read it. Commands take
both. Control characters are printed as escapes, for example \\x1b.

On a terminal a list fits the width: optional columns are left out, long texts
are wrapped. A pipe or a file gets all columns, one line for each entry. With
$NO_COLOR nothing is bold or coloured, and with TERM=dumb there are no escapes.
A list ends after --limit entries, and a note says if more follow.
""",
    "exit-codes": """\
  0  done; also `explain`, for every verdict
  1  a check failed: differences found, control plane not ready,
     act recorded but not yet in force (do not repeat it)
  2  wrong input, or a conflict with what is recorded
  3  permission denied, or no token
  4  control plane not reachable, or temporarily unable to answer
  5  nothing has changed yet: the act waits for an approver, and
     `request list` shows it

--json changes no exit code. `exemption ask` and `binding add` exit with 0,
because asking is all that they do.

If an act gets no answer, or none in time, the message says that it may have
been recorded. Check before you repeat it.
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
