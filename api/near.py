"""Messages about unknown names: the name, a similar one, else the command that lists the names."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MAX_COMPARED = 64
"""Characters of a text that is compared; a longer one is similar to no name."""
MAX_NAMES = 5_000
"""The most names that a text is compared with: some hundred milliseconds of work."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question that names the most similar name, to append to a sentence; "" if none is similar."""
    near = get_close_matches(given, islice(known, MAX_NAMES), n=1) if len(given) <= MAX_COMPARED else []
    return f' Did you mean "{near[0]}"?' if near else ""


def unknown(kind: str, given: str, known: Iterable[str]) -> str:
    """Return the message about an unknown name of that kind. `dnsfilterctl KIND list` shows the known ones."""
    return f'No {kind} "{given}".{did_you_mean(given, known) or f" See dnsfilterctl {kind} list."}'
