"""Several workers on one address: what clients notice while workers die, hang, are replaced or upgraded."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dns.message
import dns.rcode
import pytest

from dnsfilter import __version__
from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.config.load import load_config
from dnsfilter.snapshot.stored.store import SnapshotStore
from tests.support.dig import dig
from tests.support.engines import data, query
from tests.support.forked_programs import run
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, eventually, publish_twice, status_of
from tests.support.ports import free_port
from tests.support.scripted import Asked, Scripted, reply
from tests.support.steady_load import UNLIMITED, ConstantLoad
from tests.support.zone_texts import ZONES

pytestmark = pytest.mark.usefixtures("alone")

NAMES = ("www.tiktok.com", "plain.example.org", "www.example.org")
BATCH = 64
"""The number of queries that a worker reads at once, so the most that it holds when answers come at once."""
both_sizes = pytest.mark.parametrize("workers", [1, 2])


def loaded(node: Node) -> ConstantLoad:
    return ConstantLoad(node.port, NAMES)


def counts(node: Node) -> list[float]:
    """Return how many queries came by datagram and were refused, and how many counts of bans say so."""
    refused = ("dnsfilter_refused_total", "dnsfilter_ban_queries_total")
    found = node.metrics()
    return [
        sum(n for name, n in found.items() if name.startswith("dnsfilter_queries_total{") and '"udp"' in name),
        found['dnsfilter_queries_total{outcome="refused",transport="udp"}'],
        *(sum(n for name, n in found.items() if name.startswith(each) and "_total{" in name) for each in refused),
    ]


def started(directory: Path, authority: Knot, workers: int, **settings: str) -> Node:
    config = UNLIMITED + settings.pop("config", "")
    return Node(directory, authority.hostport, workers=workers, config=config, **settings)


def serving(node: Node, number: int) -> bool:
    """Return whether this number of workers is serving."""
    return node.metrics()["dnsfilter_workers"] == number


def settled(node: Node, workers: int) -> list[int]:
    """Wait until all processes of a node are ready. Return them."""
    assert eventually(lambda: times(node, "snapshot in force") >= len(node.worker_pids()) >= 2)
    assert eventually(lambda: serving(node, workers))
    return node.worker_pids()


def times(node: Node, event: str) -> int:
    """Return how often the log contains the event."""
    return node.log.read_text().count(event)


def again(node: Node, event: str, before: int) -> bool:
    """Return whether the log soon contains the event more often than `before`."""
    return eventually(lambda: times(node, event) > before)


def rename(node: Node, *changes: tuple[str, str]) -> None:
    """Replace words in the node's configuration file."""
    text = node.config.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    node.config.write_text(text)


def reloaded(node: Node) -> subprocess.CompletedProcess[str]:
    """Have the node read its files again, and wait."""
    return run(["dnsfilter", "reload", "--config", str(node.config)])


def send_signal(node: Node, number: signal.Signals) -> None:
    assert node.process is not None
    node.process.send_signal(number)


# Death and silence.


@pytest.mark.slow
@both_sizes
def test_a_killed_worker_takes_with_it_only_what_was_in_its_hands(
    tmp_path: Path, authority: Knot, workers: int
) -> None:
    with started(tmp_path, authority, workers) as node:
        settled(node, workers)
        with loaded(node) as load:
            load.until_answered(500)
            for victim in node.worker_pids()[:workers]:
                ready = times(node, "snapshot in force")
                os.kill(victim, signal.SIGKILL)
                assert again(node, "snapshot in force", ready)
                load.until_answered(500)
        assert node.metrics()["dnsfilter_worker_restarts_total"] == workers
        assert load.tally.lost <= workers * BATCH, load.tally
        assert set(load.tally.rcodes) == {0, 5}


