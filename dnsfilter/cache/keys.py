"""What an answer is kept under."""

from typing import NamedTuple


class CacheKey(NamedTuple):
    """Everything that an upstream's answer depends on; policy is in no key, so one entry serves all clients of a view.

    DO and CD are part of it (RFC 4035 section 4.7, RFC 6840 section 5.9): answers differ by them.
    """

    view: int
    """Number of the set of servers that were asked."""
    name: bytes
    """Wire name, folded to lower case."""
    qtype: int
    qclass: int
    do: bool
    cd: bool
