"""The table `inet dnsfilter` in the syntax of nft(8), and the commands that replace and remove it. Pure."""

from collections.abc import Iterable, Iterator

from dnsfilter.config.node_config import Endpoint
from dnsfilter.firewall.rule_set import FAMILIES, RuleSet, Surroundings, of_family
from dnsfilter.policy.model import ENCRYPTED_DNS

TABLE = "inet dnsfilter"
_IP = {4: "ip", 6: "ip6"}
_DNS = "meta l4proto { tcp, udp } th dport"
_ADDED = f"table {TABLE}"
"""Adds the table if it is missing, so that the removal after it cannot fail."""

REMOVAL = f"{_ADDED}\ndelete table {TABLE}\n"


def table_text(rules: RuleSet, around: Surroundings) -> str:
    """Return input of `nft -f` that replaces the table in one transaction. It touches no other table."""
    return "\n".join([REMOVAL + f"{_ADDED} {{", *_sets(rules, around), *_chains(rules, around), "}"]) + "\n"


def _sets(rules: RuleSet, around: Surroundings) -> Iterator[str]:
    for version in FAMILIES:
        resolvers = [address for address in around.resolvers if address.version == version]
        yield from interval_set(f"resolvers{version}", version, resolvers)
        yield from interval_set(f"banned{version}", version, of_family(rules.banned, version))
        for service, clients in rules.closed:
            yield from interval_set(f"{service}-clients{version}", version, of_family(clients, version))
            yield from interval_set(f"{service}{version}", version, of_family(around.addresses[service], version))


def interval_set(name: str, version: int, elements: Iterable[object]) -> Iterator[str]:
    """Yield the lines of a set of addresses and prefixes, which do not overlap."""
    texts = [str(element) for element in elements]
    yield f"\tset {name} {{"
    yield f"\t\ttype ipv{version}_addr; flags interval;"
    if texts:  # nft accepts no empty list
        yield f"\t\telements = {{ {', '.join(texts)} }}"
    yield "\t}"


def _chains(rules: RuleSet, around: Surroundings) -> Iterator[str]:
    yield "\tchain refuse {"  # clients try something else at once, which they do not if packets are dropped
    yield "\t\tmeta l4proto tcp reject with tcp reset"
    yield "\t\treject with icmpx admin-prohibited"
    yield "\t}"
    yield "\tchain forward {"
    yield "\t\ttype filter hook forward priority filter; policy accept;"
    yield from _for_resolvers("accept")
    for version in FAMILIES:
        ip = _IP[version]
        yield f"\t\t{ip} saddr @banned{version} {_DNS} 53 goto refuse"
        for service, _ in rules.closed:
            clients = f"{ip} saddr @{service}-clients{version}"
            if service == ENCRYPTED_DNS:
                yield f"\t\t{clients} {_DNS} 853 goto refuse"
            yield f"\t\t{clients} {ip} daddr @{service}{version} goto refuse"
    yield "\t}"
    if around.redirect:
        yield from _redirection(around.redirect)


def _for_resolvers(verdict: str) -> Iterator[str]:
    for version in FAMILIES:
        for end in ("saddr", "daddr"):
            yield f"\t\t{_IP[version]} {end} @resolvers{version} {verdict}"


def _redirection(endpoints: Iterable[Endpoint]) -> Iterator[str]:
    yield "\tchain prerouting {"
    yield "\t\ttype nat hook prerouting priority dstnat; policy accept;"
    yield "\t\tfib daddr type local return"
    yield from _for_resolvers("return")
    for endpoint in endpoints:
        version = endpoint.address.version
        matched = f"{_IP[version]} saddr @banned{version} {_DNS} 53"
        host = f"[{endpoint.address}]" if version == 6 else str(endpoint.address)
        if endpoint.address.is_unspecified:
            yield f"\t\t{matched} redirect to :{endpoint.port}"
        else:
            yield f"\t\t{matched} dnat {_IP[version]} to {host}:{endpoint.port}"
    yield "\t}"