@pytest.mark.slow
@both_sizes
def test_a_worker_that_hangs_is_stood_in_for(tmp_path: Path, authority: Knot, workers: int) -> None:
    with started(tmp_path, authority, workers) as node:
        victim = settled(node, workers)[0]
        with loaded(node) as load:
            load.until_answered(500)
            before = times(node, "worker covers for another")
            os.kill(victim, signal.SIGSTOP)
            assert again(node, "worker covers for another", before)
            load.until_answered(2_000)
        assert load.tally.lost <= BATCH, load.tally
        assert eventually(lambda: node.logged("worker is silent", f"pid={victim}"))
        assert eventually(lambda: victim not in node.worker_pids() and len(node.worker_pids()) == max(workers, 2))


def test_a_worker_that_comes_back_to_itself_goes_on(tmp_path: Path, authority: Knot) -> None:
    with started(tmp_path, authority, 2) as node:
        before = settled(node, 2)
        count = times(node, "worker covers for another")
        os.kill(before[0], signal.SIGSTOP)
        assert again(node, "worker covers for another", count)
        os.kill(before[0], signal.SIGCONT)
        assert eventually(lambda: serving(node, 2))
        assert node.worker_pids() == before


# Policy and counters.


def test_a_change_of_policy_reaches_every_worker_and_all_of_them_count(tmp_path: Path, authority: Knot) -> None:
    with started(tmp_path, authority, 2, policy=EXAMPLE.read_text()) as node:
        settled(node, 2)
        with ConstantLoad(node.port, ["www.tiktok.com"]) as before:
            before.until_answered(320)
        node.policy.write_text(EXAMPLE.read_text().replace('mode = "enforce"', 'mode = "monitor"'))
        send_signal(node, signal.SIGHUP)
        assert eventually(lambda: node.metrics()["dnsfilter_snapshot_revision"] == 2)
        with ConstantLoad(node.port, ["www.tiktok.com"]) as after:
            after.until_answered(320)
        assert set(before.tally.rcodes) == {5}
        assert 5 not in after.tally.rcodes
        counted = node.metrics()
        refused = sum(value for name, value in counted.items() if name.startswith("dnsfilter_refused_total"))
        assert refused == before.tally.sent
        assert node.worker_pids() == settled(node, 2)


# Reload.


@pytest.mark.slow
def test_a_reload_under_load_loses_nothing_and_changes_what_it_can(tmp_path: Path, authority: Knot) -> None:
    with Knot(ZONES) as other, started(tmp_path, authority, 1) as node:
        before = settled(node, 1)
        rename(node, ("workers = 1", "workers = 2"), (authority.hostport, other.hostport))
        with loaded(node) as load:
            load.until_answered(500)
            send_signal(node, signal.SIGHUP)
            assert eventually(lambda: serving(node, 2) and not set(before) & set(node.worker_pids()))
            load.until_answered(500)
        assert load.tally.lost == 0
        assert f'dnsfilter_upstream_queries_total{{upstream="{other.hostport}"}}' in node.metrics()
        with loaded(node) as load:
            rename(node, ("workers = 2", "workers = 1"))
            send_signal(node, signal.SIGHUP)
            assert eventually(lambda: serving(node, 1))
            load.until_answered(500)
        assert load.tally.lost == 0


def test_another_address_is_listened_on_and_one_left_is_free_again(tmp_path: Path, authority: Knot) -> None:
    with started(tmp_path, authority, 2) as node:
        old = node.port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            node.port = sock.getsockname()[1]
        rename(node, (f'listen = ["127.0.0.1:{old}"]', f'listen = ["127.0.0.1:{node.port}"]'))
        assert reloaded(node).returncode == 0
        assert node.logged("addresses change", f"added=127.0.0.1:{node.port}", f"removed=127.0.0.1:{old}")
        assert node.dig("www.tiktok.com", extra=["+tries=1"]).rcode == "REFUSED"
        assert node.dig("www.tiktok.com", extra=["+tcp", "+tries=1"]).rcode == "REFUSED"
        assert eventually(lambda: is_free(old))


