"""A resolver with a store of snapshots that the test publishes to, as a control plane does."""

from pathlib import Path
from time import time

from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.nodes import Node


class PublishedNode(Node):
    """`dnsfilter serve` without a policy file. The first policy is published before it starts."""

    is_forked = True

    def __init__(self, directory: Path, upstream: str, policy: Policy, *, made_s: int | None = None) -> None:
        super().__init__(directory, upstream, policy=None)
        self._store = SnapshotStore(self.state / "snapshots")
        self.publish(policy, made_s)

    def publish(self, policy: Policy, made_s: int | None = None) -> None:
        """Publish a policy to the store. By default, it is made now."""
        self._store.publish(compile_policy(policy, int(time()) if made_s is None else made_s))
