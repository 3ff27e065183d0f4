"""The current snapshot of a store, as nodes of the default site read it."""

from dnsfilter.policy.model import DEFAULT_SITE
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.stored.store import SnapshotStore


def opened(store: SnapshotStore) -> Snapshot:
    """Return the current snapshot, verified and opened. Raise SnapshotError if it is not valid."""
    files = store.read_current()
    return Snapshot.open(files.manifest, files.names, files.ranges, files.rules, DEFAULT_SITE)
