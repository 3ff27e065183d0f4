"""The start settings of a worker, as bytes in sealed memory: the node's configuration and its sets of sockets."""

from dataclasses import is_dataclass
from functools import cache
from hashlib import blake2b
from ipaddress import ip_address, ip_network
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from dnsfilter.cache.packed import ROUTES_BYTES
from dnsfilter.config.node_config import Config, EgressMode, Strategy, Unregistered
from dnsfilter.policy.model import Address, Prefix

_READERS: dict[Any, Any] = {
    Address: ip_address,
    Prefix: ip_network,
    Path: Path,
    Strategy: Strategy,
    EgressMode: EgressMode,
    Unregistered: Unregistered,
}
"""Types that msgspec holds as text. It does not support a union of two custom types, such as an address."""


class SetOfSockets(msgspec.Struct, frozen=True):
    """One set of listening sockets, as numbers in the order in which `Sockets` messages have brought them."""

    udp: tuple[int, ...]
    tcp: tuple[int, ...]
    dot: tuple[int, ...] = ()
    doh: tuple[int, ...] = ()


class WorkerConfig(msgspec.Struct, frozen=True):
    """The configuration and all sets of the node. The worker reads those that `Listen` names."""

    config: dict[str, Any]
    sets: tuple[SetOfSockets, ...]


def pack_config(config: Config, sets: tuple[SetOfSockets, ...]) -> bytes:
    """Return the bytes that `unpack_config` reads."""
    return msgspec.msgpack.encode({"config": config, "sets": sets}, enc_hook=str)


def unpack_config(packed: bytes) -> tuple[Config, tuple[SetOfSockets, ...]]:
    """Return the arguments of `pack_config`."""
    decoded = msgspec.msgpack.decode(packed, type=WorkerConfig)
    config: Config = _build(Config, decoded.config)
    return config, decoded.sets


def routes_of(config: Config) -> bytes:
    """Return a digest of what decides which servers the views of cache keys stand for, and whom to believe."""
    routes = (config.upstream.servers, config.upstream.trust_ad, config.zones, config.records)
    return blake2b(msgspec.msgpack.encode(routes, enc_hook=str), digest_size=ROUTES_BYTES).digest()


def _build(kind: Any, value: Any) -> Any:
    """Return the value of type `kind` that msgspec has encoded as text, numbers, lists and mappings."""
    if value is None:
        return None
    if kind in _READERS:
        return _READERS[kind](value)
    if is_dataclass(kind):
        made: Any = kind
        hints = _hints(made)
        return made(**{name: _build(hints[name], held) for name, held in value.items()})
    kinds = get_args(kind)
    if get_origin(kind) is UnionType:  # `X | None`
        return _build(kinds[0], value)
    if get_origin(kind) is tuple:
        return tuple(_build(kinds[0] if kinds[-1] is ... else kinds[at], item) for at, item in enumerate(value))
    return value


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)
