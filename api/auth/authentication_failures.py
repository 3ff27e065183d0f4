"""Authentication failures: rejected tokens, kept for 90 days, and a limit on failures per address.

A token has 256 random bits, so guessing needs no lock-out. A valid token is accepted after any number of failures from
the same address. The limit bounds the cost of a failing client: beyond it, nothing is stored.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from math import ceil
from threading import Lock

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.auth.state import Refusal
from api.auth.tokens import Refused
from api.db.models import AuthenticationFailureRow
from api.db.session import Database
from api.errors import TooMany
from dnsfilter.policy.model import DAY_S
from dnsfilter.translatable import Text

KEPT_S = 90 * DAY_S
MAX_KEPT = 100_000
"""The most rows that are kept. The oldest are deleted first."""
BURST = 10
INTERVAL_S = 6.0
ALL_BURST = 200
ALL_INTERVAL_S = 0.1
"""The limit of all addresses together, for unknown tokens: a failing network does not keep the database busy either.
Failures with known tokens are exempt, so that a flood of unknown ones does not hide them."""
MAX_ADDRESSES = 10_000
MAX_MACHINES = 10_000
"""The most tokens of machines that are remembered as stored on a day."""
LOCAL = "local"
"""The address of clients on a Unix socket."""
LIMITED = "limited"
"""The reason of failures that are counted and not stored."""

_MAX_ADDRESS = 45
_IPV6_NETWORK_BITS = 64


class Bucket:
    """A limit on failures: `burst` at once, then one per `interval_s`."""

    __slots__ = ("_burst_s", "_due_s", "_interval_s")

    def __init__(self, burst: int, interval_s: float) -> None:
        self._burst_s = (burst - 1) * interval_s
        self._interval_s = interval_s
        self._due_s = 0.0

    def wait_s(self, now: float) -> float:
        """Return the seconds until the next failure is allowed, 0 if it is allowed now."""
        # If the clock was set back, wait at most as long as a full burst takes to recover.
        self._due_s = min(self._due_s, now + self._burst_s + self._interval_s)
        return max(0.0, self._due_s - self._burst_s - now)

    def take(self, now: float) -> None:
        """Count one failure."""
        self._due_s = max(self._due_s, now) + self._interval_s


class Limits:
    """A bucket for each address that failed recently, and one for all. Beyond `MAX_ADDRESSES` the oldest is dropped."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._all = Bucket(ALL_BURST, ALL_INTERVAL_S)
        self._of: OrderedDict[str, Bucket] = OrderedDict()

    def admit(self, address: str, now: float, *, ours: bool = False) -> float:
        """Count a failure of `address` and return 0, or return the seconds until the next one is allowed.

        `ours` means that the token is a known one: its hash matched, so nobody can invent such failures.
        """
        key = network_of(address)
        with self._lock:
            bucket = self._of.pop(key, None) or Bucket(BURST, INTERVAL_S)
            self._of[key] = bucket
            if len(self._of) > MAX_ADDRESSES:
                self._of.popitem(last=False)
            buckets = (bucket,) if ours else (bucket, self._all)
            wait_s = max(each.wait_s(now) for each in buckets)
            if wait_s == 0:
                for each in buckets:
                    each.take(now)
            return wait_s


class Failures:
    """Count, limit and store the authentication failures of this process."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._limits = Limits()
        self._lock = Lock()
        # A rate misses the first failure of a reason that is not counted from 0.
        self._counts = Counter[str](dict.fromkeys((*Refusal, LIMITED), 0))
        self._days: OrderedDict[str, int] = OrderedDict()

    def note(self, refused: Refused, address: str, request: str, now: float, machine: str | None = None) -> None:
        """Store an authentication failure. If its address has failed too often, raise TooMany and store nothing.

        `machine` is the hash of a token that a machine presents. Machines retry forever, so it is stored once a day.
        """
        if machine is not None and self._days.get(machine) == int(now) // DAY_S:
            with self._lock:
                self._counts[str(refused.reason)] += 1
            return
        wait_s = self._limits.admit(address, now, ours=refused.token is not None)
        with self._lock:
            self._counts[str(refused.reason) if wait_s == 0 else LIMITED] += 1
        if wait_s > 0:
            seconds = ceil(wait_s)
            raise TooMany(
                Text("too many authentication failures from this address: try again in {seconds} s", seconds=seconds),
                seconds,
            )
        with self._database.writing() as session:
            session.add(
                AuthenticationFailureRow(
                    time_s=int(now),
                    address=address[:_MAX_ADDRESS],
                    reason=str(refused.reason),
                    token=refused.token,
                    request=request,
                )
            )
            session.flush()
            sweep(session, int(now))
        if machine is not None:
            self._remember(machine, int(now) // DAY_S)

    def counts(self) -> Mapping[str, int]:
        """Return the number of authentication failures by each reason. `limited` are those that were not stored."""
        with self._lock:
            return dict(self._counts)

    def _remember(self, machine: str, day: int) -> None:
        with self._lock:
            self._days[machine] = day
            self._days.move_to_end(machine)
            if len(self._days) > MAX_MACHINES:
                self._days.popitem(last=False)


def sweep(session: Session, now_s: int) -> None:
    """Delete failures older than 90 days, and the oldest beyond `MAX_KEPT`."""
    newest = session.scalar(select(func.max(AuthenticationFailureRow.id))) or 0
    session.execute(delete(AuthenticationFailureRow).where(AuthenticationFailureRow.time_s <= now_s - KEPT_S))
    session.execute(delete(AuthenticationFailureRow).where(AuthenticationFailureRow.id <= newest - MAX_KEPT))


def address_of(client: tuple[str, int] | None) -> str:
    """Return the client's address as it is stored, or `local` if it has none."""
    if client is None or not client[0]:
        return LOCAL
    try:
        address = ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0]
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def network_of(address: str) -> str:
    """Return the unit of the limit: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> _IPV6_NETWORK_BITS) + "::" if isinstance(parsed, IPv6Address) else address
