"""The checks of `dnsfilter doctor`, in the order in which it prints them."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from dnsfilter.cli.doctor.checks.addresses import addresses
from dnsfilter.cli.doctor.checks.answers import answers
from dnsfilter.cli.doctor.checks.buffers import buffers
from dnsfilter.cli.doctor.checks.capabilities import capabilities
from dnsfilter.cli.doctor.checks.certificates import certificates
from dnsfilter.cli.doctor.checks.clients import clients
from dnsfilter.cli.doctor.checks.clock import clock
from dnsfilter.cli.doctor.checks.configuration import configuration
from dnsfilter.cli.doctor.checks.conntrack import conntrack
from dnsfilter.cli.doctor.checks.control_plane import control_plane
from dnsfilter.cli.doctor.checks.disk import disk
from dnsfilter.cli.doctor.checks.other_resolvers import other_resolvers
from dnsfilter.cli.doctor.checks.own_names import own_names
from dnsfilter.cli.doctor.checks.policy import policy
from dnsfilter.cli.doctor.checks.ports import ports
from dnsfilter.cli.doctor.checks.upgrade import upgrade
from dnsfilter.cli.doctor.checks.upstreams import upstreams
from dnsfilter.cli.doctor.findings import Outcome, Subject

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
        "disk": disk,
        "own names": own_names,
        "other resolvers": other_resolvers,
        "clients": clients,
    }
)
