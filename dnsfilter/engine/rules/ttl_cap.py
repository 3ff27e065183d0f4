"""How long a client may cache an answer about a service that some ban concerns."""

from dnsfilter.policy.model import Instant

CONCERNED_TTL_S = 60
"""Longest TTL of an answer about a service that some ban concerns, in seconds."""


def ttl_cap_s(at: Instant, next_change: Instant | None) -> int:
    """Return the longest TTL of an answer that some ban concerns: 60 s or the client's next change, at least 1."""
    if next_change is None:
        return CONCERNED_TTL_S
    return max(1, min(CONCERNED_TTL_S, next_change - at))
