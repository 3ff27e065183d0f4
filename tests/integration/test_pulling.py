"""A node and the simulated control plane that it pulls from: starts, restarts, upgrades and stops."""

import signal
from collections.abc import Iterator
from pathlib import Path
from time import time

import pytest

from dnsfilter.policy.model import Mode
from dnsfilter.snapshot.compiler import Compiled, compile_policy
from tests.support.fake_control_plane import ONE_TIME, TOKEN, Played
from tests.support.knot import Knot
from tests.support.nodes import Node, eventually
from tests.support.policies import ban, network, policy, service

CLIENT = "127.0.5.10"
NAME = "www.tiktok.com"


def snapshot(revision: int, mode: Mode = Mode.ENFORCE) -> Compiled:
    """Return a snapshot of one ban, made now."""
    held = (network("127.0.5.0/24", "ghent"), service("tiktok", ["tiktok.com"]), ban(1, "ghent", "tiktok", mode))
    return compile_policy(policy(*held, revision=revision), int(time()))


@pytest.fixture
def plane() -> Iterator[Played]:
    with Played() as made:
        made.publish(snapshot(1))
        yield made


@pytest.fixture
def pulling(plane: Played, tmp_path: Path, authority: Knot) -> Node:
    """Return a stopped node with a one-time token."""
    (tmp_path / "token").write_text(ONE_TIME)
    config = f'[control_plane]\nurl = "{plane.url}"\ntoken = "token"\n'
    return Node(tmp_path, authority.hostport, policy=None, config=config)


def answers(node: Node, rcode: str) -> bool:
    return eventually(lambda: node.dig(NAME, bind=CLIENT).rcode == rcode)


def waits(plane: Played) -> bool:
    """Return whether the node soon waits for the next snapshot."""
    return eventually(lambda: plane.asked("/v1/nodes/self/snapshot")[-1].query == {"wait": ["25"]})


def test_a_first_start_enrols_pulls_and_serves_and_the_next_needs_nobody(plane: Played, pulling: Node) -> None:
    with pulling:
        assert answers(pulling, "REFUSED")
        plane.publish(snapshot(2, Mode.OFF))
        assert answers(pulling, "NOERROR")
        assert eventually(lambda: bool(plane.reports) and plane.reports[-1]["revision"] == 2)
        assert plane.reports[-1]["workers"] == 1
        assert plane.reports[-1]["load"]["memory_bytes"] > 0
    plane.script.status = 500
    with pulling:
        assert answers(pulling, "NOERROR")
        assert eventually(lambda: pulling.logged("no snapshot from the control plane", "status 500"))
    assert len(plane.asked("/v1/nodes/enrol")) == 1
    assert ONE_TIME not in pulling.log.read_text()
    assert TOKEN not in pulling.log.read_text()


def test_a_node_that_waits_for_the_next_snapshot_stops_on_sigterm(plane: Played, pulling: Node) -> None:
    pulling.start()
    assert waits(plane)
    assert pulling.stop(signal.SIGTERM) == 0
    assert "Traceback" not in pulling.log.read_text()


@pytest.mark.slow
def test_a_change_comes_after_an_upgrade_and_after_a_reload_too(plane: Played, pulling: Node) -> None:
    with pulling:
        assert waits(plane)
        assert pulling.process is not None
        pulling.process.send_signal(signal.SIGUSR2)
        assert eventually(lambda: pulling.log.read_text().count('event="node starts"') == 2)
        assert eventually(pulling.is_ready)
        plane.publish(snapshot(2, Mode.OFF))
        assert answers(pulling, "NOERROR")
        elsewhere = pulling.config.read_text().replace(plane.url, "http://127.0.0.1:9")
        pulling.config.write_text(elsewhere)
        pulling.process.send_signal(signal.SIGHUP)
        assert eventually(lambda: pulling.logged("takes effect only with a restart", "control_plane.url"))
        plane.publish(snapshot(3))
        assert answers(pulling, "REFUSED")
    assert len(plane.asked("/v1/nodes/enrol")) == 1


def test_without_anything_to_decide_by_it_does_not_start_and_says_why(plane: Played, pulling: Node) -> None:
    plane.script.alter_file = lambda data: data[:-1]
    with pytest.raises(AssertionError, match=r"refused: the [0-9]+ bytes received as file"):
        pulling.start()
    plane.script.alter_file = bytes
    with pulling:
        assert answers(pulling, "REFUSED")
