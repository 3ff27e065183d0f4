"""The receive buffers: what the kernel allows, and what the node's sockets got."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.supervisor.sockets import RECEIVE_BUFFER, buffer_advice, buffer_ms
from dnsfilter.telemetry.metrics import RECEIVE_BUFFER_BYTES

ALLOWED = "proc/sys/net/core/rmem_max"


def buffers(subject: Subject) -> Outcome:
    """Find receive buffers that hold less than a burst of queries."""
    allowed = subject.number(ALLOWED)
    if allowed is None:
        return Outcome(unseen=f"/{ALLOWED} cannot be read: run this on the node itself")
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
