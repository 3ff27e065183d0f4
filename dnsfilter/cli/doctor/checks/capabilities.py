"""The users and capabilities of the node's processes (capabilities(7))."""

from collections.abc import Iterator

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.cli.processes import Process, holders, open_sockets, sockets_at
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE

FIRST_FREE_PORT = "proc/sys/net/ipv4/ip_unprivileged_port_start"
UNIT = (
    "take User= and AmbientCapabilities= from deploy/systemd/dnsfilter.service, then type systemctl restart dnsfilter"
)
_BIND = 1 << CAP_NET_BIND_SERVICE


def capabilities(subject: Subject) -> Outcome:
    """Find processes of nodes with more privileges than they need, or a supervisor that could not bind its port."""
    known = open_sockets(subject.root)
    sockets = [each for endpoint in subject.config.listen for each in sockets_at(known, endpoint, Transport.UDP)]
    found = [process for process in holders(subject.root, sockets) if process.is_node]
    if not found:
        return Outcome(unseen="the processes of the node: it must run, and this command as root")
    having: dict[str, list[Process]] = {}
    for process in found:
        for problem in _problems(subject, process):
            having.setdefault(problem, []).append(process)
    findings = []
    for problem, processes in having.items():  # a node may have many workers
        more = f" (the first of {len(processes)} processes)" if len(processes) > 1 else ""
        findings.append(Finding(f"{processes[0]} {problem}{more}", UNIT))
    return Outcome(tuple(findings), "workers have no capability, the supervisor at most CAP_NET_BIND_SERVICE")


def _problems(subject: Subject, process: Process) -> Iterator[str]:
    allowed = 0 if process.is_worker else _BIND
    if process.uid == 0:
        yield "runs as root"
    if process.capabilities & ~allowed:
        yield f"has capabilities that it does not need: {process.capabilities:#x}"
    first_free = subject.number(FIRST_FREE_PORT)
    needs = any(endpoint.port < (1024 if first_free is None else first_free) for endpoint in subject.config.listen)
    if not process.is_worker and needs and not process.capabilities & _BIND:
        yield "lacks CAP_NET_BIND_SERVICE: after a reload it cannot bind another address"
