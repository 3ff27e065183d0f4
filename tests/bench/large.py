"""A policy of the largest size: twenty authorities ban one service of a million names on ten thousand ranges."""

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_network

from dnsfilter.policy.model import Mode, Policy, Range, Service, Tier, WireName
from dnsfilter.wire.names import parse_name
from tests.support.policies import ban, network, policy

NAMES, RANGES, AUTHORITIES = 1_000_000, 10_000, 20
SERVICE = "large"
_PARENTS = 997
_V6_EVERY = 5


def name_of(number: int) -> str:
    """Return the name with this number. It shares an unlisted parent with a thousand others."""
    return f"n{number}.d{number % _PARENTS}.example"


def make_service(names: int = NAMES) -> Service:
    """Return a service with this number of names."""
    return Service(SERVICE, "Large", (Tier(1, frozenset(map(_wire, range(names))), frozenset()),))


def _wire(number: int) -> WireName:
    return parse_name(name_of(number))


def authority_of(number: int, authorities: int = AUTHORITIES) -> str:
    """Return the authority of the range with this number."""
    return f"body-{number % authorities}"


def prefix_of(number: int) -> str:
    """Return the prefix of the range with this number. Every fifth is an IPv6 prefix, the others are in loopback."""
    if number % _V6_EVERY == 0:
        return f"{IPv6Address(0x20010DB8 << 96 | number << 64)}/64"
    return f"{IPv4Address(0x7F400000 + number * 16)}/28"


def client_of(number: int) -> str:
    """Return an address within the range with this number."""
    return str(ip_network(prefix_of(number))[7])


def make_ranges(count: int = RANGES, authorities: int = AUTHORITIES) -> tuple[Range, ...]:
    """Return ranges, spread over the authorities."""
    return tuple(network(prefix_of(number), authority_of(number, authorities)) for number in range(count))


_AUTHORITY = """\
[[authority]]
slug = "{0}"
kind = "municipality"
names = {{ nl = "{0}" }}
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@{0}.example.org"

"""
_BAN = """\
[[ban]]
authority = "{0}"
service = "{1}"
mode = "enforce"
decision = {{ organ = "council", reference = "EXAMPLE-1" }}

[[ban.term]]
start = "today"
for = "6 months"

"""
_RANGE = """\
[[range]]
prefix = "{0}"
authority = "{1}"
label = "network {2}"
funding = "public"
audience = "staff"

"""


def policy_text(ranges: int = RANGES, authorities: int = AUTHORITIES, services: Sequence[str] = (SERVICE,)) -> str:
    """Return the same policy as a policy file in which each authority bans the services."""
    slugs = [authority_of(number, authorities) for number in range(authorities)]
    authority_texts = (
        "".join([_AUTHORITY.format(slug), *(_BAN.format(slug, service) for service in services)]) for slug in slugs
    )
    owned = ((prefix_of(number), authority_of(number, authorities), number) for number in range(ranges))
    return "".join([*authority_texts, *(_RANGE.format(*each) for each in owned)])


def make_policy(service: Service, ranges: tuple[Range, ...], revision: int, modes: Mapping[str, Mode]) -> Policy:
    """Return the policy by which each authority bans the service, in its mode in `modes` or else enforced."""
    slugs = [authority_of(number) for number in range(AUTHORITIES)]
    bans = (ban(n, slug, SERVICE, modes.get(slug, Mode.ENFORCE)) for n, slug in enumerate(slugs, start=1))
    return policy(*ranges, service, *bans, revision=revision)
