"""The control plane: reachable, trusted, and accepting the node's token."""

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject

RECEIVED = (200, 304)
HERE = "on the control plane's machine type systemctl status dnsfilter-api, and check firewall and url"


def control_plane(subject: Subject) -> Outcome:
    """Find what keeps the node from pulling policy."""
    found = subject.contact
    if found is None:
        return Outcome(seen="none is configured")
    if found.untrusted:
        ca = "set [control_plane] ca to the file with the authority that signed it"
        return Outcome((Finding(f"{found.url}: {found.trouble}", f"{ca}, or give the API a valid certificate"),))
    if found.trouble:
        return Outcome((Finding(f"{found.url}: {found.trouble}", HERE),))
    if not found.enrolled:
        enrol = f"type dnsfilter enrol {subject.options}".rstrip()
        return Outcome((Finding("this node has not enrolled at its control plane", enrol),))
    if found.status in (401, 403):
        advice = f"type dnsfilterctl node list; then enrol again: dnsfilter enrol {subject.options}".rstrip()
        return Outcome((Finding(f"{found.url} does not accept this node's token: {found.detail}", advice),))
    if found.status not in RECEIVED:
        return Outcome((Finding(f"{found.url} answers with {found.detail}", f"{HERE}; type dnsfilterctl status"),))
    return Outcome(seen=f"{found.url} answers and accepts this node's token")
