"""The values of the metrics' labels, and what they mean.

Labels have limited values: they are listed here, or come from the configuration (`upstream`) or the policy in force
(`authority`, `service`). None names a client, a range or a query.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dnsfilter.telemetry.metrics import (
    AUTHORITY_BYPASS,
    BAN_QUERIES,
    BYPASS_ATTEMPTS,
    ENCRYPTED_CONNECTIONS_NOW,
    LIMITED,
    LOCAL_NAMES,
    QUERIES,
    QUERY_TYPES,
    RESPONSES,
    UPSTREAM_FAILURES,
    BanGround,
    BanResult,
    Bypass,
    Failure,
    Limit,
    Outcome,
    QueryType,
    ResponseCode,
    Transport,
)

_BYPASS_KINDS: Final[Mapping[str, str]] = {
    Bypass.CANARY: "`use-application-dns.net`: a browser asks whether it may use its own resolver",
    Bypass.RELAY: "`mask.icloud.com`, `mask-h2.icloud.com`: Private Relay",
    Bypass.DDR: "`resolver.arpa` and below: discovery of designated resolvers (RFC 9462)",
    Bypass.ENCRYPTED_DNS: "a registered client's query for a name of the service `encrypted_dns`, "
    "or one that leads to such a name, with or without a ban on the service",
}

LABEL_VALUES: Final[Mapping[tuple[str, str], Mapping[str, str]]] = MappingProxyType(
    {
        (QUERIES.name, "transport"): {
            Transport.UDP: "a datagram",
            Transport.TCP: "a TCP connection",
            Transport.DOT: "a connection of DNS over TLS",
            Transport.DOH: "a request of DNS over HTTPS",
        },
        (ENCRYPTED_CONNECTIONS_NOW.name, "transport"): {
            Transport.DOT: "DNS over TLS",
            Transport.DOH: "DNS over HTTPS",
        },
        (QUERIES.name, "outcome"): {
            Outcome.CACHED: "answered from the cache",
            Outcome.FORWARDED: "answered by an upstream",
            Outcome.STALE: "answered from the cache with an expired answer, because no upstream answered (RFC 8767)",
            Outcome.LOCAL: "answered from special names, local records or the node's own names",
            Outcome.REFUSED: "refused by a ban, with any of its replies",
            Outcome.UNREGISTERED: "refused because the client is in no registered range",
            Outcome.NOT_RECURSIVE: "refused because the query did not ask for recursion",
            Outcome.FAILED: "SERVFAIL: no upstream answered and there was no stale answer",
            Outcome.MALFORMED: "FORMERR: not a well-formed query",
            Outcome.UNSUPPORTED: "NOTIMP, BADVERS or REFUSED: an unsupported opcode, type or version",
            Outcome.DROPPED: "not answered: a response, or too short",
            Outcome.LIMITED: "beyond a limit: not answered, answered with TC, or with SERVFAIL over TCP and to updates",
        },
        (LOCAL_NAMES.name, "verdict"): {
            "refuse": "the name is refused",
            "allow": "the name is free from the authority's own bans",
        },
        (QUERY_TYPES.name, "type"): {
            **{kind: f"{kind} records" for kind in QueryType if kind not in (QueryType.ANY, QueryType.OTHER)},
            QueryType.ANY: "records of all types (RFC 8482)",
            QueryType.OTHER: "any other type",
        },
        (RESPONSES.name, "rcode"): {
            ResponseCode.NOERROR: "an answer, also an empty one; a truncated reply",
            ResponseCode.NXDOMAIN: "the name does not exist",
            ResponseCode.SERVFAIL: "no answer could be found",
            ResponseCode.REFUSED: "a ban's reply, or the client or query is not served",
            ResponseCode.FORMERR: "not a well-formed query",
            ResponseCode.NOTIMP: "an unsupported opcode or type",
            ResponseCode.OTHER: "any other code, such as BADVERS",
        },
        (LIMITED.name, "limit"): {
            Limit.CLIENT: "a client sends more queries a second than `queries_per_second`",
            Limit.UNREGISTERED: "an unregistered network gets more replies a second than `unregistered_per_second`",
            Limit.WAITING: "too many queries of one client, or of all clients, wait for an upstream",
            Limit.DISPLACED: "an unanswered question of a busy zone or client was given up for another one",
            Limit.CONNECTIONS: "one client, or all clients together, have too many connections or TLS handshakes open",
        },
        (BAN_QUERIES.name, "ground"): {
            BanGround.OWN: "the client's authority decided the ban itself",
            BanGround.LAW: "a binding by law",
            BanGround.AGREEMENT: "a binding by agreement, and none by law",
        },
        (BAN_QUERIES.name, "result"): {
            BanResult.REFUSED: "the ban won, and the query was refused",
            BanResult.MONITORED: "the ban is in monitor mode",
            BanResult.EXEMPTED: "the ban is exempted or suspended, and no other ban matched",
        },
        (BYPASS_ATTEMPTS.name, "kind"): _BYPASS_KINDS,
        (AUTHORITY_BYPASS.name, "kind"): _BYPASS_KINDS,
        (UPSTREAM_FAILURES.name, "reason"): {
            Failure.TIMEOUT: "no answer in time",
            Failure.MISMATCH: "a datagram whose id or question (in any case) is not that of a query sent from its port",
            Failure.LATE: "an answer to a recent query that no longer waits: retried, answered or given up",
            Failure.MALFORMED: "an answer that is not a well-formed message",
            Failure.UNREACHABLE: "the network or the server refused the packet or connection",
            Failure.TLS: "no TLS connection: a wrong or expired certificate, or a handshake that failed",
            Failure.SERVFAIL: "the upstream answered SERVFAIL",
            Failure.REFUSED: "the upstream answered REFUSED",
            Failure.NO_RECURSION: "the upstream does not recurse: a referral, or neither RA nor AA",
            Failure.CASE: "an answer with the name in another case than asked (`vary_case`): asked again over TCP",
            Failure.COOKIE: "an answer without the upstream's usual cookie, or BADCOOKIE (`cookies`): asked again",
        },
    }
)
"""(metric, label) -> value -> meaning, for every label whose values are fixed in the program."""

OPEN_LABELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "authority": "slug of an authority of the policy in force with counting enabled; "
        "for `dnsfilter_local_names` of any one; for `dnsfilter_suspended` too, or empty for all",
        "service": "slug of a service of the catalogue that one of its bans covers",
        "ban_authority": "slug of the authority that decided the ban",
        "upstream": "address and port of a configured upstream or zone server",
        "version": "the running version",
        "engine": "`reference` or `compiled`",
        "process": "`supervisor`, or `worker-` and the worker's number",
        "worker": "number of a worker, from 1 on. One that replaces a dead worker has the same number",
        "site": "the configured site",
        "node": "name with which the node has enrolled, or empty",
    }
)
"""Labels whose values are limited by the configuration or the policy."""
