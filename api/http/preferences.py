"""What a request prefers: how long to wait (RFC 7240), and a media type (RFC 9110 section 12.5.1)."""

from collections.abc import Iterable, Sequence

APPLIED = "Preference-Applied"
MAX_WAIT_S = 30


def wanted_wait_s(lines: Iterable[str]) -> int | None:
    """Return the seconds of the first `wait` in `Prefer` headers, at most MAX_WAIT_S. None without a valid one."""
    for preference in ",".join(lines).split(","):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            text = value.strip().strip('"')
            # RFC 7240 section 2: the first of several counts, and what is not understood is ignored.
            if not (text.isascii() and text.isdigit()):
                return None
            return MAX_WAIT_S if len(text) > len(str(MAX_WAIT_S)) else min(int(text), MAX_WAIT_S)
    return None


def applied(wait_s: int) -> dict[str, str]:
    """Return the header that says how long the request could wait."""
    return {APPLIED: f"wait={wait_s}"}


def preferred_type(accept: str, offered: Sequence[str]) -> str:
    """Return the offered media type that an Accept header prefers: the first with the highest quality.

    Return the first offered one if the header names none of them.
    """
    found, highest = offered[0], 0.0
    for part in accept.split(","):
        media_type, *parameters = (text.strip().lower() for text in part.split(";"))
        quality = next((_quality(text) for text in parameters if text.startswith("q=")), 1.0)
        if media_type in offered and quality > highest:
            found, highest = media_type, quality
    return found


def _quality(text: str) -> float:
    try:
        return float(text.removeprefix("q="))
    except ValueError:
        return 0.0
