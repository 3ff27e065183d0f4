"""The checks of `dnsfilter doctor`, in the order in which it prints them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from dnsfilter.cli.doctor.certificate import encrypted
from dnsfilter.cli.doctor.findings import Outcome, Subject
from dnsfilter.cli.doctor.in_force import certificates, clock, configuration, control_plane, policy, upgrade
from dnsfilter.cli.doctor.listening import addresses, answers, buffers, capabilities, conntrack, ports
from dnsfilter.cli.doctor.node_files import disk
from dnsfilter.cli.doctor.resolving import clients, other_resolvers, own_names, upstreams

Check: TypeAlias = Callable[[Subject], Outcome]

CHECKS: Final[Mapping[str, Check]] = MappingProxyType(
    {
        "configuration": configuration,
        "upgrade": upgrade,
        "addresses": addresses,
        "ports": ports,
        "answers": answers,
        "capabilities": capabilities,
        "receive buffers": buffers,
        "connection tracking": conntrack,
        "clock": clock,
        "upstreams": upstreams,
        "policy": policy,
        "control plane": control_plane,
        "certificate": certificates,
        "encrypted": encrypted,
        "disk": disk,
        "own names": own_names,
        "other resolvers": other_resolvers,
        "clients": clients,
    }
)
