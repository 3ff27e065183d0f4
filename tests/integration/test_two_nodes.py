"""Two nodes that share an address by VRRP, with Debian's keepalived and the configuration in deploy/keepalived."""

import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.support.nodes import eventually
from tests.support.two_nodes import PER_SECOND, Asking, TwoNodes, two_nodes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoNodes]:
    with two_nodes(tmp_path_factory.mktemp("two-nodes")) as running:
        yield running


def test_clients_of_a_killed_node_are_answered_by_the_other_within_a_second(pair: TwoNodes) -> None:
    first, _second = pair.nodes
    pair.until_at(first=True)
    with Asking(pair.client) as asking:
        asking.until_answered(50)
        first.stop(signal.SIGKILL)
        pair.until_at(first=False)
        asking.until_answered(50)
    assert asking.lost < PER_SECOND, pair.log()
    with Asking(pair.client) as asking:
        asking.until_answered(50)
        first.start()
        pair.until_at(first=True)
        asking.until_answered(50)
    assert asking.lost == 0, pair.log()


def test_clients_of_a_dead_machine_are_answered_by_the_other_within_a_second(pair: TwoNodes) -> None:
    pair.until_at(first=True)
    with Asking(pair.client) as asking:
        asking.until_answered(50)
        pair.client.ip("link", "set", "eth1", "down")
        pair.until_at(first=False)
        asking.until_answered(50)
    pair.client.ip("link", "set", "eth1", "up")
    assert asking.lost < PER_SECOND, pair.log()


def test_drained_node_hands_its_clients_over_and_loses_no_query(pair: TwoNodes) -> None:
    pair.until_at(first=True)
    with Asking(pair.client) as asking:
        asking.until_answered(50)
        drain(pair)
        asking.until_answered(50)
    assert asking.lost == 0, pair.log()


def test_upgrade_does_not_move_the_address(pair: TwoNodes) -> None:
    first, _second = pair.nodes
    pair.until_at(first=True)
    before, moves = first.worker_pids(), pair.moves()
    assert first.process is not None
    first.process.send_signal(signal.SIGUSR2)
    assert first.gets_other_workers(before), first.log.read_text()
    assert (pair.at(), pair.moves()) == ([True, False], moves), pair.log()


def test_lost_upstreams_move_the_address_and_never_withdraw_both(pair: TwoNodes) -> None:
    pair.until_at(first=True)
    with Asking(pair.client) as asking:
        pair.forward_until(lambda: pair.at() == [False, True], "192.0.2.51")
        # The other has lost them too: the address goes back, and stays.
        pair.forward_until(lambda: pair.at() == [True, False], "192.0.2.52")
        asking.until_answered(50)
        drain(pair)
        asking.until_answered(50)
    assert asking.lost == 0, pair.log()


def drain(pair: TwoNodes) -> None:
    """Drain the first node, wait until the second has the address and the first has ended, and start it again."""
    first, _second = pair.nodes
    with subprocess.Popen(first.drain_command(15), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as draining:
        pair.until_at(first=False)
        assert first.process is not None
        assert first.process.poll() is None, "the node ended before the other had the address"
        assert draining.wait(60) == 0
    assert eventually(lambda: first.process is not None and first.process.poll() == 0)
    first.start()
