"""What the node listens on: its addresses, ports, privileges, receive buffers and connection tracking."""

from collections.abc import Iterator

from dnsfilter.cli.doctor.findings import AS_ROOT, LOG, Finding, Outcome, Subject
from dnsfilter.cli.doctor.own_listeners import TITLES, ask_listener
from dnsfilter.cli.processes import Process, holders, open_sockets, sockets_at, sockets_below
from dnsfilter.cli.running.asking import ask
from dnsfilter.cli.running.status_page import reached_at
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Endpoint
from dnsfilter.config.own_addresses import has_address
from dnsfilter.engine.slow_path.local import HEALTH_NAME
from dnsfilter.errors import UnavailableError
from dnsfilter.supervisor.sockets import RECEIVE_BUFFER, buffer_advice, buffer_ms
from dnsfilter.telemetry.metrics import RECEIVE_BUFFER_BYTES, Transport
from dnsfilter.wire.iana import Type
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE

RESOLVED = "systemd-resolved.service"
START = "type systemctl start dnsfilter, then journalctl -u dnsfilter -n 20"

FIRST_FREE_PORT = "proc/sys/net/ipv4/ip_unprivileged_port_start"
UNIT = (
    "take User= and AmbientCapabilities= from deploy/systemd/dnsfilter.service, then type systemctl restart dnsfilter"
)
_BIND = 1 << CAP_NET_BIND_SERVICE

RMEM_MAX = "proc/sys/net/core/rmem_max"

TRACKED, MOST_TRACKED = "proc/sys/net/netfilter/nf_conntrack_count", "proc/sys/net/netfilter/nf_conntrack_max"
TRACKED_ENTRIES = "proc/net/nf_conntrack"
FULL = 0.5
"""The share of the table in use from which this is a finding: a burst of clients fills the rest within seconds."""
UNTRACK = (
    "nft 'add table inet untracked; "
    "add chain inet untracked in { type filter hook prerouting priority raw; }; "
    "add chain inet untracked out { type filter hook output priority raw; }; "
    "add rule inet untracked in fib daddr type local udp dport 53 notrack; "
    "add rule inet untracked out udp sport 53 notrack'"
)
"""Only for queries to this machine: a router must track those that it translates for others."""
REDIRECTS = "With dnsfilter firewall --redirect, which needs these entries, or to gain time"


def addresses(subject: Subject) -> Outcome:
    """Find listening addresses that this machine does not have."""
    config = subject.config
    wanted = {
        "listen": config.listen,
        "metrics_listen": (config.metrics_listen,),
        "dot_listen": config.encrypted.dot_listen,
        "doh_listen": config.encrypted.doh_listen,
    }
    advice = (
        "give the address to an interface (ip address add), or remove it from the configuration; "
        "then type systemctl reload-or-restart dnsfilter"
    )
    findings = [
        Finding(f"{key} names {endpoint_text(endpoint)}, but this machine does not have {endpoint.address}", advice)
        for key, endpoints in wanted.items()
        for endpoint in endpoints
        if not has_address(endpoint.address)
    ]
    return Outcome(tuple(findings), "this machine has all addresses that the node listens on")


def ports(subject: Subject) -> Outcome:
    """Find ports of the node that nobody or another program holds."""
    known = open_sockets(subject.root)
    findings: dict[Finding, None] = {}
    unseen: set[int] = set()
    for endpoint, transport in _wanted_ports(subject):
        socket_text = f"{endpoint_text(endpoint)} over {transport.upper()}"
        sockets = sockets_at(known, endpoint, transport) or sockets_below(known, endpoint, transport)
        owners = holders(subject.root, sockets)
        if not sockets:
            findings[Finding(f"nothing listens on {socket_text}", START)] = None
        elif not owners:
            unseen |= {each.uid for each in sockets}
        elif not any(owner.is_node for owner in owners):
            findings[Finding(f"{socket_text} is held by {owners[0]}, not by the node", _owner_advice(owners[0]))] = None
    hidden = f"which process of user {', '.join(map(str, sorted(unseen)))} holds a port: {AS_ROOT}"
    return Outcome(tuple(findings), "the node holds all its ports", hidden if unseen else "")


def _wanted_ports(subject: Subject) -> Iterator[tuple[Endpoint, Transport]]:
    for endpoint in subject.config.listen:
        yield endpoint, Transport.UDP
        yield endpoint, Transport.TCP
    for endpoint in (*subject.config.encrypted.endpoints, subject.config.metrics_listen):
        yield endpoint, Transport.TCP


def _owner_advice(owner: Process) -> str:
    if owner.unit == RESOLVED:
        return (
            "write DNSStubListener=no below [Resolve] in /etc/systemd/resolved.conf, "
            "then type systemctl restart systemd-resolved dnsfilter"
        )
    look, stop = f"ps {owner.pid}", f"kill {owner.pid}"
    if owner.unit:
        look, stop = f"systemctl status {owner.unit}", f"systemctl disable --now {owner.unit}"
    return (
        f"to see what it is: {look}. If nothing here needs it, type {stop} && systemctl restart dnsfilter; "
        "else set another address in listen"
    )


