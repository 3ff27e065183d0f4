"""The table `inet dnsfilter_egress` for resolved-only egress, in the syntax of nft(8). Pure.

Each egress network has two sets of addresses that were answered to it. Their elements end by themselves.
"""

from collections.abc import Iterator, Mapping
from ipaddress import ip_address

from dnsfilter.config.node_config import Egress, EgressMode, EgressNetwork
from dnsfilter.firewall.nftables import interval_set
from dnsfilter.firewall.rule_set import FAMILIES, joined, of_family
from dnsfilter.policy.model import Address

TABLE = "inet dnsfilter_egress"
REMOVAL = f"table {TABLE}\ndelete table {TABLE}\n"
MOST_ADDRESSES = 65_536
"""Addresses of a network and family that are open at the same time."""
LONGEST_OPEN_S = 86_400
"""The longest time that an address stays open after an answer, without the grace."""
OTHERS = "_others"
"""Follows a network's name in names of the table: the name alone may be a word of nft, such as `vlan`."""
_LOGGED = "limit rate 5/second burst 20 packets"
_IP = {4: "ip", 6: "ip6"}

Admitted = Mapping[tuple[str, Address], int]
"""The seconds that each address stays open for a network, by the network's name."""


def set_of(network: str, version: int) -> str:
    """Return the name of the set of a network's addresses."""
    return f"{network}_answered{version}"


def table_text(egress: Egress, admitted: Admitted) -> str:
    """Return input for nft that replaces the table in one transaction. It touches no other table."""
    lines = [f"{REMOVAL}table {TABLE} {{", *_always(egress)]
    for network in egress.networks:
        lines += _sets(network)
    lines += _chains(egress)
    opened = [_opening(network, address, seconds) for (network, address), seconds in admitted.items()]
    return "\n".join([*lines, "}", *opened]) + "\n"


def elements_text(admitted: Admitted) -> str:
    """Return input for nft that opens addresses, or renews them. Kernels before 6.12 renew by removal and addition."""
    lines = []
    for (network, address), seconds in admitted.items():
        name = f"element {TABLE} {set_of(network, address.version)}"
        lines += [f"add {name} {{ {address} }}", f"delete {name} {{ {address} }}"]
        lines.append(_opening(network, address, seconds))
    return "".join(f"{line}\n" for line in lines)


def _opening(network: str, address: Address, seconds: int) -> str:
    return f"add element {TABLE} {set_of(network, address.version)} {{ {address} timeout {seconds}s }}"


def address_of(packed: bytes) -> Address:
    """Return an address from its 4 or 16 bytes."""
    return ip_address(packed)


def _always(egress: Egress) -> Iterator[str]:
    for version in FAMILIES:
        yield from interval_set(f"admitted{version}", version, of_family(joined(egress.admit), version))


def _sets(network: EgressNetwork) -> Iterator[str]:
    yield f"\tcounter {network.name}{OTHERS} {{ }}"
    for version in FAMILIES:
        yield from interval_set(f"{network.name}_clients{version}", version, of_family(network.prefixes, version))
        yield f"\tset {set_of(network.name, version)} {{"
        yield f"\t\ttype ipv{version}_addr; flags timeout; size {MOST_ADDRESSES};"
        yield "\t}"


def _chains(egress: Egress) -> Iterator[str]:
    for network in egress.networks:
        yield f"\tchain {network.name}{OTHERS} {{"
        yield f'\t\t{_LOGGED} log prefix "dnsfilter egress {network.name}: "'
        # Dropped, not rejected: the client repeats its first packet, and the address may be open by then.
        end = " drop" if egress.mode is EgressMode.ENFORCE else ""
        yield f"\t\tcounter name {network.name}{OTHERS}{end}"
        yield "\t}"
    yield "\tchain forward {"
    yield "\t\ttype filter hook forward priority filter + 10; policy accept;"
    yield "\t\tct state established,related accept"
    for version in FAMILIES:
        yield f"\t\t{_IP[version]} daddr @admitted{version} accept"
    for network in egress.networks:
        for version in FAMILIES:
            ip, clients = _IP[version], f"@{network.name}_clients{version}"
            yield f"\t\t{ip} saddr {clients} {ip} daddr @{set_of(network.name, version)} accept"
            yield f"\t\t{ip} saddr {clients} goto {network.name}{OTHERS}"
    yield "\t}"
