"""Ask on a terminal for what `ban adopt` needs and no option gave."""

import shlex

from api.ctl.command import Options, term_body
from api.ctl.exit_codes import WrongInput
from dnsfilter.telemetry.dialogue import InputEnded, ask, at_terminal, say

_DECISION = {
    "legal_basis": "Legal basis",
    "reference": "Reference of the decision",
    "organ": "Organ that decided, for example college",
    "date": "Date of the decision, for example 2023-03-24",
}
_TERM = {
    "for_": "Length, for example 6 months (empty: give the last day)",
    "until": "Last day, for example 2027-03-20 (empty: no end, give a date of review)",
    "review_by": "Date of the next review",
}
"""Questions by option. The first answer about the term is enough."""


def ask_for_missing(options: Options) -> None:
    """Ask for the decision and the term if they are incomplete, and print the command that gives the same.

    Ask nothing without a terminal. Raise WrongInput if the person ends the input.
    """
    has_term = options.following is not None or term_body(options).keys() & {"for", "until", "review_by"}
    is_complete = options.provisional or (options.legal_basis is not None and has_term)
    if is_complete or getattr(options, "json", False) or not at_terminal():
        return
    say("An empty answer skips a question.")
    try:
        for name, question in _DECISION.items():
            if getattr(options, name) is None:
                setattr(options, name, ask(question) or None)
        for name, question in () if has_term else _TERM.items():
            setattr(options, name, ask(question) or None)
            if getattr(options, name) is not None:
                break
    except InputEnded as error:
        raise WrongInput("the input ended, and nothing was done") from error
    say("The command that does the same:")
    say(f"  {_line(options)}")


def _line(options: Options) -> str:
    """Return the command line that gives these options."""
    words = options.command.prog.split()
    for action in options.command._actions:
        value = vars(options).get(action.dest)
        given = value if isinstance(value, list) else [] if value in (None, False) else [value]
        if action.dest in ("tiers", "funding", "audience") and given:
            given = [",".join(map(str, given))]
        for each in given:
            words += [*action.option_strings[:1], *([] if each is True else [str(each)])]
    return shlex.join(words)