def answers(subject: Subject) -> Outcome:
    """Find addresses of this machine at which no worker answers, also encrypted. A refusal is an answer too."""
    if isinstance(subject.page, str):
        return Outcome(unseen="whether it answers: the node does not run")
    findings: list[Finding] = []
    doubts: dict[str, None] = {}
    for endpoint, transport in _asked_at(subject):
        try:
            doubt = _ask(subject, reached_at(endpoint), transport)
        except UnavailableError as error:
            advice = f"type {LOG}, then systemctl restart dnsfilter"
            findings.append(Finding(f"the node is silent: {error}", advice))
        else:
            doubts.update({doubt: None} if doubt else {})
    untrusted = (
        f"whether clients trust the certificate: this machine does not ({'; '.join(doubts)}). Give the complete chain, "
        "or set SSL_CERT_FILE to the authority that clients trust"
    )
    return Outcome(tuple(findings), "the node answers at all its addresses", untrusted if doubts else "")


def _asked_at(subject: Subject) -> Iterator[tuple[Endpoint, Transport]]:
    """Return the addresses that this machine has, with each transport that the node answers over."""
    config = subject.config
    listeners = {
        Transport.UDP: config.listen,
        Transport.TCP: config.listen,
        Transport.DOT: config.encrypted.dot_listen,
        Transport.DOH: config.encrypted.doh_listen,
    }
    for transport, endpoints in listeners.items():
        for endpoint in endpoints:
            if has_address(endpoint.address):
                yield endpoint, transport


def _ask(subject: Subject, server: Endpoint, transport: Transport) -> str:
    """Ask the node, and return why its certificate is not trusted here. Raise UnavailableError without an answer."""
    clients = subject.config.clients
    if transport in TITLES:
        name = subject.config.encrypted.name
        return ask_listener(server, name, HEALTH_NAME, Type.TXT, transport, clients=clients).doubt
    ask(server, HEALTH_NAME, Type.TXT, transport, clients=clients)
    return ""


def capabilities(subject: Subject) -> Outcome:
    """Find processes of nodes with more privileges than they need, or a supervisor that could not bind its port."""
    known = open_sockets(subject.root)
    sockets = [each for endpoint in subject.config.listen for each in sockets_at(known, endpoint, Transport.UDP)]
    found = [process for process in holders(subject.root, sockets) if process.is_node]
    if not found:
        return Outcome(unseen="the processes of the node: it must run, and this command as root")
    having: dict[str, list[Process]] = {}
    for process in found:
        for problem in _privilege_problems(subject, process):
            having.setdefault(problem, []).append(process)
    findings = []
    for problem, processes in having.items():  # a node may have many workers
        more = f" (the first of {len(processes)} processes)" if len(processes) > 1 else ""
        findings.append(Finding(f"{processes[0]} {problem}{more}", UNIT))
    return Outcome(tuple(findings), "workers have no capability, the supervisor at most CAP_NET_BIND_SERVICE")


def _privilege_problems(subject: Subject, process: Process) -> Iterator[str]:
    allowed = 0 if process.is_worker else _BIND
    if process.uid == 0:
        yield "runs as root"
    if process.capabilities & ~allowed:
        yield f"has capabilities that it does not need: {process.capabilities:#x}"
    first_free = subject.number(FIRST_FREE_PORT)
    needs = any(endpoint.port < (1024 if first_free is None else first_free) for endpoint in subject.config.endpoints)
    if not process.is_worker and needs and not process.capabilities & _BIND:
        yield "lacks CAP_NET_BIND_SERVICE: after a reload it cannot bind another address"


def buffers(subject: Subject) -> Outcome:
    """Find receive buffers that hold less than a burst of queries."""
    allowed = subject.number(RMEM_MAX)
    if allowed is None:
        return Outcome(unseen=f"/{RMEM_MAX} cannot be read: run this on the node itself")
    doubled = 2 * min(allowed, RECEIVE_BUFFER)  # socket(7)
    got = subject.metric(RECEIVE_BUFFER_BYTES.name)
    kept = (
        "install deploy/systemd/dnsfilter.sysctl as /usr/lib/sysctl.d/60-dnsfilter.conf, so that it stays; "
        "for a container, on its host"
    )
    advice = buffer_advice(doubled)
    if advice is not None:
        text = f"net.core.rmem_max is {allowed}: a socket holds {buffer_ms(doubled):.0f} ms of a burst"
        return Outcome((Finding(text, f"type {advice} && systemctl restart dnsfilter, and {kept}"),))
    if got is not None and buffer_advice(int(got)) is not None:
        text = f"the node's sockets got {int(got)} bytes, although the kernel allows more now"
        return Outcome((Finding(text, "type systemctl restart dnsfilter"),))
    return Outcome(seen=f"a socket may have {doubled} bytes, {buffer_ms(doubled):.0f} ms of a burst")


def conntrack(subject: Subject) -> Outcome:
    """Find a table that is more than half full. Report whether queries are in it."""
    count, most = subject.number(TRACKED), subject.number(MOST_TRACKED)
    if count is None or not most:
        return Outcome(seen="the kernel tracks no connections")
    lines = (subject.text(TRACKED_ENTRIES) or "").splitlines()
    queries = sum(" dport=53 " in line for line in lines)
    tracked = f"{queries} of the first {len(lines)} entries are queries to port 53" if lines else "entries not readable"
    text = f"{count} of {most} entries of connection tracking are in use; {tracked}"
    if count < FULL * most:
        return Outcome(seen=text)
    more = f"sysctl net.netfilter.nf_conntrack_max={4 * most}"
    return Outcome((Finding(text, f"type {UNTRACK}, so that queries take no entry. {REDIRECTS}: {more}"),))
