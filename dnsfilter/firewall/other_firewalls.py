"""The rules as lists for other firewalls: pf, Cisco IOS XE, FortiOS. Pure.

Each prints what the firewall can replace as a unit. Where that is only a list, the rules that use it stay with the
administrator of the firewall.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import ip_network

from dnsfilter.firewall import nftables
from dnsfilter.firewall.rule_set import FAMILIES, RuleSet, Surroundings, of_family
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.model import ENCRYPTED_DNS, Prefix

_Lists = dict[str, tuple[Prefix, ...]]
_CISCO_LISTS = {4: "ip access-list extended DNSFILTER", 6: "ipv6 access-list DNSFILTER6"}


def printed(syntax: str, rules: RuleSet, around: Surroundings, revision: int) -> str:
    """Return the rules in one of `SYNTAXES`, below a comment that says until when they are valid."""
    mark, body = SYNTAXES[syntax]
    again = ". No change is planned."
    if rules.until is not None:
        again = f", and at the latest at {instant_text(rules.until)}."
    head = (
        f"dnsfilter firewall --print {syntax}: revision {revision} of the policy.",
        f"Print it again after each new revision or suspension{again}",
    )
    return "".join(f"{mark} {line}\n" for line in head) + body(rules, around)


def _lists(rules: RuleSet, around: Surroundings) -> _Lists:
    """Return every list by its name."""
    found: _Lists = {"resolvers": tuple(ip_network(address) for address in around.resolvers), "banned": rules.banned}
    for service, clients in rules.closed:
        found |= {f"{service}-clients": clients, service: around.addresses[service]}
    return found


def _pf(rules: RuleSet, around: Surroundings) -> str:
    """Return tables and rules for an anchor of pf.conf(5). They only block: what else may pass stays as it is."""
    spared = [f"!{address}" for address in around.resolvers]
    lines = [_pf_table("resolvers", around.resolvers), _pf_table("banned", [*rules.banned, *spared])]
    for service, clients in rules.closed:
        lines.append(_pf_table(f"{service}-clients", [*clients, *spared]))
        lines.append(_pf_table(service, around.addresses[service]))
    lines.append(_pf_block("proto { tcp udp }", "banned", "! <dnsfilter-resolvers> port 53"))
    for service, _ in rules.closed:
        if service == ENCRYPTED_DNS:
            lines.append(_pf_block("proto { tcp udp }", f"{service}-clients", "! <dnsfilter-resolvers> port 853"))
        lines.append(_pf_block("", f"{service}-clients", f"<dnsfilter-{service}>"))
    return "\n".join(lines) + "\n"


def _pf_table(name: str, entries: Iterable[object]) -> str:
    return " ".join([f"table <dnsfilter-{name}> const {{", *map(str, entries), "}"])


def _pf_block(protocols: str, clients: str, to: str) -> str:
    return " ".join(f"block return in quick {protocols} from <dnsfilter-{clients}> to {to}".split())


def _cisco(rules: RuleSet, around: Surroundings) -> str:
    """Return access lists for IOS XE. A list can be replaced while it is in use, which an object group cannot.

    IOS adds the lines of a group to the members that it has, and empties or removes no group that a list uses. So the
    lists are removed first, then the groups.
    A list denies everything until its last entry is there, also the session in which somebody types it.
    """
    lines = ["! Load it as a file (copy flash:FILE running-config). Typed line by line, it would cut off your session."]
    lines += [f"no {access_list}" for access_list in _CISCO_LISTS.values()]
    for service, clients in rules.closed:
        for version, kind in ((4, "network"), (6, "v6-network")):
            group = f"object-group {kind} {_group(service, version)}"
            # The first line makes a group that is missing, so that the removal cannot fail.
            lines += [group, f"no {group}"]
            if of_family(clients, version) and (addresses := of_family(around.addresses[service], version)):
                lines += [group, *(f" {_cisco_member(prefix)}" for prefix in addresses)]
    for version, access_list in _CISCO_LISTS.items():
        lines += [access_list, *_cisco_entries(rules, around, version)]
    return "\n".join(lines) + "\n"


def _cisco_entries(rules: RuleSet, around: Surroundings, version: int) -> Iterator[str]:
    ip = "ip" if version == 4 else "ipv6"
    for address in around.resolvers:
        if address.version == version:
            yield f" permit {ip} host {address} any"
            yield f" permit {ip} any host {address}"
    for network in of_family(rules.banned, version):
        yield from (f" deny {protocol} {_cisco_source(network)} any eq 53" for protocol in ("udp", "tcp"))
    for service, clients in rules.closed:
        for network in of_family(clients, version):
            if service == ENCRYPTED_DNS:
                yield from (f" deny {protocol} {_cisco_source(network)} any eq 853" for protocol in ("udp", "tcp"))
            if of_family(around.addresses[service], version):
                yield f" deny {ip} {_cisco_source(network)} object-group {_group(service, version)}"
    yield f" permit {ip} any any"


def _group(service: str, version: int) -> str:
    return f"DNSFILTER{'' if version == 4 else 6}-{service.upper().replace('_', '-')}"


def _cisco_member(prefix: Prefix) -> str:
    if prefix.prefixlen == prefix.max_prefixlen:
        return f"host {prefix.network_address}"
    return f"{prefix.network_address} {prefix.netmask}" if prefix.version == 4 else str(prefix)


def _cisco_source(prefix: Prefix) -> str:
    return f"{prefix.network_address} {prefix.hostmask}" if prefix.version == 4 else str(prefix)


def _fortinet(rules: RuleSet, around: Surroundings) -> str:
    """Return address groups for FortiOS. `none` is its own address that matches nothing, for an empty group."""
    lines: list[str] = []
    lists = _lists(rules, around)
    for version in FAMILIES:
        table, value = ("", "subnet") if version == 4 else ("6", "ip6")
        members = sorted({prefix for prefixes in lists.values() for prefix in of_family(prefixes, version)})
        lines.append(f"config firewall address{table}")
        for prefix in members:
            subnet = f"{prefix.network_address} {prefix.netmask}" if version == 4 else str(prefix)
            lines += [f'    edit "dnsfilter {prefix}"', f"        set {value} {subnet}", "    next"]
        lines += ["end", f"config firewall addrgrp{table}"]
        for name, prefixes in lists.items():
            named = [f'"dnsfilter {prefix}"' for prefix in of_family(prefixes, version)] or ['"none"']
            lines += [f'    edit "dnsfilter-{name}{table}"', f"        set member {' '.join(named)}", "    next"]
        lines.append("end")
    return "\n".join(lines) + "\n"


SYNTAXES: Mapping[str, tuple[str, Callable[[RuleSet, Surroundings], str]]] = {
    "nftables": ("#", nftables.table_text),
    "pf": ("#", _pf),
    "cisco": ("!", _cisco),
    "fortinet": ("#", _fortinet),
}
"""The mark of a comment, and what returns the text."""
