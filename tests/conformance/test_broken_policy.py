"""A node with a broken policy at its start uses the last good one. Without one, it refuses every query."""

from pathlib import Path

import pytest

from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.contract.cases import NETWORKS, office
from tests.support.engines import GHENT, MECHELEN
from tests.support.nodes import Node, program, status_of
from tests.support.policies import NOW, ban, policy, service

BANNED = "www.tiktok.com"


class Bare(Node):
    """A node that takes its policy only from the store in its state directory."""

    def command(self) -> list[str]:
        return [program("dnsfilter"), "serve", "--config", str(self.config)]

    def is_ready(self) -> bool:
        """Return whether the node serves. With an older snapshot than the current one it is not ready."""
        return status_of(self.ready_url()) in (200, 503) and "snapshot in force" in self.log.read_text()


def stored(node: Node, *policies: Policy) -> Path:
    """Publish `policies` in the store of `node`, the last one as current, and return the store's directory."""
    store = SnapshotStore(node.state / "snapshots")
    for each in policies:
        store.publish(compile_policy(each, NOW))
    return node.state / "snapshots"


def later(revision: int) -> Policy:
    """Return a policy with this revision, and with other names, ranges and rules than the shared policy."""
    more = service("capcut", ("capcut.com",))
    return policy(*NETWORKS[:3], more, service("tiktok", ("tiktok.com",)), ban(9, "ghent", "tiktok"), revision=revision)


@pytest.fixture
def first_files(tmp_path: Path) -> tuple[Bare, set[Path]]:
    """Return a node whose store holds revisions 1 and 2, and the files that revision 2 added."""
    node = Bare(tmp_path, "127.0.0.1:9")
    directory = stored(node, office())
    before = set(directory.iterdir())
    stored(node, office(), later(2))
    return node, {path for path in directory.iterdir() if path not in before}


def test_a_broken_snapshot_at_the_start_gives_way_to_the_last_good_one(first_files: tuple[Bare, set[Path]]) -> None:
    node, brought = first_files
    (path,) = (path for path in brought if ".rules" in path.name)
    for broken in (path, path.parent / "copy" / path.name):
        broken.write_bytes(b"")
    with node:
        found = node.metrics()
        assert (found["dnsfilter_snapshot_revision"], found["dnsfilter_bans_lifted"]) == (1, 1)
        assert node.dig(BANNED, bind=GHENT).rcode == "REFUSED"
        assert node.dig(BANNED, bind=GHENT).ede[0].code == 15
    assert "passed over" in node.log.read_text()


def test_with_no_good_snapshot_nobody_is_answered(tmp_path: Path) -> None:
    node = Bare(tmp_path, "127.0.0.1:9", top="start_without_snapshot = true")
    for path in stored(node, office()).rglob("*.rules"):
        path.write_bytes(b"")
    with node:
        for client in (GHENT, MECHELEN):
            found = node.dig(BANNED, bind=client)
            assert (found.rcode, [error.code for error in found.ede]) == ("REFUSED", [18])
