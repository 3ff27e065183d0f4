"""Records by which devices find this node's encrypted listeners: DDR (RFC 9462) and RESINFO (RFC 9606)."""

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final

from dnsfilter.config.node_config import Config, Endpoint, LocalRecord
from dnsfilter.policy.model import Address, WireName
from dnsfilter.upstream.zones import Zones
from dnsfilter.wire.iana import EdeCode, Type
from dnsfilter.wire.names import parse_name

DISCOVERY_TTL_S: Final = 300
DOH_PATH: Final = "/dns-query{?dns}"
_RESOLVER_ARPA: Final = parse_name("resolver.arpa")
_DNS_LABEL: Final = b"\x04_dns"
_ERRORS: Final = (EdeCode.BLOCKED, EdeCode.CENSORED, EdeCode.FILTERED)
_RESINFO: Final = f"exterr={','.join(str(int(code)) for code in _ERRORS)}".encode()
"""The extended errors of refusals and of withheld answers."""
_NUMBER: Final = Struct("!H")
_PARAMETER: Final = Struct("!HH")
# Keys of service parameters: RFC 9460 section 14.3.2, RFC 9461 section 5.
_ALPN: Final = 1
_PORT: Final = 3
_HINTS: Final = {4: 4, 6: 6}
"""Keys of ipv4hint and ipv6hint, by family."""
_DOHPATH: Final = 7


def node_zones(config: Config) -> Zones:
    """Return who answers which name on a node, with the records of discovery."""
    upstream = config.upstream
    how = (upstream.strategy, upstream.vary_case, upstream.cookies)
    plain = Zones(upstream.servers, config.zones, config.records, *how)
    found = tuple(discovery_records(config, plain))
    if not found:
        return plain
    return Zones(upstream.servers, config.zones, (*config.records, *found), *how)


def discovery_records(config: Config, zones: Zones) -> Iterator[LocalRecord]:
    """Yield the records of discovery; none without encrypted listeners.

    The node's name gets its addresses and RESINFO if it has no record or zone in the configuration, and if listeners
    name addresses that clients can use. Otherwise `zones` or the upstreams answer it, because a name with a record here
    has no other data.
    """
    encrypted = config.encrypted
    if not encrypted.endpoints:
        return
    name = parse_name(encrypted.name)
    for owner in (_RESOLVER_ARPA, name):
        for priority, listeners in enumerate(_listeners(config), 1):
            yield _record(_DNS_LABEL + owner, Type.SVCB, _service(priority, name, *listeners))
    yield _record(_RESOLVER_ARPA, Type.RESINFO, _string(_RESINFO))
    addresses = _usable(encrypted.endpoints, config.listen)
    if not addresses or zones.covers(name):
        return
    yield _record(name, Type.RESINFO, _string(_RESINFO))
    for address in addresses:
        yield _record(name, Type.A if address.version == 4 else Type.AAAA, address.packed)


def _listeners(config: Config) -> Iterator[tuple[str, int, tuple[Address, ...]]]:
    """Yield protocol, port and usable addresses of the listeners, each port once, DNS over TLS first."""
    encrypted = config.encrypted
    for protocol, endpoints in (("dot", encrypted.dot_listen), ("h2", encrypted.doh_listen)):
        for port in dict.fromkeys(endpoint.port for endpoint in endpoints):
            yield protocol, port, _usable([each for each in endpoints if each.port == port], config.listen)


def _usable(endpoints: Iterable[Endpoint], listen: Iterable[Endpoint]) -> tuple[Address, ...]:
    """Return the addresses that clients on other machines can use, each once.

    An encrypted listener on all addresses is also at those of `listen`, which clients know.
    """
    named = [endpoint.address for endpoint in endpoints]
    every = {address.version for address in named if address.is_unspecified}
    named += [endpoint.address for endpoint in listen if endpoint.address.version in every]
    return tuple(dict.fromkeys(each for each in named if not (each.is_unspecified or each.is_loopback)))


def _record(owner: WireName, kind: int, rdata: bytes) -> LocalRecord:
    return LocalRecord(owner, int(kind), DISCOVERY_TTL_S, rdata)


def _service(priority: int, target: WireName, protocol: str, port: int, addresses: tuple[Address, ...]) -> bytes:
    """Return the data of a SVCB record for DNS (RFC 9461)."""
    parameters = {_ALPN: _string(protocol.encode()), _PORT: _NUMBER.pack(port)}
    for version, key in _HINTS.items():
        hints = b"".join(address.packed for address in addresses if address.version == version)
        parameters |= {key: hints} if hints else {}
    if protocol == "h2":
        parameters[_DOHPATH] = DOH_PATH.encode()
    ordered = (_PARAMETER.pack(key, len(value)) + value for key, value in sorted(parameters.items()))
    return _NUMBER.pack(priority) + target + b"".join(ordered)


def _string(text: bytes) -> bytes:
    return bytes((len(text),)) + text
