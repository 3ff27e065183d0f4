"""Check the keys of `[upstream]` that concern encrypted servers, and make its part of the configuration."""

import ssl
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from dnsfilter.config.ad_bit import trusts_ad
from dnsfilter.config.file_schema import ConfigFile
from dnsfilter.config.locations import Fault
from dnsfilter.config.node_config import Endpoint, Upstream

MAX_CA_BYTES: Final = 4 << 20


def encryption_faults(file: ConfigFile, servers: Iterable[Endpoint], directory: Path) -> list[Fault]:
    """Return the faults of the keys for encrypted servers. `servers` are those of upstreams and of all zones."""
    table = file.upstream
    encrypted = any(server.tls is not None for server in servers)
    faults = []
    if table.when_encrypted_fails == "plain" and not encrypted:
        message = 'has an effect only with a server such as "tls://192.0.2.1#dns.example.org"'
        faults.append(Fault(("upstream", "when_encrypted_fails"), message))
    if table.ca is not None:
        fault = _ca_fault(directory / table.ca)
        faults += [] if fault is None else [Fault(("upstream", "ca"), fault)]
    return faults


def upstream_of(file: ConfigFile, servers: tuple[Endpoint, ...], directory: Path) -> Upstream:
    """Return the configuration of a table without faults."""
    table = file.upstream
    return Upstream(
        servers,
        trusts_ad(servers) if table.trust_ad is None else table.trust_ad,
        table.timeout_ms,
        None if table.ca is None else _read_ca(directory / table.ca),
        table.when_encrypted_fails == "plain",
        table.strategy,
        table.vary_case,
        table.cookies,
    )


def _ca_fault(path: Path) -> str | None:
    try:
        text = _read_ca(path)
        ssl.create_default_context(cadata=text)
    except ssl.SSLError:
        text = ""
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"
    except ValueError:
        return f"{path} is not a file of certificates in PEM form"
    return None if text else f"{path} has no certificate in PEM form"


def _read_ca(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(MAX_CA_BYTES).decode("ascii")
