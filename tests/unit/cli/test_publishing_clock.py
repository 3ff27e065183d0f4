"""A start by a policy file with a wrong wall clock, or after one."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.config.load import parse_config
from dnsfilter.config.resolved import STATE_FILE
from dnsfilter.engine.clock import Anchor
from dnsfilter.policy.decide import Verdict
from dnsfilter.snapshot.contents import RELEASED_S
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.wire.names import parse_name
from tests.support.nodes import EXAMPLE
from tests.support.opened_snapshot import opened
from tests.support.policies import DAY

pytestmark = pytest.mark.heavy

RIGHT = RELEASED_S + 30 * DAY
"""The correct time at the first start."""
AHEAD = RIGHT + 40 * 365 * DAY
COMMENT = "# a comment\n"
LATER = "loaded at a time in the future"


@dataclass
class Made:
    """The snapshot that a start has published."""

    revision: int
    made_s: int
    doubted: bool
    refuses: bool


class Node:
    """A policy file and the state of the node that decides by it."""

    def __init__(self, directory: Path) -> None:
        self.policy = directory / "policy.toml"
        self.policy.write_text(EXAMPLE.read_text())
        self.state = directory / "state"
        self.config = parse_config(
            f'state_dir = "{self.state}"\n[upstream]\nservers = ["192.0.2.53"]\n', directory / "node.toml"
        )
        self.store = SnapshotStore(self.state / "policy-snapshots")

    def edit(self) -> None:
        self.policy.write_text(self.policy.read_text() + COMMENT)

    def start(self, clock_s: int) -> Made:
        """Start with that wall clock, and return the decision for the first query."""
        publish_policy_file(self.policy, self.config, self.store, clock_s)
        snapshot = opened(self.store)
        anchor = Anchor(snapshot.made_s, 0)
        decision = snapshot.decide(ip_address("127.0.5.10"), parse_name("www.tiktok.com"), anchor.instant(clock_s, 0))
        return Made(snapshot.revision, snapshot.made_s, anchor.doubts(clock_s, 0), decision.verdict is Verdict.REFUSE)


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_first_start_in_1970_resolves_dates_as_of_the_release_and_refuses(node: Node) -> None:
    assert node.start(1_000) == Made(1, RELEASED_S, doubted=True, refuses=True)
    kept = (node.state / STATE_FILE).read_text()
    assert "= 2026-11-01T00:00:00Z" in kept
    assert "1970" not in kept


@pytest.mark.parametrize("edited", [False, True])
def test_start_in_1970_is_dated_by_the_newest_making_time_also_if_the_file_changed(node: Node, edited: bool) -> None:
    assert node.start(RIGHT) == Made(1, RIGHT, doubted=False, refuses=True)
    if edited:
        node.policy.write_text(node.policy.read_text().replace('for = "6 months"', 'for = "7 months"') + COMMENT)
    assert node.start(1_000) == Made(1 + edited, RIGHT, doubted=True, refuses=True)
    assert "1970" not in (node.state / STATE_FILE).read_text()
    assert node.start(RIGHT + DAY) == Made(1 + edited, RIGHT + DAY, doubted=False, refuses=True)


@pytest.mark.parametrize("edited", [False, True])
def test_correct_clock_and_a_restart_repair_dates_of_a_clock_that_was_ahead(node: Node, edited: bool) -> None:
    assert node.start(RIGHT).refuses
    # Six months have gone by that clock.
    assert node.start(AHEAD) == Made(1, AHEAD, doubted=False, refuses=False)
    if edited:
        node.edit()
    assert node.start(RIGHT + DAY) == Made(1 + edited, RIGHT + DAY, doubted=False, refuses=True)
    assert node.start(1_000) == Made(1 + edited, RIGHT + DAY, doubted=True, refuses=True)


def test_dates_kept_while_the_clock_was_ahead_are_logged(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.start(AHEAD)
    assert LATER not in caplog.text
    assert node.start(RIGHT) == Made(1, RIGHT, doubted=False, refuses=False)
    assert LATER in caplog.text
    caplog.clear()
    (node.state / STATE_FILE).unlink()
    assert node.start(RIGHT) == Made(1, RIGHT, doubted=False, refuses=True)
    assert LATER not in caplog.text
