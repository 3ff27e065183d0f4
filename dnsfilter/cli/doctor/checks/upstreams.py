"""Each upstream and zone server, over UDP and TCP."""

from concurrent.futures import ThreadPoolExecutor

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.cli.running.asking import ask
from dnsfilter.cli.upstream_questions import MOST_AT_ONCE, RECURSION_ADVICE, UpstreamQuestion, upstream_questions
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.upstream.recursion import is_unresolved
from dnsfilter.wire.iana import Rcode, rcode_text

_ANSWERS = (Rcode.NOERROR, Rcode.NXDOMAIN)


def upstreams(subject: Subject) -> Outcome:
    """Find servers that do not answer over one of the transports, or that do not recurse."""
    asked = [(question, transport) for question in upstream_questions(subject.config) for transport in Transport]
    with ThreadPoolExecutor(MOST_AT_ONCE) as pool:
        findings = [finding for finding in pool.map(_ask, asked) if finding is not None]
    return Outcome(tuple(findings), f"all servers answer over UDP and TCP: {len(asked) // 2}")


def _ask(asked: tuple[UpstreamQuestion, Transport]) -> Finding | None:
    question, transport = asked
    server = question.server
    flag = " +tcp" if transport is Transport.TCP else ""
    again = f"to try: dig{flag} -p {server.port} @{server.address} {question.text}"
    opened = (
        f"check that a DNS server runs at {server.address}, and that firewalls pass port {server.port} over "
        f"{transport.upper()}"
    )
    try:
        answer = ask(server, question.name, question.qtype, transport)
    except UnavailableError as error:
        return Finding(str(error), f"{opened}, or remove the server from the configuration; {again}")
    text = f"{server.address} port {server.port} over {transport.upper()} answers"
    if answer.rcode not in _ANSWERS:
        advice = "allow this machine to ask it, or remove it from the configuration"
        return Finding(f"{text} {rcode_text(answer.rcode)}", f"{advice}; {again}")
    if is_unresolved(answer):
        return Finding(f"{text} without recursion", f"{RECURSION_ADVICE}; {again}")
    return None
