"""The node's configuration as used: checked, with every default filled in. Importable without pydantic."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from dnsfilter.policy.model import DEFAULT_SITE, Address, Prefix, WireName

DNS_PORT = 53


class Unregistered(StrEnum):
    """What happens to a client that no range of the site holds."""

    REFUSE = "refuse"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and a port, for UDP and TCP alike."""

    address: Address
    port: int


@dataclass(frozen=True, slots=True)
class Upstream:
    """The resolvers that are asked, in order. `trust_ad` passes on the AD bit that they set.

    `timeout_ms` is the longest first wait for an answer; later waits for the same question are longer.
    """

    servers: tuple[Endpoint, ...]
    trust_ad: bool
    timeout_ms: int


@dataclass(frozen=True, slots=True)
class Cache:
    """The answer cache's bound, and how long past its TTL an answer may serve when upstream fails (0: never)."""

    max_bytes: int
    serve_stale_s: int


@dataclass(frozen=True, slots=True)
class Clients:
    """Unregistered clients: `allowed` is what `resolve` is limited to, and empty with `refuse`."""

    unregistered: Unregistered
    allowed: tuple[Prefix, ...] = ()

    def admits(self, client: bytes) -> bool:
        """Whether an unregistered client at that packed address is resolved for nevertheless."""
        if self.unregistered is not Unregistered.RESOLVE:
            return False
        address = ip_address(client)
        return any(address.version == prefix.version and address in prefix for prefix in self.allowed)


@dataclass(frozen=True, slots=True)
class Rate:
    """What one client may ask a second for long, and how much of it at once; `per_second` 0: as much as it likes."""

    per_second: int
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one worker lets clients ask at most.

    A client is an address, of IPv6 a /64. `overrides` holds other rates for the clients of some prefixes, the longest
    wins. `unregistered` bounds the replies to a network (/24, /56) that may not ask; every `slip`-th of those beyond it
    says to come by TCP, with 0 none. `waiting` are queries that an upstream has not answered yet. `connections` are
    TCP's: of one, `connection_queries` are taken in one turn and wait at a time.
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
    """A conditional zone: `suffix` and all below it is asked of `servers` only."""

    suffix: WireName
    servers: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Where snapshots come from, and the site that this node serves.

    `token` is a file that holds a one-time token, `ca` one with the authorities that vouch for the control plane; None:
    the machine's. `key` is the only one that is pinned when the node enrols; None: whichever comes.
    """

    url: str | None = None
    token: Path | None = None
    site: str = DEFAULT_SITE
    ca: Path | None = None
    key: str | None = None

    @property
    def is_at_home(self) -> bool:
        """Whether the control plane is on this machine."""
        host = urlsplit(self.url or "").hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


@dataclass(frozen=True, slots=True)
class Config:
    """Everything above for one node.

    `user` is who to become when started as root; None: `dnsfilter`, if there is such a user. `default_listen` says that
    the file names no `listen`; `left_out` are the default addresses of a family that this machine does not have.
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
    control_plane: ControlPlane
    start_without_snapshot: bool
    user: str | None = None
    default_listen: bool = False
    left_out: tuple[Endpoint, ...] = ()

    @property
    def node_dir(self) -> Path:
        """What this node alone keeps, and nobody else reads."""
        return self.state_dir / "node"
