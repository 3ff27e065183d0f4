"""Patterns of texts in requests, and messages about texts that do not match them.

`dnsfilterctl` checks arguments with them before it loads pydantic.
"""

from collections.abc import Mapping

from dnsfilter.translatable import Text

# \d stands for the 700 digits of Unicode: `[0-9]` takes a hundredth of the memory. So does a bound that is not needed.
SLUG = r"^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$"
SLUG_OR_NONE = r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)?$"
OWN_SLUG = r"^[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?$"
"""An authority's own service, in its paths: the part of its slug after the colon."""
_SLUG = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?:)?[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?"
_NAME = r"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63}"
SERVICE_SLUG = rf"^(?:{_SLUG}|{_NAME})$"
"""A service of the catalogue, an authority's own one, or a name that is refused by itself."""
# Control characters could forge a line of a log or of a refusal's EXTRA-TEXT. Invisible characters could disguise a
# text. `text_fault` has the same rule for policies. The characters are listed by number, because not every library
# that reads the description knows Unicode's category Cf.
_HIDDEN = (
    r"\x00-\x1f\x7f-\x9f\u00ad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e"
    r"\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
)
PRINTABLE = (
    f"^[^{_HIDDEN}\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    "\U000e0001\U000e0020-\U000e007f]*$"
)
PORTABLE: Mapping[str, str] = {PRINTABLE: f"^[^{_HIDDEN}]*$"}
"""Patterns as the description shows them.

A class with characters above U+FFFF is invalid in UTF-16: in JavaScript without the flag u, and in .NET.
"""
DAY = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
DAY_OR_NONE = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$"
LINK = r"^(https?://[\x21-\x7e]+)?$"
BAN_REFERENCE = r"^[a-z0-9-]{1,63}/(?:(?:[a-z0-9-]{1,63}:)?[a-z0-9_-]{1,63}|[a-z0-9_.-]{3,253})$"
LANGUAGE = r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$"
NUMBERS = r"^[0-9]{1,9}(?:,[0-9]{1,9}){0,199}$"
LOGIN = r"^[a-z0-9](?:[a-z0-9._-]{0,61}[a-z0-9])?$"

URL = r"^[!-~]+$"
PUBLIC_KEY = r"^[0-9a-f]{64}$"
"""The public key of checkpoints."""
FEED_SOURCE = r"^[!-~](?:[ -~]*[!-~])?$"
"""A URL, or the path of a file, which may have blanks inside."""
MIN_REASON = 3
"""The fewest characters of a reason."""

_NO_SLUG = Text("{given} is not a short name: use lower-case letters, digits and hyphens")
_NO_DAY = Text("{given} is not a date: write for example 2026-09-30")
OF_PATTERN: Mapping[str, Text] = {
    SLUG: _NO_SLUG,
    SLUG_OR_NONE: _NO_SLUG,
    OWN_SLUG: _NO_SLUG,
    SERVICE_SLUG: Text(
        "{given} is not the name of a service: write for example tiktok, or ghent:games for an own service"
    ),
    PRINTABLE: Text("has a line break, another control character or an invisible character"),
    DAY: _NO_DAY,
    DAY_OR_NONE: _NO_DAY,
    # A link may hold a password: do not repeat it.
    LINK: Text("is not a link: write for example https://www.example.org/decisions/118"),
    PUBLIC_KEY: Text("{given} is not a public key: write the 64 hexadecimal digits that a checkpoint has as key"),
    URL: Text("is not a URL: write for example https://siem.example.org/dnsfilter"),
    FEED_SOURCE: Text(
        "is not a URL or path of ASCII characters: write for example https://lists.example.org/games.txt"
    ),
    BAN_REFERENCE: Text("{given} is not the name of a ban: write for example ghent/tiktok"),
    LANGUAGE: Text("{given} is not a language: write for example nl, fr or de"),
    NUMBERS: Text("{given} are not numbers with commas between them: write for example 3,17"),
    LOGIN: Text("{given} is not a login: use lower-case letters, digits, dots and hyphens"),
}
"""Messages about a text that does not match a pattern. {given} is the text."""
