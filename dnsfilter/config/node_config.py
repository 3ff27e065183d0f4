"""The node's configuration: checked, with all defaults. It can be imported without pydantic."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from dnsfilter.policy.model import DAY_S, DEFAULT_SITE, Address, Instant, Prefix, WireName
from dnsfilter.wire.proxy_header import LOCAL_HEADER

DNS_PORT = 53
DOT_PORT = 853
HTTPS_PORT = 443
PIN = "pin-sha256="
MAX_LEARNING_S = 30 * DAY_S
"""The longest learning mode, in seconds."""


class Unregistered(StrEnum):
    """The treatment of a client that is in no range of the site."""

    REFUSE = "refuse"
    RESOLVE = "resolve"
    LEARN = "learn"


@dataclass(frozen=True, slots=True)
class Tls:
    """How a server proves that it is the right one: a certificate for `name`, or a key with one of these digests.

    `pins` are SHA-256 digests of public keys (SubjectPublicKeyInfo), in base64. With pins there is no name. With a
    `path` it is asked by DNS over HTTPS (RFC 8484), else by DNS over TLS (RFC 7858).
    """

    name: str
    pins: tuple[str, ...] = ()
    path: str | None = None

    @property
    def text(self) -> str:
        """The name, or the pins, as in the URL of a server."""
        return self.name or "&".join(PIN + pin for pin in self.pins)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port, for UDP and TCP. A server with `tls` is asked encrypted only."""

    address: Address
    port: int
    tls: Tls | None = None


class Strategy(StrEnum):
    """How the healthy servers of a group are asked: as configured, the fastest first, or the two fastest at once."""

    ORDERED = "ordered"
    FASTEST = "fastest"
    RACE = "race"


@dataclass(frozen=True, slots=True)
class Upstream:
    """The resolvers to ask, in order. With `trust_ad`, the AD bit that they set is passed on.

    `timeout_ms` is the maximum first wait for an answer. Later waits for the same question are longer.
    `ca` has certificate authorities for encrypted servers, in PEM form. None means those of the machine.
    With `falls_back`, encrypted servers are asked in clear text while all those of a group fail.
    With `vary_case`, questions over UDP vary the case of the letters in their names. With `cookies`, they have cookies.
    """

    servers: tuple[Endpoint, ...]
    trust_ad: bool
    timeout_ms: int
    ca: str | None = None
    falls_back: bool = False
    strategy: Strategy = Strategy.ORDERED
    vary_case: bool = False
    cookies: bool = False


@dataclass(frozen=True, slots=True)
class Cache:
    """The answer cache's size, and how long past its TTL an answer is served if all upstreams fail (0: never).

    With `prefetch`, popular answers are asked for again before their TTL ends.
    """

    max_bytes: int
    serve_stale_s: int
    prefetch: bool = False


@dataclass(frozen=True, slots=True)
class Rebinding:
    """Whether private addresses are withheld from answers of the default upstreams.

    The `exempt` names and all below them may have such addresses.
    """

    protect: bool = False
    exempt: tuple[WireName, ...] = ()


@dataclass(frozen=True, slots=True)
class Clients:
    """Unregistered clients, proxies and forwarders. `allowed` limits `resolve` and `learn`; empty with `refuse`.

    `learn` is `resolve` for the last MAX_LEARNING_S before the instant `learn_until`, else `refuse`.
    """

    unregistered: Unregistered
    allowed: tuple[Prefix, ...] = ()
    learn_until: Instant | None = None
    trusted_proxies: tuple[Prefix, ...] = ()
    trusted_forwarders: tuple[Prefix, ...] = ()

    def learns_until(self, at: Instant) -> Instant | None:
        """Return when learning mode ends, None if it is off at that instant."""
        if self.learn_until is None or not self.learn_until - MAX_LEARNING_S <= at < self.learn_until:
            return None
        return self.learn_until

    def admits(self, client: bytes, at: Instant) -> bool:
        """Return whether an unregistered client at that packed address gets answers at that instant."""
        if self.unregistered is Unregistered.REFUSE:
            return False
        if self.unregistered is Unregistered.LEARN and self.learns_until(at) is None:
            return False
        return _holds(self.allowed, client)

    def trusts(self, peer: bytes) -> bool:
        """Return whether messages from that packed address begin with a header that names the client."""
        return bool(self.trusted_proxies) and _holds(self.trusted_proxies, peer)

    def forwards(self, peer: bytes) -> bool:
        """Return whether a client subnet in queries from that packed address names the client."""
        return bool(self.trusted_forwarders) and _holds(self.trusted_forwarders, peer)

    def header_from(self, address: str) -> bytes:
        """Return what this machine sends first when it asks its own node from that address: a header, or nothing."""
        return LOCAL_HEADER if self.trusts(ip_address(address).packed) else b""


def _holds(prefixes: tuple[Prefix, ...], packed: bytes) -> bool:
    address = ip_address(packed)
    return any(address.version == prefix.version and address in prefix for prefix in prefixes)


