"""Who answers a name: this node by its own records, the servers of a conditional zone, or the default upstreams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config, Endpoint, LocalRecord, Strategy, Zone
from dnsfilter.upstream.special import LocalAnswer, special
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import ROOT, parent, suffixes

DEFAULT_VIEW: Final = 0
"""Number of the view without a zone. Zones count from 1, in configured order."""


@dataclass(frozen=True, slots=True)
class View:
    """A set of servers whose answers belong together. Its number is in the cache's key: views share no answers."""

    number: int
    servers: tuple[int, ...]
    """Indexes into `Zones.endpoints`, in configured order."""
    fastest: bool = False
    """Whether the fastest server is asked first."""
    races: bool = False
    """Whether the two fastest servers are asked at once."""
    varies_case: bool = False
    """Whether questions over UDP vary the case of the letters in their names."""
    sends_cookies: bool = False
    """Whether questions over UDP have cookies."""


class Zones:
    """The routing table. It is immutable.

    Server numbers are shared: a server of several zones is one endpoint, with one health state.
    """

    __slots__ = ("_by_suffix", "encrypted", "endpoints", "not_empty", "records", "suffixes", "views")

    def __init__(
        self,
        default: Sequence[Endpoint],
        zones: Sequence[Zone],
        records: Sequence[LocalRecord] = (),
        strategy: Strategy = Strategy.ORDERED,
        vary_case: bool = False,
        cookies: bool = False,
    ) -> None:
        """Number the servers. Raise ValueError if a suffix is given twice or has no server.

        `strategy`, `vary_case` and `cookies` are those of the default servers.
        """
        numbers: dict[Endpoint, int] = {}
        first = Zone(ROOT, tuple(default), strategy, vary_case, cookies)
        views = [_view(DEFAULT_VIEW, first, numbers)]
        by_suffix: dict[bytes, View] = {}
        for number, zone in enumerate(zones, DEFAULT_VIEW + 1):
            if not zone.servers:
                raise ValueError(f"route zone {zone.suffix!r}: no servers")
            if zone.suffix in by_suffix:
                raise ValueError(f"route zone {zone.suffix!r}: given twice")
            views.append(_view(number, zone, numbers))
            by_suffix[zone.suffix] = views[-1]
        self._by_suffix: Final[Mapping[bytes, View]] = MappingProxyType(by_suffix)
        by_name: dict[bytes, tuple[LocalRecord, ...]] = {}
        for record in records:
            by_name[record.name] = (*by_name.get(record.name, ()), record)
        self.records: Final[Mapping[bytes, tuple[LocalRecord, ...]]] = MappingProxyType(by_name)
        """The node's own records by folded name. They come before the cache and any upstream."""
        self.not_empty: Final = frozenset(
            name
            for held in (*self.records, *by_suffix)
            for name in suffixes(held)[1:]
            if (found := special(name, Type.A)) is not None and found.rcode == Rcode.NXDOMAIN
        )
        """Special names that exist because a record or a conditional zone is below them (RFC 8020 section 2)."""
        self.endpoints: Final = tuple(numbers)
        """Every distinct server. Its index is its number."""
        self.encrypted: Final = frozenset(n for server, n in numbers.items() if server.tls is not None)
        """The servers that are asked by stream only."""
        self.views: Final = tuple(views)
        tops = [b"\0", *(zone.suffix for zone in zones)]
        self.suffixes: Final = tuple(
            next(suffix for suffix, view in zip(tops, views, strict=True) if number in view.servers)
            for number in range(len(numbers))
        )
        """A zone that each distinct server answers for: the root, or a conditional zone's suffix."""

    def route(self, name: bytes, qtype: int) -> View:
        """Return the view of a folded wire name: of the longest zone that contains it, else the default.

        The DS of a zone is in its parent (RFC 4035 section 3.1.4.1), unless no public zone can be that parent.
        """
        if qtype == Type.DS and name in self._by_suffix and special(name, qtype) is None:
            name = parent(name)
        return self._zone(name) or self.views[DEFAULT_VIEW]

    def numbers(self) -> dict[bytes, int]:
        """Return the number of each conditional zone's view, by its suffix."""
        return {suffix: view.number for suffix, view in self._by_suffix.items()}

    def zone_servers(self, name: bytes) -> tuple[int, ...] | None:
        """Return the servers of the conditional zone that contains a folded wire name. None if there is none."""
        view = self._zone(name)
        return None if view is None else view.servers

    def covers(self, name: bytes) -> bool:
        """Return True if the name has a record of this node or is in a conditional zone.

        A special-use name is then no longer special.
        """
        return name in self.records or self._zone(name) is not None

    def special(self, name: bytes, qtype: int, do: bool) -> LocalAnswer | None:
        """Return the local answer for a special name. None if a record, a zone or the default servers answer it."""
        found = special(name, qtype, do)
        if found is None or not found.overridable:
            return found
        if self.covers(name):
            return None
        return replace(found, rcode=Rcode.NOERROR) if name in self.not_empty else found

    def suffix_of(self, name: bytes) -> bytes:
        """Return the suffix of the longest conditional zone that contains a folded wire name, else the root."""
        at = 0
        while self._by_suffix and at < len(name):
            if name[at:] in self._by_suffix:
                return name[at:]
            at += name[at] + 1
        return ROOT

    def _zone(self, name: bytes) -> View | None:
        return self._by_suffix.get(self.suffix_of(name))


def server_texts(config: Config) -> tuple[str, ...]:
    """Return every distinct server of a configuration as text, by number."""
    return tuple(endpoint_text(endpoint) for endpoint in Zones(config.upstream.servers, config.zones).endpoints)


def _view(number: int, zone: Zone, numbers: dict[Endpoint, int]) -> View:
    indexes = tuple(dict.fromkeys(numbers.setdefault(server, len(numbers)) for server in zone.servers))
    fastest, races = zone.strategy is not Strategy.ORDERED, zone.strategy is Strategy.RACE
    return View(number, indexes, fastest, races, zone.vary_case, zone.cookies)
