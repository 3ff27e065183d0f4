"""The control plane: reachable, trusted, and accepting the node's token."""

from dnsfilter.cli.doctor.findings import AS_ROOT, Finding, Outcome, Subject

RECEIVED = (200, 304)
HERE = "on the control plane's machine type systemctl status dnsfilter-api, and check firewall and url"


def enrol_advice(subject: Subject) -> str:
    """Return how to enrol this node, for the first time or again. Only the control plane makes the token for it."""
    file = "enrolment-token"
    return (
        f"on the control plane's machine type dnsfilterctl node token NAME --out {file}, with a NAME of dnsfilterctl "
        f"node list; copy the file here; then type dnsfilter enrol {subject.options} --token-file {file}"
    )


def control_plane(subject: Subject) -> Outcome:
    """Find what keeps the node from pulling policy."""
    found = subject.contact
    if found is None:
        return Outcome(seen="none is configured")
    if found.unread:
        return Outcome(unseen=f"its answer to this node: {found.unread}: {AS_ROOT}; the check of files says more")
    if found.untrusted and found.ends_s is not None and found.ends_s <= subject.now_s:
        return Outcome(unseen=f"its answer to this node: {found.trouble}; see the check of its certificate")
    if found.untrusted:
        ca = "set [control_plane] ca to the file with the authority that signed it"
        return Outcome((Finding(f"{found.url}: {found.trouble}", f"{ca}, or give the API a valid certificate"),))
    if found.trouble:
        return Outcome((Finding(f"{found.url}: {found.trouble}", HERE),))
    if not found.enrolled:
        return Outcome((Finding("this node has not enrolled at its control plane", enrol_advice(subject)),))
    if found.status in (401, 403):
        text = f"{found.url} does not accept this node's token: {found.detail}"
        return Outcome((Finding(text, enrol_advice(subject)),))
    if found.status not in RECEIVED:
        return Outcome((Finding(f"{found.url} answers with {found.detail}", f"{HERE}; type dnsfilterctl status"),))
    return Outcome(seen=f"{found.url} answers and accepts this node's token")
