"""Which resolvers this machine uses and hands out, as its files say."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from dnsfilter.cli.doctor.findings import Subject
from dnsfilter.config.node_config import DNS_PORT, Config
from dnsfilter.config.own_addresses import has_address
from dnsfilter.policy.model import Address

RESOLV_CONF = "etc/resolv.conf"
_STUB_TARGET = "run/systemd/resolve/resolv.conf"
"""The servers behind the stub of systemd-resolved, which is the only one in resolv.conf."""
_STUBS = frozenset({ip_address("127.0.0.53"), ip_address("127.0.0.54")})
_NAMESERVER = re.compile(r"^\s*nameserver\s+(\S+)", re.MULTILINE)
_LEASE = re.compile(r"^DNS=(.+)$", re.MULTILINE)
_DHCPD = re.compile(r"option\s+domain-name-servers\s+([^;]+);")
_DNSMASQ = re.compile(r"^dhcp-option=.*?(?:option6?:dns-server|\b6),(.+)$", re.MULTILINE)
_KEA = re.compile(r'"(?:domain-name|dns)-servers"[^}]*?"data"\s*:\s*"([^"]+)"')
_RADVD = re.compile(r"^\s*RDNSS\s+([^{#]+)", re.MULTILINE)
_LISTS = (
    ("run/NetworkManager/resolv.conf", None),
    ("run/systemd/netif/leases/*", _LEASE),
    ("var/lib/dhcp/*.leases", _DHCPD),
    ("etc/dhcp/dhcpd.conf", _DHCPD),
    ("etc/dnsmasq.conf", _DNSMASQ),
    ("etc/dnsmasq.d/*", _DNSMASQ),
    ("etc/kea/kea-dhcp[46].conf", _KEA),
    ("etc/radvd.conf", _RADVD),
)


@dataclass(frozen=True, slots=True)
class ResolverList:
    """The resolvers that one file names."""

    path: str
    addresses: tuple[Address, ...]


def own_resolvers(subject: Subject) -> ResolverList:
    """Return the resolvers that programs on this machine ask."""
    found = ResolverList(f"/{RESOLV_CONF}", _nameservers(subject, RESOLV_CONF))
    if not set(found.addresses) <= _STUBS:
        return found
    return ResolverList(f"/{_STUB_TARGET}", _nameservers(subject, _STUB_TARGET))


def resolver_lists(subject: Subject) -> Iterator[ResolverList]:
    """Yield the lists that this machine got or hands out: its own, those of DHCP leases, those of DHCP servers."""
    yield own_resolvers(subject)
    for pattern, wanted in _LISTS:
        for path in sorted(subject.root.glob(pattern)):
            name = str(path.relative_to(subject.root))
            if wanted is None:
                yield ResolverList(f"/{name}", _nameservers(subject, name))
                continue
            for match in set(wanted.findall(subject.text(name) or "")):
                yield ResolverList(f"/{name}", _addresses(re.split(r"[\s,]+", match)))


def is_this_node(config: Config, address: Address) -> bool:
    """Return whether the node answers at that address on the usual port.

    The unspecified address stands for this machine, as in the files of dnsmasq.
    """
    return any(
        endpoint.port == DNS_PORT
        and endpoint.address.version == address.version
        and (
            endpoint.address == address
            or address.is_unspecified
            or (endpoint.address.is_unspecified and has_address(address))
        )
        for endpoint in config.listen
    )


def _nameservers(subject: Subject, path: str) -> tuple[Address, ...]:
    return _addresses(_NAMESERVER.findall(subject.text(path) or ""))


def _addresses(words: list[str]) -> tuple[Address, ...]:
    found: dict[Address, None] = {}
    for word in words:
        try:
            found[ip_address(word.strip("[]"))] = None
        except ValueError:
            continue
    return tuple(found)
