"""One client that sends more than half of a range's queries: a loop, or many clients behind one address."""

from collections import Counter
from ipaddress import ip_address

from dnsfilter.cli.doctor.client_counts import count_clients
from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Prefix
from dnsfilter.snapshot.reader import Snapshot

LEAST_QUERIES = 100
"""With fewer queries in a range, one client often sends half of them."""


def clients(subject: Subject) -> Outcome:
    """Count the queries of each client for the wanted time, and find one that sends more than half of its range's."""
    if not subject.count_s:
        return Outcome(unseen="which client sends most: add --count-clients 60, as root, to count for a minute")
    try:
        files, _ = subject.store.read_best()
        site = subject.config.control_plane.site
        snapshot = Snapshot.open(files.manifest, files.names, files.ranges, files.rules, site)
    except SnapshotError as error:
        return Outcome(unseen=f"which client sends most: {error}")
    try:
        counts = count_clients({endpoint.port for endpoint in subject.config.listen}, subject.count_s)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Outcome(unseen=f"which client sends most: {reason}: run this as root, on the machine itself")
    findings = heavy_clients(counts, snapshot)
    return Outcome(findings, f"no client sends more than half of the queries of its range ({counts.total()} counted)")


def heavy_clients(counts: Counter[bytes], snapshot: Snapshot) -> tuple[Finding, ...]:
    """Return a finding for each client with more than half of the queries of a range of several addresses."""
    of_range: Counter[tuple[Prefix, str]] = Counter()
    places = {client: place for client in counts if (place := _place(client, snapshot)) is not None}
    for client, place in places.items():
        of_range[place] += counts[client]
    return tuple(
        _finding(client, counts[client], place, of_range[place])
        for client, place in places.items()
        if place[0].num_addresses > 1 and of_range[place] >= LEAST_QUERIES and 2 * counts[client] > of_range[place]
    )


def _place(client: bytes, snapshot: Snapshot) -> tuple[Prefix, str] | None:
    """Return the range of a client and its authority. None for an unregistered one."""
    described, found = snapshot.describe(client), snapshot.find(client)
    return None if described is None or found is None else (described[0], snapshot.authority(found))


def _finding(client: bytes, sent: int, place: tuple[Prefix, str], total: int) -> Finding:
    prefix, authority = place
    address = ip_address(client)
    text = f"{address} sends {100 * sent // total} % of the queries of {prefix} ({authority}): {sent} of {total}"
    advice = (
        f"find out which program there repeats its queries: tcpdump -n -c 50 host {address} and port 53. "
        "If it is a forwarder, register its clients' networks; to limit it, write a [[limits.override]] for it"
    )
    return Finding(text, advice)
