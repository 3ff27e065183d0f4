"""The cases in which servers are compared."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

Encryption: TypeAlias = Literal["", "dot", "doh"]
"""DNS over TLS or HTTPS, or neither."""


@dataclass(frozen=True, slots=True)
class Case:
    """A load and its policy.

    `refused` is the share of questions for listed names. In a `fresh` load no question repeats. With `parts` the table
    lists this project's memory in parts. With `failover` the first of two upstreams never answers. `per_connection` is
    the number of questions of a connection; None: all. `encryption` is for servers with listeners for it, with `tcp`.
    """

    slug: str
    title: str
    refused: float = 0.2
    names: int = 100
    ranges: int = 20
    workers: int = 1
    fresh: bool = False
    tcp: bool = False
    encryption: Encryption = ""
    parts: bool = False
    failover: bool = False
    connections: int = 20
    per_connection: int | None = None


CASES = (
    Case("mixed", "20 % refused, 80 % cached"),
    Case("refused", "all refused", refused=1.0),
    Case("new", "every question new", refused=0.0, fresh=True),
    Case(
        "million",
        "20 % refused, 80 % cached; 1,000,000 names, 10,000 ranges",
        names=1_000_000,
        ranges=10_000,
        parts=True,
    ),
    Case("workers", "20 % refused, 80 % cached; two workers", workers=2),
    Case("failover", "every question new; the first of two upstreams silent", refused=0.0, fresh=True, failover=True),
    Case("tcp", "20 % refused, 80 % cached; TCP", tcp=True),
    Case("connections", "20 % refused, 80 % cached; 5,000 TCP connections", tcp=True, connections=5_000),
    Case(
        "single",
        "20 % refused, 80 % cached; TCP, each question over a new connection",
        tcp=True,
        per_connection=1,
        connections=100,
    ),
    Case("dot", "20 % refused, 80 % cached; DNS over TLS", tcp=True, encryption="dot"),
    Case("doh", "20 % refused, 80 % cached; DNS over HTTPS", tcp=True, encryption="doh"),
    Case(
        "dot-single",
        "20 % refused, 80 % cached; DNS over TLS, each question over a new connection",
        tcp=True,
        per_connection=1,
        encryption="dot",
    ),
    Case(
        "doh-single",
        "20 % refused, 80 % cached; DNS over HTTPS, each question over a new connection",
        tcp=True,
        per_connection=1,
        encryption="doh",
    ),
)
