"""Whether the running node answers at each of its addresses, over UDP and TCP."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.cli.running.asking import ask
from dnsfilter.cli.running.status_page import reached_at
from dnsfilter.config.own_addresses import has_address
from dnsfilter.engine.slow_path.local import HEALTH_NAME
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.iana import Type


def answers(subject: Subject) -> Outcome:
    """Find addresses of this machine at which no worker answers. A refusal is an answer too."""
    if isinstance(subject.page, str):
        return Outcome(unseen="whether it answers: the node does not run")
    findings = []
    for endpoint in filter(lambda each: has_address(each.address), subject.config.listen):
        for transport in Transport:
            try:
                ask(reached_at(endpoint), HEALTH_NAME, Type.TXT, transport, clients=subject.config.clients)
            except UnavailableError as error:
                advice = "type journalctl -u dnsfilter -n 50, then systemctl restart dnsfilter"
                findings.append(Finding(f"the node is silent: {error}", advice))
    return Outcome(tuple(findings), "the node answers at all its addresses")
