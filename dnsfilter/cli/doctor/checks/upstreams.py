"""Each upstream and zone server, over UDP and TCP."""

from concurrent.futures import ThreadPoolExecutor

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.cli.upstream_questions import (
    MOST_AT_ONCE,
    RECURSION_ADVICE,
    Fault,
    UpstreamQuestion,
    answer_fault,
    upstream_questions,
)
from dnsfilter.telemetry.metrics import Transport


def upstreams(subject: Subject) -> Outcome:
    """Find servers that do not answer over one of the transports, or that do not recurse."""
    asked = [(question, transport) for question in upstream_questions(subject.config) for transport in Transport]
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        findings = [finding for finding in pool.map(_ask, asked) if finding is not None]
    return Outcome(tuple(findings), f"all servers answer over UDP and TCP: {len(asked) // 2}")


def _ask(asked: tuple[UpstreamQuestion, Transport]) -> Finding | None:
    question, transport = asked
    found = answer_fault(question, transport)
    if found is None:
        return None
    server = question.server
    advice = {
        Fault.SILENT: f"check that a DNS server runs at {server.address}, and that firewalls pass port {server.port} "
        f"over {transport.upper()}, or remove the server from the configuration",
        Fault.REFUSES: "allow this machine to ask it, or remove it from the configuration",
        Fault.NO_RECURSION: RECURSION_ADVICE,
    }[found.fault]
    flag = " +tcp" if transport is Transport.TCP else ""
    return Finding(found.text, f"{advice}; to try: dig{flag} -p {server.port} @{server.address} {question.text}")
