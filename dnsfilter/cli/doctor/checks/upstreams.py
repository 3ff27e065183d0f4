"""Each upstream and zone server, over UDP and TCP."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.cli.running.asking import ask
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.iana import Rcode, Type, rcode_text
from dnsfilter.wire.names import ROOT, name_text

MOST_AT_ONCE = 32
_ANSWERS = (Rcode.NOERROR, Rcode.NXDOMAIN)


def upstreams(subject: Subject) -> Outcome:
    """Find servers that do not answer over one of the transports."""
    asked = list(dict.fromkeys(_questions(subject)))
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        findings = [finding for finding in pool.map(_ask, asked) if finding is not None]
    return Outcome(tuple(findings), f"all servers answer over UDP and TCP: {len(asked) // 2}")


def _questions(subject: Subject) -> Iterator[tuple[Endpoint, bytes, int, Transport]]:
    """Yield what to ask: an upstream for the root's name servers, a zone's server for the zone's SOA."""
    wanted = [(server, ROOT, Type.NS) for server in subject.config.upstream.servers]
    wanted += [(server, zone.suffix, Type.SOA) for zone in subject.config.zones for server in zone.servers]
    for server, name, qtype in wanted:
        for transport in Transport:
            yield server, name, qtype, transport


def _ask(question: tuple[Endpoint, bytes, int, Transport]) -> Finding | None:
    server, name, qtype, transport = question
    flag = " +tcp" if transport is Transport.TCP else ""
    again = f"dig{flag} -p {server.port} @{server.address} {name_text(name)} {Type(qtype).name}"
    opened = (
        f"check that a DNS server runs at {server.address}, and that firewalls pass port {server.port} over "
        f"{transport.upper()}"
    )
    try:
        answer = ask(server, name, qtype, transport)
    except UnavailableError as error:
        return Finding(str(error), f"{opened}, or remove the server from the configuration; to try: {again}")
    if answer.rcode in _ANSWERS:
        return None
    text = f"{server.address} port {server.port} over {transport.upper()} answers {rcode_text(answer.rcode)}"
    return Finding(text, f"allow this machine to ask it, or remove it from the configuration; to try: {again}")
