"""The key of a cached answer."""

from typing import NamedTuple


class CacheKey(NamedTuple):
    """Everything that an upstream's answer depends on. It has no policy, so one entry serves all clients of a view.

    DO and CD are part of the key, because answers depend on them (RFC 4035 section 4.7, RFC 6840 section 5.9).
    """

    view: int
    """Number of the view: the set of servers that were asked."""
    name: bytes
    """Wire name, folded to lower case."""
    qtype: int
    qclass: int
    do: bool
    cd: bool
