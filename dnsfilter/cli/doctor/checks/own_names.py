"""Names that this machine needs itself, and that only this node resolves: a circle after a restart."""

import re
import shlex
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.cli.doctor.resolvers import is_this_node, own_resolvers
from dnsfilter.cli.running.asking import ask
from dnsfilter.cli.running.status_page import reached_at
from dnsfilter.errors import UnavailableError
from dnsfilter.wire.iana import Rcode, Type, rcode_text
from dnsfilter.wire.message import record_data
from dnsfilter.wire.names import parse_name

TIME = "time server"
BY_ADDRESS = "configure a time server of the office by its address. Do not pin a public name: its addresses change"
API_SETTINGS = "etc/dnsfilter/api.env"
_SETTING = re.compile(r"^DNSFILTER_API_[A-Z_]*(?:MAIL|SYSLOG|DATABASE)=[\"']?([a-z0-9+]+://\S+?)[\"']?$", re.MULTILINE)
_TIMESYNCD = re.compile(r"^(?:Fallback)?NTP=(.+)$", re.MULTILINE)
_NTP = re.compile(r"^\s*(?:server|pool|peer)\s+(\S+)", re.MULTILINE)
_TIME = {
    "etc/systemd/timesyncd.conf": _TIMESYNCD,
    "etc/chrony/chrony.conf": _NTP,
    "etc/chrony.conf": _NTP,
    "etc/ntpsec/ntp.conf": _NTP,
    "etc/ntp.conf": _NTP,
}


def own_names(subject: Subject) -> Outcome:
    """Find names of the servers that this machine needs, and that depend on this node."""
    names = dict(_names(subject))
    servers = own_resolvers(subject)
    ours = [address for address in servers.addresses if is_this_node(subject.config, address)]
    if not names or not ours:
        return Outcome(seen="this machine asks another resolver" if names else "this machine needs no names")
    hosts = {word for line in (subject.text("etc/hosts") or "").splitlines() for word in line.partition("#")[0].split()}
    findings = []
    for name, purpose in names.items():
        if name in hosts:
            continue
        found = _resolved(subject, name)
        if isinstance(found, Finding):
            findings.append(found)
        elif len(ours) == len(servers.addresses):
            text = f"{name}, the {purpose}, is resolved by this node alone: without the node it cannot be reached"
            known = f"type echo {shlex.quote(f'{found} {name}')} >> /etc/hosts"
            findings.append(Finding(text, BY_ADDRESS if purpose == TIME else known))
    return Outcome(tuple(findings), f"{', '.join(names)}: known without this node")


def _names(subject: Subject) -> Iterator[tuple[str, str]]:
    """Yield names of hosts, not addresses, with what they are for."""
    url = subject.config.control_plane.url
    found = [] if url is None else [(urlsplit(url).hostname or "", "control plane")]
    settings = _SETTING.findall(subject.text(API_SETTINGS) or "")
    found += [(urlsplit(setting).hostname or "", "mail, log or database server") for setting in settings]
    for path, pattern in _TIME.items():
        for line in pattern.findall(subject.text(path) or ""):
            found += [(word, TIME) for word in line.split()]
    yield from ((name.lower(), purpose) for name, purpose in found if _is_name(name))


def _is_name(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return host not in ("", "localhost") and not host.startswith("/")
    return False


def _resolved(subject: Subject, name: str) -> str | Finding:
    """Return an address of that name as the running node resolves it, or what is wrong."""
    server = reached_at(subject.config.listen[0])
    advice = f"type dnsfilter query {name} {subject.options}".rstrip()
    try:
        for qtype in (Type.A, Type.AAAA):
            answer = ask(server, parse_name(name), qtype, clients=subject.config.clients)
            if answer.rcode != Rcode.NOERROR:
                return Finding(f"this node answers {rcode_text(answer.rcode)} for {name}", advice)
            data = [text for rtype, text in record_data(answer) if rtype == qtype]
            if data:
                return data[0]
    except (UnavailableError, ValueError) as error:
        return Finding(f"this node does not resolve {name}: {error}", advice)
    return Finding(f"this node has no address for {name}", advice)
