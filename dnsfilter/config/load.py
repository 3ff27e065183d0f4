"""Read the node's configuration from disk: return a checked `Config`, or report every problem at once."""

import os
import socket
from collections.abc import Iterable, Iterator
from ipaddress import ip_address
from pathlib import Path

from dnsfilter.config.client_tables import client_faults, clients_of, egress_faults, egress_of
from dnsfilter.config.endpoint import endpoint_text, family_of, load_resolv_conf
from dnsfilter.config.file_schema import (
    MAX_WORKERS,
    ConfigFile,
    ControlPlaneTable,
    EncryptedTable,
    LimitsTable,
    OverrideTable,
    RebindingTable,
    read_tables,
)
from dnsfilter.config.file_text import MAX_CONFIG_BYTES, load_text
from dnsfilter.config.locations import Fault, KeyPath, parse_toml
from dnsfilter.config.node_config import (
    Cache,
    Config,
    ControlPlane,
    Encrypted,
    Endpoint,
    Limits,
    Rate,
    Rebinding,
    Zone,
)
from dnsfilter.config.own_addresses import has_family
from dnsfilter.config.record_tables import LOCAL_ONLY, local_record, record_faults
from dnsfilter.config.upstreams.upstream_table import encryption_faults, upstream_of
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.model import Address, Prefix, WireName
from dnsfilter.wire.names import ROOT, is_at_or_below, name_text, parse_name

RESOLV_CONF = Path("/etc/resolv.conf")
_NEEDED_TO_ENCRYPT = {
    "name": 'the name in the certificate, such as "dns.example.org"',
    "certificate": "the path of a PEM file with the certificate and its chain",
    "key": "the path of a PEM file with the certificate's key",
}
"""The keys that a listener for encrypted DNS needs, and what they are."""


def load_config(path: Path, resolv_conf: Path = RESOLV_CONF) -> Config:
    """Return the configuration in that file, or raise ConfigError with every problem. Paths are relative to it."""
    return parse_config(load_text(path, MAX_CONFIG_BYTES), path, resolv_conf)


def default_config(resolv_conf: Path = RESOLV_CONF) -> Config:
    """Return the configuration of an empty file. Raise ConfigError if even that cannot work."""
    return parse_config("", Path("defaults"), resolv_conf)


def parse_config(text: str, path: Path, resolv_conf: Path = RESOLV_CONF) -> Config:
    """Return the configuration that was read from that file, or raise ConfigError with every problem."""
    written = parse_toml(text, str(path))
    file, faults = read_tables(ConfigFile, written.data)
    if file is None:
        raise ConfigError(written.problems(faults))
    servers, problems = _upstream_servers(file, resolv_conf)
    known = {fault.path for fault in faults}
    faults += [fault for fault in _faults(file, servers, resolv_conf) if fault.path not in known]
    every = (*servers, *(server for zone in file.zone if zone is not None for server in _present(zone.servers)))
    faults += encryption_faults(file, every, path.parent)
    found = written.problems(faults) + problems
    if found:
        raise ConfigError(found)
    return _config(file, servers, path.parent)


def _upstream_servers(file: ConfigFile, resolv_conf: Path) -> tuple[tuple[Endpoint, ...], tuple[Problem, ...]]:
    if file.upstream.servers is not None:
        return _present(file.upstream.servers), ()
    try:
        return load_resolv_conf(resolv_conf), ()
    except ConfigError as error:
        return (), error.problems


def _present(items: Iterable[Endpoint | None]) -> tuple[Endpoint, ...]:
    return tuple(item for item in items if item is not None)


def _faults(file: ConfigFile, servers: tuple[Endpoint, ...], resolv_conf: Path) -> list[Fault]:
    """Return the faults that concern several keys."""
    faults = [
        *_listen_faults(file),
        *_rebinding_faults(file.rebinding),
        *client_faults(file.clients),
        *_limits_faults(file.limits),
        *_zone_faults(file),
        *egress_faults(file.egress),
    ]
    faults += record_faults(file.record)
    own = _present(file.listen)
    faults += _encrypted_faults(file.encrypted, (*own, file.metrics_listen))
    if file.upstream.servers is None:
        faults += [
            Fault(
                ("upstream", "servers"),
                f"{endpoint_text(server)} in {resolv_conf} is an address that this resolver listens on: "
                "set [upstream] servers to the servers to ask",
            )
            for server in servers
            if is_own(server, own)
        ]
    else:
        faults += _own_faults(("upstream", "servers"), file.upstream.servers, own)
    for index, zone in enumerate(file.zone):
        if zone is not None:
            faults += _own_faults(("zone", index, "servers"), zone.servers, own)
    return [*faults, *_control_plane_faults(file.control_plane)]


