"""Read the table of resolved-only egress from the objects of libnftables-json(5). Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

from dnsfilter.firewall.egress_rules import OTHERS
from dnsfilter.policy.model import Address

_MARK = "_answered"


@dataclass(frozen=True, slots=True)
class NetworkStatus:
    """The open addresses of an egress network, with the seconds they stay open, and the packets to others so far."""

    name: str
    addresses: Mapping[Address, int]
    packets: int
    bytes: int

    def value(self) -> dict[str, object]:
        """Return this for JSON."""
        addresses = [{"address": str(address), "seconds": left_s} for address, left_s in self.addresses.items()]
        return {"network": self.name, "packets": self.packets, "bytes": self.bytes, "addresses": addresses}

    def text(self) -> str:
        """Return lines for people."""
        head = f"{self.name}: {self.packets} packets to addresses that were not answered, {len(self.addresses)} open\n"
        return head + "".join(f"  {address} for {left_s} s\n" for address, left_s in self.addresses.items())


def admitted_in(objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, Address], int]:
    """Return the seconds that each address stays open, by the network's name."""
    return {
        (listed["name"].rpartition(_MARK)[0], address): left_s
        for listed in _of_kind(objects, "set")
        if _MARK in listed["name"]
        for address, left_s in _elements(listed)
    }


def statuses(objects: Iterable[Mapping[str, Any]]) -> list[NetworkStatus]:
    """Return the state of each network, by name."""
    objects = list(objects)
    admitted = sorted(admitted_in(objects).items(), key=_order)
    return [
        NetworkStatus(
            network,
            {address: left_s for (name, address), left_s in admitted if name == network},
            counter["packets"],
            counter["bytes"],
        )
        for counter in sorted(_of_kind(objects, "counter"), key=lambda each: str(each["name"]))
        for network in (counter["name"].removesuffix(OTHERS),)
    ]


def _order(item: tuple[tuple[str, Address], int]) -> tuple[int, int]:
    address = item[0][1]
    return address.version, int(address)


def _of_kind(objects: Iterable[Mapping[str, Any]], kind: str) -> Iterator[Mapping[str, Any]]:
    return (listed[kind] for listed in objects if kind in listed)


def _elements(listed: Mapping[str, Any]) -> Iterator[tuple[Address, int]]:
    for each in listed.get("elem", ()):
        if isinstance(each, Mapping):  # an address without an end, from nft itself, is a text
            yield ip_address(each["elem"]["val"]), int(each["elem"].get("expires", 0))
