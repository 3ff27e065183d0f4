"""Parse and format addresses with ports and prefixes, and read the nameservers of a resolv.conf."""

import socket
from ipaddress import AddressValueError, IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path

from dnsfilter.config.node_config import DNS_PORT, Endpoint
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.faults import prefix_fault
from dnsfilter.policy.model import Address, Prefix

MAX_RESOLV_CONF_BYTES = 65_536


def parse_endpoint(text: str, default_port: int = DNS_PORT) -> Endpoint:
    """Return the endpoint of "192.0.2.1", "192.0.2.1:53", "2001:db8::1" or "[2001:db8::1]:53". Or raise ValueError."""
    host, port_text = _split_port(text)
    address = _parse_address(host, text)
    if port_text is None:
        return Endpoint(address, default_port)
    if not (port_text.isascii() and port_text.isdigit() and len(port_text) <= 5 and 1 <= int(port_text) <= 65535):
        raise ValueError(f"{port_text!r} in {text!r} is not a port (1 to 65535)")
    return Endpoint(address, int(port_text))


def family_of(address: Address) -> socket.AddressFamily:
    """Return the family of sockets for an address."""
    return socket.AF_INET if address.version == 4 else socket.AF_INET6


def parse_prefix(text: str) -> Prefix:
    """Return the prefix of "192.0.2.0/24", or of one address. ValueError names one that is invalid or unusable."""
    try:
        prefix = ip_network(text)
    except ValueError as error:
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            raise ValueError(f'{text!r} is not a prefix such as "192.0.2.0/24" or "2001:db8::/48"') from error
        raise ValueError(f'{text!r} has bits set beyond its length: write "{network}"') from error
    fault = prefix_fault(prefix)
    if fault is not None:
        raise ValueError(f"{text!r} {fault}")
    return prefix


def endpoint_text(endpoint: Endpoint) -> str:
    """Return text that `parse_endpoint` reads, or `parse_server` for a server with TLS, always with the port."""
    place, tls = f"{url_host(endpoint.address)}:{endpoint.port}", endpoint.tls
    if tls is None:
        return place
    return f"tls://{place}#{tls.text}" if tls.path is None else f"https://{place}{tls.path}#{tls.text}"


def url_host(address: Address) -> str:
    """Return an address as a URL has it: an IPv6 address in brackets."""
    return f"[{address}]" if isinstance(address, IPv6Address) else str(address)


def load_resolv_conf(path: Path) -> tuple[Endpoint, ...]:
    """Return the usable nameservers of a resolv.conf(5). Raise ConfigError if there are none.

    A link-local server with a scope is skipped: its interface may be missing when the query is sent.
    """
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(MAX_RESOLV_CONF_BYTES)
    except OSError as error:
        raise ConfigError((Problem(str(path), f"cannot be read: {error.strerror}"),)) from error
    servers: dict[Endpoint, None] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0] != "nameserver":
            continue
        try:
            endpoint = Endpoint(_parse_address(words[1], words[1]), DNS_PORT)
        except ValueError:
            continue
        if server_fault(endpoint.address) is None:
            servers[endpoint] = None
    if not servers:
        raise ConfigError((Problem(str(path), "names no usable nameserver: set [upstream] servers"),))
    return tuple(servers)


def server_fault(address: Address) -> str | None:
    """Return why a query cannot be sent to that address, or None."""
    if address.is_unspecified:
        return "is a wildcard, not the address of a server"
    if address.is_multicast or address == IPv4Address("255.255.255.255"):
        return "is a multicast or broadcast address, not the address of a server"
    if address.is_link_local and isinstance(address, IPv6Address):
        return "is link-local and needs an interface: use another address of the server"
    return None


def _split_port(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or ":" not in host or (rest and not rest.startswith(":")):
            raise ValueError(f'{text!r} is not an address with a port: write for example "[2001:db8::1]:53"')
        return host, rest[1:] if rest else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


def _parse_address(host: str, text: str) -> Address:
    try:
        address = ip_address(host)
    except (AddressValueError, ValueError) as error:
        raise ValueError(f'{text!r} is not an IP address such as "192.0.2.1:53" or "[2001:db8::1]:53"') from error
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            raise ValueError(f"{text!r} names an interface, which is not supported")
        if address.ipv4_mapped is not None:
            raise ValueError(f"{text!r} is an IPv4-mapped address: write {address.ipv4_mapped}")
    return address