def _control_plane_faults(table: ControlPlaneTable) -> list[Fault]:
    faults = []
    if table.url is None:
        given = {"token": table.token, "ca": table.ca, "key": table.key}
        faults += [
            Fault(("control_plane", key), "has no effect without control_plane.url")
            for key, value in given.items()
            if value is not None
        ]
    elif table.ca is not None and not table.url.startswith("https:"):
        faults.append(Fault(("control_plane", "ca"), "has an effect only if control_plane.url is https"))
    return faults


def _encrypted_faults(table: EncryptedTable, others: Iterable[Endpoint]) -> Iterator[Fault]:
    """Yield the faults of a table. `others` are the addresses that the node listens on over TCP for something else."""
    listeners = {"dot_listen": table.dot_listen, "doh_listen": table.doh_listen}
    used = next((key for key, endpoints in listeners.items() if endpoints), None)
    for key, meaning in _NEEDED_TO_ENCRYPT.items():
        if used is not None and not getattr(table, key):
            yield Fault(("encrypted", key), f"is required with {used}: {meaning}")
    if table.client_ca is not None and used is None:
        message = "needs dot_listen or doh_listen: a proxy in front cannot pass on the certificates of devices"
        yield Fault(("encrypted", "client_ca"), message)
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


def is_own(server: Endpoint, listen: Iterable[Endpoint]) -> bool:
    """Return whether a query sent to `server` would come back to one of the `listen` addresses."""
    for endpoint in listen:
        if endpoint.port != server.port or endpoint.address.version != server.address.version:
            continue
        if server.address == endpoint.address or (endpoint.address.is_unspecified and _is_here(server.address)):
            return True
    return False


def _is_here(address: Address) -> bool:
    """Return whether the address is one of this machine's: then it is also the source of a route to itself."""
    if address.is_loopback:
        return True
    try:
        with socket.socket(family_of(address), socket.SOCK_DGRAM) as probe:
            probe.connect((str(address), 53))
            source: str = probe.getsockname()[0]
            return ip_address(source) == address
    except OSError:
        return False


def _own_faults(path: KeyPath, servers: Iterable[Endpoint | None], own: tuple[Endpoint, ...]) -> list[Fault]:
    faults = []
    seen: set[Endpoint] = set()
    for index, server in enumerate(servers):
        if server is None:
            continue
        if is_own(server, own):
            message = f"{endpoint_text(server)} is an address that this resolver listens on: it would ask itself"
            faults.append(Fault((*path, index), message))
        if server in seen:
            faults.append(Fault((*path, index), f"{endpoint_text(server)} is given twice"))
        seen.add(server)
    return faults


def _listen_faults(file: ConfigFile) -> list[Fault]:
    faults = []
    seen: set[Endpoint] = set()
    for index, endpoint in enumerate(file.listen):
        if endpoint is None:
            continue
        if endpoint in seen:
            faults.append(Fault(("listen", index), f"{endpoint_text(endpoint)} is given twice"))
        if endpoint.address.is_multicast:
            faults.append(Fault(("listen", index), f"{endpoint_text(endpoint)} is a multicast address"))
        seen.add(endpoint)
    metrics = file.metrics_listen
    wildcard = Endpoint(ip_address("0.0.0.0" if metrics.address.version == 4 else "::"), metrics.port)
    if metrics in seen or wildcard in seen:
        faults.append(Fault(("metrics_listen",), f"{endpoint_text(metrics)} is used by listen: choose another port"))
    return faults


def _limits_faults(limits: LimitsTable) -> list[Fault]:
    faults = _rate_faults(("limits",), limits)
    if limits.waiting_per_client > limits.waiting:
        faults.append(Fault(("limits", "waiting_per_client"), "is more than waiting, which is for all clients"))
    if limits.connections_per_client > limits.connections:
        faults.append(Fault(("limits", "connections_per_client"), "is more than connections, which is for all clients"))
    seen: set[Prefix] = set()
    for index, override in enumerate(limits.override):
        if override is None:
            continue
        path: KeyPath = ("limits", "override", index)
        prefix = override.prefix
        faults += _rate_faults(path, override)
        if prefix.version == 6 and prefix.prefixlen > 64:
            client = prefix.supernet(new_prefix=64)
            message = f'{prefix} is smaller than one client, which is a /64 for IPv6: write "{client}"'
            faults.append(Fault((*path, "prefix"), message))
        if prefix in seen:
            faults.append(Fault((*path, "prefix"), f"{prefix} is given twice"))
        seen.add(prefix)
    return faults


