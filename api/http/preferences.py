"""The preference `wait` of a request (RFC 7240)."""

from collections.abc import Iterable

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
