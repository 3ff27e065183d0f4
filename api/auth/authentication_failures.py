"""Authentication failures: tokens that were not taken, kept for 90 days; and how often one address may fail.

A token has 256 random bits: guessing needs no lock-out, and one that is good is taken however often others from the
same address were not. What is limited is what a failing client costs: beyond the bound nothing is written.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from math import ceil
from threading import Lock

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.auth.tokens import DAY_S, Refused
from api.db.models import AuthenticationFailureRow
from api.db.session import Database
from api.errors import TooMany

KEPT_S = 90 * DAY_S
MAX_KEPT = 100_000
"""Rows; the oldest go first."""
BURST = 10
INTERVAL_S = 6.0
ALL_BURST = 200
ALL_INTERVAL_S = 0.1
"""Of all addresses together, for tokens that are none of ours: a whole network that fails does not keep the database
busy either. It does not hide that somebody tries one of ours."""
MAX_ADDRESSES = 10_000
MAX_MACHINES = 10_000
"""Tokens of machines that are remembered as kept for a day."""
LOCAL = "local"
"""Whoever comes through a Unix socket."""

_MAX_ADDRESS = 45
_IPV6_NETWORK_BITS = 64


class Bucket:
    """How many failures are still free: `burst` at once, then one per `interval_s`."""

    __slots__ = ("_burst_s", "_due_s", "_interval_s")

    def __init__(self, burst: int, interval_s: float) -> None:
        self._burst_s = (burst - 1) * interval_s
        self._interval_s = interval_s
        self._due_s = 0.0

    def wait_s(self, now: float) -> float:
        """Seconds until the next failure is free; 0 where one is now."""
        # A clock that was set back makes nobody wait longer than a whole burst takes to come back.
        self._due_s = min(self._due_s, now + self._burst_s + self._interval_s)
        return max(0.0, self._due_s - self._burst_s - now)

    def take(self, now: float) -> None:
        """Use one."""
        self._due_s = max(self._due_s, now) + self._interval_s


class Limits:
    """The bucket of each address that failed lately, and one of all; of too many addresses the oldest is forgotten."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._all = Bucket(ALL_BURST, ALL_INTERVAL_S)
        self._of: OrderedDict[str, Bucket] = OrderedDict()

    def admit(self, address: str, now: float, *, ours: bool = False) -> float:
        """Take a failure of `address`, or give the seconds after which there is one again.

        That a token is one of `ours` is known after its hash was compared: nobody makes such failures up.
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
    """The authentication failures of this process, counted, limited and kept."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._limits = Limits()
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._days: OrderedDict[str, int] = OrderedDict()

    def note(self, refused: Refused, address: str, request: str, now: float, machine: str | None = None) -> None:
        """Keep an authentication failure; raises TooMany, and keeps nothing, where its address has failed too often.

        `machine` is the hash of a token that a machine presents, which does not stop by itself: it is kept once a day.
        """
        if machine is not None and self._days.get(machine) == int(now) // DAY_S:
            with self._lock:
                self._counts[str(refused.reason)] += 1
            return
        wait_s = self._limits.admit(address, now, ours=refused.token is not None)
        with self._lock:
            self._counts[str(refused.reason) if wait_s == 0 else "limited"] += 1
        if wait_s > 0:
            raise TooMany("too many tokens from this address were not taken lately", ceil(wait_s))
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
        """Tokens that were not taken, by reason; `limited` are those of which nothing was kept."""
        with self._lock:
            return dict(self._counts)

    def _remember(self, machine: str, day: int) -> None:
        with self._lock:
            self._days[machine] = day
            self._days.move_to_end(machine)
            if len(self._days) > MAX_MACHINES:
                self._days.popitem(last=False)


def sweep(session: Session, now_s: int) -> None:
    """Forget what is older than 90 days, and what is more than the bound."""
    newest = session.scalar(select(func.max(AuthenticationFailureRow.id))) or 0
    session.execute(delete(AuthenticationFailureRow).where(AuthenticationFailureRow.time_s <= now_s - KEPT_S))
    session.execute(delete(AuthenticationFailureRow).where(AuthenticationFailureRow.id <= newest - MAX_KEPT))


def address_of(client: tuple[str, int] | None) -> str:
    """The address of a connection's other end as it is kept; `local` where it has none."""
    if client is None or not client[0]:
        return LOCAL
    try:
        address = ip_address(client[0].partition("%")[0])
    except ValueError:
        return client[0]
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def network_of(address: str) -> str:
    """Return what is limited together: an IPv4 address, or the network that one IPv6 subscriber has."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    return str(int(parsed) >> _IPV6_NETWORK_BITS) + "::" if isinstance(parsed, IPv6Address) else address
