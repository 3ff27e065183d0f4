"""Read `[encrypted]`: where the node serves DNS over TLS and over HTTPS, and with which certificate."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.locations import Fault
from dnsfilter.config.node_config import Encrypted, Endpoint

if TYPE_CHECKING:
    from dnsfilter.config.file_schema import EncryptedTable

_NEEDED = {
    "name": 'the name in the certificate, such as "dns.example.org"',
    "certificate": "the path of a PEM file with the certificate and its chain",
    "key": "the path of a PEM file with the certificate's key",
}


def encrypted_of(table: "EncryptedTable", directory: Path) -> Encrypted:
    """Return the listeners of a table without faults. Paths are relative to `directory`."""
    certificate, key = (None if path is None else directory / path for path in (table.certificate, table.key))
    dot, doh = (
        tuple(endpoint for endpoint in endpoints if endpoint is not None)
        for endpoints in (table.dot_listen, table.doh_listen)
    )
    return Encrypted(table.name, certificate, key, dot, doh)


def encrypted_faults(table: "EncryptedTable", others: Iterable[Endpoint]) -> Iterator[Fault]:
    """Yield the faults of a table. `others` are the addresses that the node listens on over TCP for something else."""
    listeners = {"dot_listen": table.dot_listen, "doh_listen": table.doh_listen}
    used = next((key for key, endpoints in listeners.items() if endpoints), None)
    for key, meaning in _NEEDED.items():
        if used is not None and not getattr(table, key):
            yield Fault(("encrypted", key), f"is required with {used}: {meaning}")
    taken = set(others)
    for key, endpoints in listeners.items():
        for index, endpoint in enumerate(endpoints):
            if endpoint is None:
                continue
            if endpoint in taken:
                yield Fault(("encrypted", key, index), f"{endpoint_text(endpoint)} is given twice: use another port")
            if endpoint.address.is_multicast:
                yield Fault(("encrypted", key, index), f"{endpoint_text(endpoint)} is a multicast address")
            taken.add(endpoint)
