"""What is wrong with a slug, with a text that people read, or with those of a formal decision."""

import re
import unicodedata
from collections.abc import Iterator
from urllib.parse import urlsplit

from dnsfilter.errors import Problem
from dnsfilter.policy.bounds import MAX_TEXT
from dnsfilter.policy.model import FormalDecision
from dnsfilter.translatable import Text

_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
"""The slug of an authority or a site. `api.http.patterns` has the same rule for requests."""
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_JOINERS = "\u200c\u200d"
"""Needed to write some languages. They change how letters are joined, and hide nothing."""


def text_fault(text: str) -> str | None:
    """Return why people would misread a text, or None.

    A line break can forge a line of a log. An invisible character makes two texts look alike. A character that changes
    the direction makes a text look different from its content (Unicode TR 36, section 3.1).
    """
    if text.isprintable():
        return None
    if _UNPRINTABLE.search(text):
        return Text("has a line break or another control character")
    hidden = [one for one in text if one not in _JOINERS and unicodedata.category(one) in ("Cf", "Cs")]
    return Text("has an invisible character: U+{number:04X}", number=ord(hidden[0])) if hidden else None


def slug_faults(location: str, slug: str) -> Iterator[Problem]:
    """Yield the problem of a slug that is none."""
    if not _SLUG.fullmatch(slug):
        yield Problem(location, f"{slug!r} must be 1 to 63 of the characters a-z, 0-9 and -, without - at the ends")


def text_faults(location: str, texts: dict[str, str]) -> Iterator[Problem]:
    """Yield the problems of texts for people, by key."""
    for key, text in texts.items():
        if len(text) > MAX_TEXT:
            yield Problem(f"{location}.{key}", f"is longer than {MAX_TEXT} characters")
        fault = text_fault(text)
        if fault is not None:
            yield Problem(f"{location}.{key}", fault)


def formal_faults(location: str, decision: FormalDecision) -> Iterator[Problem]:
    """Yield the problems of the texts of a formal decision."""
    fields = ("organ", "reference", "date", "legal_basis", "advice", "link")
    yield from text_faults(location, {field: getattr(decision, field) for field in fields})
    if decision.link and not _is_web_address(decision.link):
        # The link is not repeated: it may hold a password.
        yield Problem(
            f"{location}.link", "is not an http or https address: write for example https://www.example.org/118"
        )


def _is_web_address(link: str) -> bool:
    try:
        return urlsplit(link).scheme in ("http", "https")
    except ValueError:  # An unmatched bracket.
        return False