def _rate_faults(path: KeyPath, table: LimitsTable | OverrideTable) -> list[Fault]:
    if table.burst is None:
        return []
    if not table.queries_per_second:
        return [Fault((*path, "burst"), "has an effect only with a rate: queries_per_second is 0, which is no limit")]
    if table.burst * 100 < table.queries_per_second:
        return [Fault((*path, "burst"), "must be at least a hundredth of queries_per_second")]
    return []


def _rebinding_faults(table: RebindingTable) -> list[Fault]:
    if table.exempt and not table.protect:
        return [Fault(("rebinding", "except"), "has an effect only with rebinding.protect = true")]
    return [
        Fault(("rebinding", "except", index), "the root is every name: write protect = false instead")
        for index, name in enumerate(table.exempt)
        if name == ROOT
    ]


def _zone_faults(file: ConfigFile) -> list[Fault]:
    faults = []
    seen: set[WireName] = set()
    for index, zone in enumerate(file.zone):
        if zone is None:
            continue
        path: KeyPath = ("zone", index, "suffix")
        name = name_text(zone.suffix)
        if zone.suffix in seen:
            faults.append(Fault(path, f"{name} is given twice"))
        seen.add(zone.suffix)
        if zone.suffix == ROOT:
            faults.append(Fault(path, "the root is every name: set its servers in [upstream]"))
        faults += [
            Fault(path, f"{name} is always answered by the resolver itself: no server may be asked")
            for local in LOCAL_ONLY
            if is_at_or_below(zone.suffix, parse_name(local))
        ]
    return faults


def _rate(per_second: int, burst: int | None = None) -> Rate:
    return Rate(per_second, 2 * per_second if burst is None else burst)


def _limits(table: LimitsTable) -> Limits:
    return Limits(
        clients=_rate(table.queries_per_second, table.burst),
        overrides=tuple(
            (override.prefix, _rate(override.queries_per_second, override.burst))
            for override in table.override
            if override is not None
        ),
        unregistered=_rate(table.unregistered_per_second),
        slip=table.slip,
        waiting=table.waiting,
        waiting_per_client=table.waiting_per_client,
        connections=table.connections,
        connections_per_client=table.connections_per_client,
        connection_queries=table.connection_queries,
        connection_idle_s=table.connection_idle,
    )


def _config(file: ConfigFile, servers: tuple[Endpoint, ...], directory: Path) -> Config:
    listen, default_listen = _present(file.listen), "listen" not in file.model_fields_set
    left_out = tuple(each for each in listen if default_listen and not has_family(each.address))
    if left_out == listen:
        left_out = ()  # Then the error at the start names them.
    return Config(
        listen=tuple(each for each in listen if each not in left_out),
        metrics_listen=file.metrics_listen,
        state_dir=directory / file.state_dir,
        workers=file.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS),
        user=file.user,
        upstream=upstream_of(file, servers, directory),
        cache=Cache(file.cache.max_bytes, file.cache.serve_stale, file.cache.prefetch),
        clients=clients_of(file.clients),
        limits=_limits(file.limits),
        zones=tuple(
            Zone(zone.suffix, _present(zone.servers), zone.strategy, zone.vary_case, zone.cookies)
            for zone in file.zone
            if zone is not None
        ),
        records=tuple(local_record(record) for record in file.record if record is not None),
        control_plane=_control_plane(file.control_plane, directory),
        start_without_snapshot=file.start_without_snapshot,
        trust_clock=file.trust_clock,
        recent_names=file.recent_names,
        default_listen=default_listen,
        left_out=left_out,
        encrypted=_encrypted(file.encrypted, directory),
        rebinding=Rebinding(file.rebinding.protect, tuple(name for name in file.rebinding.exempt if name is not None)),
        egress=egress_of(file.egress),
    )


def _control_plane(table: ControlPlaneTable, directory: Path) -> ControlPlane:
    token, ca = (None if path is None else directory / path for path in (table.token, table.ca))
    return ControlPlane(table.url, token, table.site, ca, table.key)


def _encrypted(table: EncryptedTable, directory: Path) -> Encrypted:
    """Return the listeners of a table without faults. Paths are relative to `directory`."""
    certificate, key, client_ca = (
        None if path is None else directory / path for path in (table.certificate, table.key, table.client_ca)
    )
    dot, doh = (
        tuple(endpoint for endpoint in endpoints if endpoint is not None)
        for endpoints in (table.dot_listen, table.doh_listen)
    )
    return Encrypted(table.name, certificate, key, dot, doh, client_ca)