@dataclass(frozen=True, slots=True)
class Rate:
    """The queries per second that one client may send, and how many at once. `per_second` 0 means no limit."""

    per_second: int
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that one worker sets on clients.

    A client is an IPv4 address or an IPv6 /64. `overrides` are other rates for the clients of some prefixes; the
    longest prefix wins. `unregistered` limits the replies to an unregistered network (/24, /56). Of the replies beyond
    it, every `slip`-th is sent with TC, which asks the client to use TCP; 0 means none.

    `waiting` counts queries without an upstream's answer yet. `connections` are TCP connections. Of one connection,
    `connection_queries` queries are read in one turn and wait at a time.
    """

    clients: Rate = Rate(1_000, 2_000)
    overrides: tuple[tuple[Prefix, Rate], ...] = ()
    unregistered: Rate = Rate(50, 100)
    slip: int = 2
    waiting: int = 65_536
    waiting_per_client: int = 512
    connections: int = 1_000
    connections_per_client: int = 50
    connection_queries: int = 32
    connection_idle_s: float = 10


@dataclass(frozen=True, slots=True)
class Zone:
    """A conditional zone. `suffix` and all names below it are resolved by `servers` only."""

    suffix: WireName
    servers: tuple[Endpoint, ...]
    strategy: Strategy = Strategy.ORDERED
    vary_case: bool = False
    cookies: bool = False


@dataclass(frozen=True, slots=True)
class LocalRecord:
    """A record that the node answers itself. `name` is folded, `rdata` in wire form."""

    name: WireName
    rtype: int
    ttl_s: int
    rdata: bytes


@dataclass(frozen=True, slots=True)
class Encrypted:
    """DNS over TLS and over HTTPS for clients. Without listeners, the other fields may be empty.

    `name` is the node's name in its certificate, in lower case; names of fleets are one label below it. `certificate`
    and `key` are PEM files. `client_ca` is one with the authorities of devices' certificates: with it, a fleet's name
    counts only if the device shows a certificate.
    """

    name: str = ""
    certificate: Path | None = None
    key: Path | None = None
    dot_listen: tuple[Endpoint, ...] = ()
    doh_listen: tuple[Endpoint, ...] = ()
    client_ca: Path | None = None

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the addresses to listen on."""
        return (*self.dot_listen, *self.doh_listen)


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """The source of snapshots, and the site that this node serves.

    `token` is a file with a one-time token. `ca` is a file with the certificate authorities for the control plane; None
    means the machine's. `key` is the only key that is pinned when the node enrols; None means any.
    """

    url: str | None = None
    token: Path | None = None
    site: str = DEFAULT_SITE
    ca: Path | None = None
    key: str | None = None

    @property
    def host_name(self) -> str:
        """Return the name in the URL; empty without one, or if it is an address."""
        host = urlsplit(self.url or "").hostname or ""
        try:
            ip_address(host)
        except ValueError:
            return host
        return ""

    @property
    def is_at_home(self) -> bool:
        """Return whether the control plane is on this machine."""
        host = urlsplit(self.url or "").hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


class EgressMode(StrEnum):
    """What the firewall does with packets to addresses that were not answered: count them, or drop them too."""

    AUDIT = "audit"
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class EgressNetwork:
    """Clients that may connect only to addresses that were answered to one of them."""

    name: str
    prefixes: tuple[Prefix, ...]


@dataclass(frozen=True, slots=True)
class Egress:
    """Resolved-only egress. Without networks there is none. `admit` are prefixes that are always open.

    An address stays open for the TTL of its answer and `grace_s`.
    """

    mode: EgressMode = EgressMode.AUDIT
    grace_s: int = 300
    admit: tuple[Prefix, ...] = ()
    networks: tuple[EgressNetwork, ...] = ()


@dataclass(frozen=True, slots=True)
class Config:
    """All of the above for one node.

    `user` is the system user to run as when started as root. None means `dnsfilter`, if it exists. `default_listen` is
    True if the file has no `listen`. `left_out` are default addresses of a family that this machine does not have.
    """

    listen: tuple[Endpoint, ...]
    metrics_listen: Endpoint
    state_dir: Path
    workers: int
    upstream: Upstream
    cache: Cache
    clients: Clients
    limits: Limits
    zones: tuple[Zone, ...]
    records: tuple[LocalRecord, ...]
    control_plane: ControlPlane
    start_without_snapshot: bool
    trust_clock: bool = False
    recent_names: bool = True
    user: str | None = None
    default_listen: bool = False
    left_out: tuple[Endpoint, ...] = ()
    encrypted: Encrypted = Encrypted()
    rebinding: Rebinding = Rebinding()
    egress: Egress = Egress()

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The addresses that clients ask at."""
        return (*self.listen, *self.encrypted.endpoints)

    @property
    def node_dir(self) -> Path:
        """The directory of data that only this node uses and reads."""
        return self.state_dir / "node"
