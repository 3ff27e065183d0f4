"""Names: the servers that the node asks, those that its machine and clients ask, and clients that ask too much."""

import re
import shlex
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_address
from urllib.parse import urlsplit

from dnsfilter.cli.doctor.client_counts import count_clients
from dnsfilter.cli.doctor.findings import API_SETTINGS, AS_ROOT, Finding, Outcome, Subject
from dnsfilter.cli.doctor.resolvers import is_this_node, own_resolvers, resolver_lists
from dnsfilter.cli.running.asking import ask
from dnsfilter.cli.running.status_page import reached_at
from dnsfilter.cli.upstream_questions import (
    MOST_AT_ONCE,
    RECURSION_ADVICE,
    TLS_ADVICE,
    Fault,
    FaultyAnswer,
    UpstreamQuestion,
    answer_fault,
    upstream_questions,
)
from dnsfilter.config.node_config import DNS_PORT, Endpoint
from dnsfilter.engine.slow_path.local import PROBE_NAME
from dnsfilter.errors import SnapshotError, UnavailableError
from dnsfilter.policy.model import Prefix
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.iana import Rcode, Type, rcode_text
from dnsfilter.wire.message import record_data
from dnsfilter.wire.names import parse_name

TIME = "time server"
BY_ADDRESS = "configure a time server of the office by its address. Do not pin a public name: its addresses change"
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

GUIDE = "docs/reference/which-reply.md"
UNTIL_THEN = f'until then set reply = "nodata" for the ban, which keeps most clients here: {GUIDE}'
NOTE = (
    f"no list of this machine names another resolver next to this node; lists of other machines are not seen: {GUIDE}"
)

LEAST_QUERIES = 100
"""With fewer queries in a range, one client often sends half of them."""


def upstreams(subject: Subject) -> Outcome:
    """Find servers that do not answer over one of their transports, or that do not recurse."""
    questions = list(upstream_questions(subject.config))
    plain = [question for question in questions if question.server.tls is None]
    asked = [(question, transport) for question in plain for transport in (Transport.UDP, Transport.TCP)]
    asked += [(question, Transport.TCP) for question in questions if question.server.tls is not None]
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        findings = [finding for finding in pool.map(_ask_server, asked) if finding is not None]
    seen = f"all servers answer over UDP and TCP: {len(plain)}"
    return Outcome(
        tuple(findings), f"{seen}; over TLS: {len(questions) - len(plain)}" if len(plain) < len(questions) else seen
    )


def _ask_server(asked: tuple[UpstreamQuestion, Transport]) -> Finding | None:
    question, transport = asked
    found = answer_fault(question, transport)
    if found is None:
        return None
    server = question.server
    if server.tls is not None:
        return _encrypted_finding(question, found)
    advice = {
        Fault.SILENT: f"check that a DNS server runs at {server.address}, and that firewalls pass port {server.port} "
        f"over {transport.upper()}, or remove the server from the configuration",
        Fault.REFUSES: "allow this machine to ask it, or remove it from the configuration",
        Fault.NO_RECURSION: RECURSION_ADVICE,
    }[found.fault]
    flag = " +tcp" if transport is Transport.TCP else ""
    return Finding(found.text, f"{advice}; to try: dig{flag} -p {server.port} @{server.address} {question.text}")


def _encrypted_finding(question: UpstreamQuestion, found: FaultyAnswer) -> Finding:
    server, name = question.server, "" if question.server.tls is None else question.server.tls.name
    advice = {
        Fault.SILENT: f"check that firewalls pass port {server.port} of {server.address} over TCP",
        Fault.TLS: TLS_ADVICE,
        Fault.REFUSES: "allow this machine to ask it, or remove it from the configuration",
        Fault.NO_RECURSION: RECURSION_ADVICE,
    }[found.fault]
    proof = f" +tls-hostname={name}" if name else ""
    tried = f"kdig +tls-ca{proof} -p {server.port} @{server.address} {question.text}"
    return Finding(found.text, f"{advice}; to try: {tried}")


def own_names(subject: Subject) -> Outcome:
    """Find names of the servers that this machine needs, and that depend on this node."""
    names = dict(_needed_names(subject))
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


def _needed_names(subject: Subject) -> Iterator[tuple[str, str]]:
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
    advice = f"type {subject.command(f'query {name}')}"
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


def other_resolvers(subject: Subject) -> Outcome:
    """Find lists of resolvers that name this node and another one without its policy."""
    findings = dict[Finding, None]()
    for each in resolver_lists(subject):
        others = [address for address in each.addresses if not is_this_node(subject.config, address)]
        if len(others) == len(each.addresses):
            continue
        for address in others:
            if not is_a_node(Endpoint(address, DNS_PORT)):
                text = f"{each.path} names {address} next to this node: clients that are refused ask it"
                advice = f"remove {address} from DHCP, from router advertisements and from {each.path}; {UNTIL_THEN}"
                findings[Finding(text, advice)] = None
    return Outcome(tuple(findings), NOTE)


def is_a_node(endpoint: Endpoint) -> bool:
    """Return whether a node answers there: only nodes have the name of the probe, and every client may ask for it."""
    try:
        answer = ask(endpoint, PROBE_NAME, Type.TXT)
    except UnavailableError:
        return False
    return answer.rcode == Rcode.NOERROR and bool(answer.section(0))


def clients(subject: Subject) -> Outcome:
    """Count the queries of each client for the wanted time, and find one that sends more than half of its range's."""
    if not subject.count_s:
        return Outcome(unseen="which client sends most: add --count-clients 60, as root, to count for a minute")
    try:
        files, _ = subject.store.read_best()
        site = subject.config.control_plane.site
        snapshot = Snapshot.open(files.manifest, files.names, files.ranges, files.rules, site)
    except SnapshotError as error:
        return Outcome(unseen=f"which client sends most: {error}")
    try:
        counts = count_clients({endpoint.port for endpoint in subject.config.listen}, subject.count_s)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Outcome(unseen=f"which client sends most: {reason}: {AS_ROOT}, on the machine itself")
    findings = heavy_clients(counts, snapshot)
    return Outcome(findings, f"no client sends more than half of the queries of its range ({counts.total()} counted)")


def heavy_clients(counts: Counter[bytes], snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return a finding for each client with more than half of the queries of a range of several addresses."""
    of_range: Counter[tuple[Prefix, str]] = Counter()
    ranges = {client: client_range for client in counts if (client_range := _range_of(client, snapshot)) is not None}
    for client, client_range in ranges.items():
        of_range[client_range] += counts[client]
    return tuple(
        _heavy_finding(client, counts[client], client_range, of_range[client_range])
        for client, client_range in ranges.items()
        if client_range[0].num_addresses > 1
        and of_range[client_range] >= LEAST_QUERIES
        and 2 * counts[client] > of_range[client_range]
    )


def _range_of(client: bytes, snapshot: Snapshot) -> tuple[Prefix, str] | None:
    """Return the range of a client and its authority. None for an unregistered one."""
    described, found = snapshot.describe(client), snapshot.find(client)
    return None if described is None or found is None else (described[0], snapshot.authority(found))


def _heavy_finding(client: bytes, sent: int, client_range: tuple[Prefix, str], total: int) -> Finding:
    prefix, authority = client_range
    address = ip_address(client)
    text = f"{address} sends {100 * sent // total} % of the queries of {prefix} ({authority}): {sent} of {total}"
    advice = (
        f"find out which program there repeats its queries: tcpdump -n -c 50 host {address} and port 53. "
        "If it is a forwarder, register its clients' networks; to limit it, write a [[limits.override]] for it"
    )
    return Finding(text, advice)
