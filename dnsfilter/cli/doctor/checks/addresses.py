"""Whether this machine has the addresses that the node listens on."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.own_addresses import has_address


def addresses(subject: Subject) -> Outcome:
    """Find listening addresses that this machine does not have."""
    wanted = {"listen": subject.config.listen, "metrics_listen": (subject.config.metrics_listen,)}
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