@pytest.mark.parametrize("workers", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_a_reload_puts_a_wildcard_in_place_of_addresses_and_back_and_loses_nothing(
    tmp_path: Path, authority: Knot, workers: int
) -> None:
    with started(tmp_path, authority, workers) as node:
        settled(node, workers)
        for old, new in (("127.0.0.1", "0.0.0.0"), ("0.0.0.0", "127.0.0.1")):
            with loaded(node) as load:
                load.until_answered(300)
                rename(node, (f'listen = ["{old}:', f'listen = ["{new}:'))
                done = reloaded(node)
                assert (done.returncode, done.stderr) == (0, "")
                load.until_answered(300)
            assert load.tally.lost == 0
            if new == "0.0.0.0":
                assert dig("www.tiktok.com", server="127.0.0.2", port=node.port).rcode == "REFUSED"


def test_a_reload_waits_until_the_new_configuration_answers(tmp_path: Path, authority: Knot) -> None:
    with started(tmp_path, authority, 1) as node:
        text = node.config.read_text()
        for number in range(2):
            name = f"printer{number}.example.org"
            node.config.write_text(f'{text}\n[[record]]\nname = "{name}"\ntype = "A"\ndata = "192.0.2.80"\n')
            assert reloaded(node).returncode == 0
            assert [record.rdata for record in node.dig(name).answers] == ["192.0.2.80"]


def test_an_empty_configuration_is_not_reloaded(tmp_path: Path, authority: Knot) -> None:
    with started(tmp_path, authority, 1) as node:
        before, text = settled(node, 1), node.config.read_text()
        with loaded(node) as load:
            load.until_answered(500)
            for signalled, said in ((signal.SIGHUP, "not reloaded"), (signal.SIGUSR2, "upgrade failed")):
                node.config.write_text("")
                send_signal(node, signalled)
                assert again(node, said, 0)
                node.config.write_text(text)
            load.until_answered(500)
        assert load.tally.lost == 0
        assert node.worker_pids() == before
        assert times(node, "the key is missing, and the default") == 2


def test_an_end_of_learning_far_ahead_does_not_stop_the_start_and_is_not_reloaded(
    tmp_path: Path, authority: Knot
) -> None:
    late = '[clients]\nunregistered = "learn"\nallowed = ["10.0.0.0/8"]\nlearn_until = 2199-01-01\n'
    with started(tmp_path, authority, 1, config=late) as node:
        assert node.dig("www.tiktok.com").rcode == "REFUSED"
        assert node.logged("learning mode does not begin yet", "is more than 30 days ahead")
        send_signal(node, signal.SIGHUP)
        assert again(node, "not reloaded", 0)


def is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def test_what_cannot_be_reloaded_is_said_and_the_old_goes_on(tmp_path: Path, authority: Knot) -> None:
    with started(tmp_path, authority, 1) as node:
        before = settled(node, 1)
        good = node.config.read_text()
        for old, new, said in (
            ('servers = ["', 'servers = ["nowhere", "', "upstream.servers[0]"),
            ('listen = ["', 'listen = ["192.0.2.1:5300", "', "listen on 192.0.2.1:5300"),
            ("metrics_listen", 'user = "nobody"\nmetrics_listen', "user: takes effect only with a restart"),
        ):
            node.config.write_text(good)
            rename(node, (old, new))
            done = reloaded(node)
            assert done.returncode == 1
            assert said in done.stderr
            assert node.logged("configuration not reloaded", said)
            assert node.dig("www.tiktok.com").rcode == "REFUSED"
        assert node.worker_pids() == before


def test_a_refused_configuration_publishes_no_policy(tmp_path: Path, authority: Knot) -> None:
    text = EXAMPLE.read_text()
    with Node(tmp_path, authority.hostport, policy=text.replace('mode = "enforce"', 'mode = "off"')) as node:
        good = node.config.read_text()
        rename(node, ('listen = ["', 'listen = ["192.0.2.1:5300", "'))
        node.policy.write_text(text)
        send_signal(node, signal.SIGHUP)
        assert again(node, "listen on 192.0.2.1:5300", 0)
        assert node.metrics()["dnsfilter_snapshot_revision"] == 1
        assert SnapshotStore(node.state / "policy-snapshots").current_revision() == 1
        node.config.write_text(good)
        send_signal(node, signal.SIGHUP)
        assert eventually(lambda: node.metrics()["dnsfilter_snapshot_revision"] == 2)


def test_a_policy_that_cannot_be_published_leaves_the_configuration_and_its_addresses(
    tmp_path: Path, authority: Knot
) -> None:
    with Node(tmp_path, authority.hostport, policy=EXAMPLE.read_text()) as node:
        before, port = node.worker_pids(), free_port()
        rename(node, ('listen = ["', f'listen = ["127.0.0.1:{port}", "'))
        node.policy.write_text(node.policy.read_text() + "# a comment\n")
        (node.state / "policy-resolved.toml.new").mkdir()  # where the dates of the changed file would be written
        send_signal(node, signal.SIGHUP)
        assert again(node, "not reloaded", 0)
        assert is_free(port)
        assert node.worker_pids() == before
        (node.state / "policy-resolved.toml.new").rmdir()
        send_signal(node, signal.SIGHUP)
        assert again(node, "configuration reloaded", 0)


def test_a_file_that_never_ends_is_not_reloaded_and_stops_no_end(tmp_path: Path, authority: Knot) -> None:
    with Node(tmp_path, authority.hostport, policy=EXAMPLE.read_text()) as node:
        for number, path in enumerate((node.config, node.policy)):
            text = path.read_text()
            path.unlink()
            os.mkfifo(path)
            send_signal(node, signal.SIGHUP)
            assert again(node, f"{path}: cannot be read within 2 seconds", 0)
            assert node.dig("www.tiktok.com", bind="127.0.5.10").rcode == "REFUSED"
            path.rename(path.with_suffix(".fifo"))
            path.write_text(text + "# a comment\n")
            send_signal(node, signal.SIGHUP)
            assert again(node, "configuration is unchanged", number)
        path.unlink()
        path.with_suffix(".fifo").rename(path)
        send_signal(node, signal.SIGHUP)
        assert node.stop() == 0


def test_a_faulty_policy_file_changes_nothing_until_a_restart_and_then_is_named(
    tmp_path: Path, authority: Knot
) -> None:
    with Node(tmp_path, authority.hostport, policy=EXAMPLE.read_text()) as node:
        node.policy.write_text('[[range]]\nprefix = "192.0.2.1/24"\n')
        send_signal(node, signal.SIGHUP)
        assert again(node, "not reloaded", 0)
        send_signal(node, signal.SIGUSR2)
        assert again(node, "upgrade failed, old program stays", 0)
        assert node.dig("www.tiktok.com", bind="127.0.5.10").rcode == "REFUSED"
    ended = subprocess.run(node.command(), capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "range[0].prefix" in ended.stderr
    assert "range[0].funding" in ended.stderr


# Upgrade and end.


@pytest.mark.slow
@both_sizes
def test_an_upgrade_under_load_loses_nothing(tmp_path: Path, authority: Knot, workers: int) -> None:
    with started(tmp_path, authority, workers) as node:
        before = settled(node, workers)
        assert node.process is not None
        counted = counts(node)
        with loaded(node) as load:
            load.until_answered(500)
            send_signal(node, signal.SIGUSR2)
            assert node.gets_other_workers(before), node.log.read_text()
            load.until_answered(500)
        assert load.tally.lost == 0
        # Workers of both programs count into the same totals, also after the first program is gone.
        gained = [after - first for first, after in zip(counted, counts(node), strict=True)]
        assert gained == [load.tally.sent, *3 * [load.tally.rcodes[dns.rcode.REFUSED]]]
        assert node.process.poll() is None
        assert node.dig("www.tiktok.com", extra=["+tcp"]).rcode == "REFUSED"
        assert eventually(lambda: serving(node, workers))
    assert node.process.returncode == 0


class Replaced(Node):
    """A node whose program is a script. A test can replace the lines that run before the real program."""

    def command(self) -> list[str]:
        script = self.directory / "dnsfilter"
        script.write_text(
            "import sys\nfrom pathlib import Path\nif 'serve' in sys.argv:\n"
            f"    exec(Path({str(self.lines)!r}).read_text())\nfrom dnsfilter.cli.program import main\nmain()\n"
        )
        self.lines.touch()
        return [sys.executable, str(script), *super().command()[1:]]

    @property
    def lines(self) -> Path:
        return self.directory / "first.py"


@pytest.mark.slow
def test_a_program_that_starts_and_does_not_answer_is_not_upgraded_to(tmp_path: Path, authority: Knot) -> None:
    with Replaced(tmp_path, authority.hostport, config=UNLIMITED) as node:
        before = settled(node, 1)
        with loaded(node) as load:
            for lines, said in (
                ("sys.exit(0)", "ended with status 0"),
                ("import os; os.kill(os.getpid(), 9)", "ended with status -9"),
                ("from dnsfilter.worker import process; process.main = lambda _: sys.exit(3)", "ended with status 3"),
                ("from dnsfilter.supervisor import supervisor; del supervisor.notify", "NameError"),
            ):
                load.until_answered(100)
                refused = times(node, "upgrade failed, old program stays")
                node.lines.write_text(lines)
                send_signal(node, signal.SIGUSR2)
                assert again(node, "upgrade failed, old program stays", refused)
                assert said in node.log.read_text()
            load.until_answered(500)
        assert load.tally.lost == 0
        assert node.worker_pids() == before
        assert node.is_ready()


@pytest.mark.slow
def test_a_node_stays_ready_while_the_workers_of_an_upgrade_start(tmp_path: Path, authority: Knot) -> None:
    with Replaced(tmp_path, authority.hostport) as node:
        before = settled(node, 1)
        slow = tmp_path / "slow"
        slow.write_text(f'#!/bin/sh\nsleep 3\nexec {sys.executable} "$@"\n')
        slow.chmod(0o755)
        after_the_trial = "if Path('tried').exists():"
        node.lines.write_text(f"{after_the_trial} sys.executable = {str(slow)!r}\nPath('tried').touch()")
        send_signal(node, signal.SIGUSR2)
        statuses = set()

        def upgraded() -> bool:
            statuses.add(status_of(node.ready_url()))
            return not set(before) & set(node.worker_pids())

        assert eventually(upgraded)
        assert 503 not in statuses


def test_a_reload_during_a_trial_is_done_after_it(tmp_path: Path, authority: Knot) -> None:
    with Replaced(tmp_path, authority.hostport) as node:
        settled(node, 1)
        go = tmp_path / "go"
        node.lines.write_text(f"import time\nwhile not Path({str(go)!r}).exists():\n    time.sleep(0.01)\nsys.exit(0)")
        send_signal(node, signal.SIGUSR2)
        assert again(node, "trial of the upgrade started", 0)
        send_signal(node, signal.SIGHUP)
        send_signal(node, signal.SIGUSR2)
        assert again(node, "signal ignored", 0)
        go.touch()
        assert again(node, "upgrade failed, old program stays", 0)
        assert again(node, "configuration is unchanged", 0)


def test_an_upgrade_that_is_tried_ends_with_the_node(tmp_path: Path, authority: Knot) -> None:
    with Replaced(tmp_path, authority.hostport) as node:
        node.lines.write_text("import os, time; Path('tried').write_text(str(os.getpid())); time.sleep(3600)")
        send_signal(node, signal.SIGUSR2)
        tried = tmp_path / "tried"
        assert eventually(lambda: tried.exists() and tried.read_text() != "")
        assert node.stop() == 0
        assert eventually(lambda: not Path(f"/proc/{tried.read_text()}").exists())


@pytest.mark.slow
def test_an_upgrade_that_would_go_back_to_an_older_policy_is_refused(tmp_path: Path, authority: Knot) -> None:
    node = Node(tmp_path, authority.hostport, policy=None)
    store = publish_twice(node)
    with node:
        before = settled(node, 1)
        for path in store.directory.rglob("2.*.manifest"):
            path.write_bytes(b"?")
        send_signal(node, signal.SIGUSR2)
        assert again(node, "upgrade failed, old program stays", 0)
        assert node.logged("trial of the upgrade", "load revision 2, which is in force")
        assert node.worker_pids() == before
        assert node.metrics()["dnsfilter_snapshot_revision"] == 2


@pytest.mark.slow
def test_a_node_without_a_snapshot_and_with_a_proxy_on_its_machine_can_be_upgraded(
    tmp_path: Path, authority: Knot
) -> None:
    top, proxy = "start_without_snapshot = true", '[clients]\ntrusted_proxies = ["127.0.0.1"]\n'
    with Node(tmp_path, authority.hostport, policy=None, top=top, config=proxy) as node:
        before = settled(node, 1)
        send_signal(node, signal.SIGUSR2)
        assert node.gets_other_workers(before), node.log.read_text()


@pytest.mark.slow
def test_with_a_damaged_snapshot_there_is_no_upgrade(tmp_path: Path, authority: Knot) -> None:
    anyhow = "start_without_snapshot = true"
    node = Node(tmp_path, authority.hostport, policy=None, config=UNLIMITED, top=anyhow)
    snapshots = node.state / "snapshots"
    publish_policy_file(EXAMPLE, load_config(node.config), SnapshotStore(snapshots), int(time.time()))
    with node:
        before = settled(node, 1)
        for path in snapshots.rglob("*.names"):
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        with loaded(node) as load:
            load.until_answered(500)
            send_signal(node, signal.SIGUSR2)
            assert again(node, "upgrade failed, old program stays", 0)
            assert node.logged("trial of the upgrade", "no usable snapshot")
            load.until_answered(500)
        assert load.tally.lost == 0
        assert node.worker_pids() == before


def slowly(held: list[Asked]) -> Callable[[Asked], list[bytes]]:
    """Return the behaviour of an upstream that notes each question and does not answer yet."""

    def behave(asked: Asked) -> list[bytes]:
        held.append(asked)
        return []

    return behave


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_what_is_in_hand_is_answered_before_the_end(tmp_path: Path, transport: str) -> None:
    held: list[Asked] = []
    with Scripted(slowly(held)) as upstream:
        server = f"{upstream.endpoint.address}:{upstream.endpoint.port}"
        node = Node(tmp_path, server).start()
        assert node.process is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM) as client:
            client.settimeout(20)
            client.connect(("127.0.0.1", node.port))
            message = query("late.example.org")
            client.sendall(message if transport == "udp" else len(message).to_bytes(2, "big") + message)
            assert eventually(lambda: bool(upstream.serve() or held))
            node.process.send_signal(signal.SIGTERM)
            assert eventually(lambda: node.logged("worker ended"))
            upstream.say(held[-1], reply(held[-1], ["late.example.org. 300 A 198.51.100.10"]))
            received = client.recv(4096)
        answer = dns.message.from_wire(received if transport == "udp" else received[2:])
        assert data(answer) == ["A 198.51.100.10"]
        assert node.process.wait(20) == 0


# The service manager.


def test_the_service_manager_is_notified_of_every_state(
    tmp_path: Path, authority: Knot, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "1000000")

        reported: list[bytes] = []

        def hears(state: bytes) -> bool:
            """Wait until the manager hears that state, or one that begins so. Return True."""
            heard: list[bytes] = []
            until = time.monotonic() + 60
            while not any(each.startswith(state) for each in heard):
                assert time.monotonic() < until, reported[-5:]
                heard = manager.recv(1000).split(b"\n")
                reported.extend(heard)
            return True

        with started(tmp_path, authority, 1) as node:
            assert hears(b"READY=1")
            assert reported[-1] == (serves := f"STATUS=version {__version__} serves".encode())
            assert hears(b"WATCHDOG=1")
            assert b"STOPPING=1" not in reported
            send_signal(node, signal.SIGHUP)
            assert hears(b"RELOADING=1")
            assert hears(b"READY=1")
            assert reported[-1] == serves
            node.config.write_text("nonsense")
            send_signal(node, signal.SIGHUP)
            refused = f"{node.config}:1: cannot be read as TOML: "
            assert hears(serves + f"; configuration not reloaded: {refused}".encode())
        assert hears(b"STOPPING=1")
