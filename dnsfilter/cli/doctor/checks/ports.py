"""Which process holds each port that the node listens on."""

from collections.abc import Iterator

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.cli.processes import Process, holders, open_sockets, sockets_at, sockets_below
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Endpoint
from dnsfilter.telemetry.metrics import Transport

RESOLVED = "systemd-resolved.service"
START = "type systemctl start dnsfilter, then journalctl -u dnsfilter -n 20"


def ports(subject: Subject) -> Outcome:
    """Find ports of the node that nobody or another program holds."""
    known = open_sockets(subject.root)
    findings: dict[Finding, None] = {}
    unseen: set[int] = set()
    for endpoint, transport in _wanted(subject):
        place = f"{endpoint_text(endpoint)} over {transport.upper()}"
        sockets = sockets_at(known, endpoint, transport) or sockets_below(known, endpoint, transport)
        owners = holders(subject.root, sockets)
        if not sockets:
            findings[Finding(f"nothing listens on {place}", START)] = None
        elif not owners:
            unseen |= {each.uid for each in sockets}
        elif not any(owner.is_node for owner in owners):
            findings[Finding(f"{place} is held by {owners[0]}, not by the node", _advice(owners[0]))] = None
    hidden = f"which process of user {', '.join(map(str, sorted(unseen)))} holds a port: run this as root"
    return Outcome(tuple(findings), "the node holds all its ports", hidden if unseen else "")


def _wanted(subject: Subject) -> Iterator[tuple[Endpoint, Transport]]:
    for endpoint in subject.config.listen:
        yield endpoint, Transport.UDP
        yield endpoint, Transport.TCP
    yield subject.config.metrics_listen, Transport.TCP


def _advice(owner: Process) -> str:
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
