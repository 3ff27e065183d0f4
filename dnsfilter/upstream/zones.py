"""Who answers a name: this node by its own records, the servers of a conditional zone, or the default upstreams."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config, Endpoint, LocalRecord, Zone
from dnsfilter.upstream.local_records import LocalRecords
from dnsfilter.upstream.special import special
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import parent

DEFAULT_VIEW: Final = 0
"""Number of the view without a zone. Zones count from 1, in configured order."""


@dataclass(frozen=True, slots=True)
class View:
    """A set of servers whose answers belong together. It is part of the cache's key: views share no answers."""

    number: int
    servers: tuple[int, ...]
    """Indexes into `Zones.endpoints`, in configured order."""


@dataclass(frozen=True, slots=True)
class Route:
    """The way to resolve a name: the number of its view, and that view's servers in configured order."""

    view: int
    servers: tuple[int, ...]


class Zones:
    """The routing table. It is immutable.

    Server numbers are shared: a server of several zones is one endpoint, with one health state.
    """

    __slots__ = ("_default", "_routes", "endpoints", "records", "suffixes", "views")

    def __init__(self, default: Sequence[Endpoint], zones: Sequence[Zone], records: Sequence[LocalRecord] = ()) -> None:
        """Number the servers. Raise ValueError if a suffix is given twice or has no server."""
        numbers: dict[Endpoint, int] = {}
        views = [_view(DEFAULT_VIEW, default, numbers)]
        routes: dict[bytes, Route] = {}
        for number, zone in enumerate(zones, DEFAULT_VIEW + 1):
            if not zone.servers:
                raise ValueError(f"route zone {zone.suffix!r}: no servers")
            if zone.suffix in routes:
                raise ValueError(f"route zone {zone.suffix!r}: given twice")
            views.append(_view(number, zone.servers, numbers))
            routes[zone.suffix] = _route(views[-1])
        self._default: Final = _route(views[0])
        self._routes: Final[Mapping[bytes, Route]] = MappingProxyType(routes)
        self.records: Final = LocalRecords(records)
        self.endpoints: Final = tuple(numbers)
        """Every distinct server. Its index is its number."""
        self.views: Final = tuple(views)
        suffixes = [b"\0", *(zone.suffix for zone in zones)]
        self.suffixes: Final = tuple(
            next(suffix for suffix, view in zip(suffixes, views, strict=True) if number in view.servers)
            for number in range(len(numbers))
        )
        """A zone that each distinct server answers for: the root, or a conditional zone's suffix."""

    def route(self, name: bytes, qtype: int) -> Route:
        """Return the route of a folded wire name: the longest zone that contains it, else the default.

        The DS of a zone is in its parent (RFC 4035 section 3.1.4.1), unless no public zone can be that parent.
        """
        if qtype == Type.DS and name in self._routes and special(name, qtype) is None:
            name = parent(name)
        return self._zone(name) or self._default

    def numbers(self) -> dict[bytes, int]:
        """Return the number of each conditional zone's view, by its suffix."""
        return {suffix: route.view for suffix, route in self._routes.items()}

    def zone_servers(self, name: bytes) -> tuple[int, ...] | None:
        """Return the servers of the conditional zone that contains a folded wire name. None if there is none."""
        route = self._zone(name)
        return None if route is None else route.servers

    def covers(self, name: bytes) -> bool:
        """Return True if the name has a record of this node or is in a conditional zone.

        A special-use name is then no longer special.
        """
        return name in self.records or self._zone(name) is not None

    def _zone(self, name: bytes) -> Route | None:
        at = 0
        while self._routes and at < len(name):
            if (found := self._routes.get(name[at:])) is not None:
                return found
            at += name[at] + 1
        return None


def server_texts(config: Config) -> tuple[str, ...]:
    """Return every distinct server of a configuration as text, by number."""
    return tuple(endpoint_text(endpoint) for endpoint in Zones(config.upstream.servers, config.zones).endpoints)


def _view(number: int, servers: Sequence[Endpoint], numbers: dict[Endpoint, int]) -> View:
    indexes = (numbers.setdefault(server, len(numbers)) for server in servers)
    return View(number, tuple(dict.fromkeys(indexes)))


def _route(view: View) -> Route:
    return Route(view.number, view.servers)
