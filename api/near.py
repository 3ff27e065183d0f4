"""What is said of a name that nothing has: the name, what is near it, else where the names are listed."""

from collections.abc import Iterable
from difflib import get_close_matches
from itertools import islice

MAX_COMPARED = 64
"""Characters: a longer text is near no name."""
MAX_NAMES = 5_000
"""Names that a text is compared with: some hundred milliseconds of work."""


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return the question that names what is near, to be appended to a sentence. Return "" if nothing is."""
    near = get_close_matches(given, islice(known, MAX_NAMES), n=1) if len(given) <= MAX_COMPARED else []
    return f' Did you mean "{near[0]}"?' if near else ""


def unknown(kind: str, given: str, known: Iterable[str]) -> str:
    """Return what is said of a `kind` that there is not; `dnsfilterctl KIND list` shows those that there are."""
    return f'No {kind} "{given}".{did_you_mean(given, known) or f" See dnsfilterctl {kind} list."}'
