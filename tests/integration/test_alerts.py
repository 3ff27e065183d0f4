"""The most important alerts fire for real: Prometheus evaluates the shipped rules with short times, and Alertmanager
sends them to a receiver, as firing and later as resolved."""

import itertools
import json
import os
import shutil
import signal
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from dnslib import DNSRecord

from tests.support.certificates import DAY, Authority
from tests.support.control_planes import Api
from tests.support.knot import Knot
from tests.support.nodes import EXAMPLE, Node, SingleMachine, eventually
from tests.support.paused import flood
from tests.support.ports import free_port
from tests.support.slow_upstream import slow_upstream
from tests.support.small_disk import SmallDisk
from tests.support.watched import WITHIN_S, Watched, watching

DECISION = ("--organ", "college", "--reference", "2026/12", "--date", "2026-11-02", "--legal-basis", "decision")

SLOW_ZONE, SLOW_S = "slow.test", 0.4


class Encrypted(Api):
    """`dnsfilter-api` with TLS, and with metrics at a known port."""

    def __init__(self, directory: Path) -> None:
        self.certificates = Authority(directory)
        self.files = (directory / "server.pem", directory / "server.key")
        self.metrics_address = f"127.0.0.1:{free_port()}"
        tls = ("--tls-certificate", str(self.files[0]), "--tls-key", str(self.files[1]))
        super().__init__(directory, EXAMPLE.read_text(), (*tls, "--metrics-listen", self.metrics_address))
        self.renew(30 * DAY)

    def is_ready(self) -> bool:
        with closing(socket.socket()) as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    def renew(self, lasting: timedelta) -> None:
        """Replace the certificate."""
        self.certificates.issue(*self.files, lasting=lasting)


@dataclass(frozen=True, slots=True)
class Breakable:
    """A node and a control plane that tests break. They are not parts of the machine, but are watched with it."""

    node: SmallDisk
    api: Encrypted


@pytest.fixture(scope="module")
def breakable(tmp_path_factory: pytest.TempPathFactory, authority: Knot) -> Iterator[Breakable]:
    """Run a node with one slow zone, and a control plane with TLS."""
    directory = tmp_path_factory.mktemp("breakable")
    with slow_upstream(SLOW_S) as slow:
        zone = f'[[zone]]\nsuffix = "{SLOW_ZONE}"\nservers = ["{slow}"]\n'
        node, api = SmallDisk(directory / "node", authority.hostport, config=zone), Encrypted(directory / "api")
        with node, api:
            yield Breakable(node, api)


@pytest.fixture(scope="module")
def watched(
    machine: SingleMachine, breakable: Breakable, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Watched]:
    """Watch a machine that tests leave as it was, and what they break.

    A term and a review near their ends begin here: their alerts take longest.
    """
    others = {"dnsfilter": [breakable.node.metrics_address], "dnsfilter-api": [breakable.api.metrics_address]}
    with watching(machine, tmp_path_factory.mktemp("watching"), others) as running:
        running.ctl("ban", "adopt", "diest", "instagram", *DECISION, "--until", in_seconds(25))
        running.ctl("ban", "adopt", "diest", "snapchat", *DECISION, "--review-by", in_seconds(25))
        yield running


def in_seconds(seconds: float) -> str:
    """Return the timestamp that many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


@pytest.mark.parametrize(
    ("part", "alert"), [("dnsfilter serve", "DnsfilterNodeDown"), ("dnsfilter-api", "DnsfilterApiDown")]
)
def test_a_stopped_part_raises_an_alert(watched: Watched, part: str, alert: str) -> None:
    pid = watched.machine.child(part)
    port = watched.machine.metrics_port if part == "dnsfilter serve" else watched.machine.api_metrics_port
    watched.fires_and_resolves(
        alert,
        lambda: os.kill(pid, signal.SIGSTOP),
        lambda: os.kill(pid, signal.SIGCONT),
        instance=f"127.0.0.1:{port}",
    )


def test_a_suspension_raises_an_alert(watched: Watched) -> None:
    watched.fires_and_resolves(
        "DnsfilterSuspended",
        lambda: watched.ctl("suspend", "ghent", "--for", "30m", "--reason", "a page is broken"),
        lambda: watched.ctl("suspend", "end", "ghent", "--reason", "mended"),
        authority="ghent",
    )


def firing(name: str, instance: str) -> str:
    """Return the query for a firing alert."""
    return f'ALERTS{{alertname="{name}",alertstate="firing",instance="{instance}"}}'


def switch(watched: Watched, mode: str) -> None:
    watched.ctl("ban", "set", "ghent", "tiktok", "--mode", mode, "--reason", "election night")


def test_a_ban_that_stays_off_raises_an_alert(watched: Watched) -> None:
    off, on = partial(switch, watched, "off"), partial(switch, watched, "enforce")
    watched.fires_and_resolves("DnsfilterBanOff", off, on, authority="ghent", service="tiktok")


@pytest.mark.slow
@pytest.mark.parametrize(("alert", "service"), [("DnsfilterBanEnds", "instagram"), ("DnsfilterBanReview", "snapchat")])
def test_a_term_or_review_near_its_end_raises_three_alerts_one_after_another(
    watched: Watched, alert: str, service: str
) -> None:
    labels = {"authority": "diest", "service": service}
    for days, severity in (("30", "info"), ("7", "warning"), ("1", "warning")):
        watched.arrives("firing", alert, {**labels, "days": days, "severity": severity})
    if alert == "DnsfilterBanReview":  # it stays overdue
        watched.ctl("ban", "renew", "diest", service, *DECISION, "--review-by", "2099-01-01")
    for days in ("30", "7", "1"):
        watched.arrives("resolved", alert, {**labels, "days": days})


@pytest.mark.slow
def test_a_request_that_waits_raises_an_alert(watched: Watched) -> None:
    ask = ("exemption", "ask", "brussels-city/tiktok", "127.0.2.0/24", "--for", "3 months", "--reason", "promotion")
    asked: list[str] = []
    watched.fires_and_resolves(
        "DnsfilterExemptionWaiting",
        lambda: asked.append(watched.ctl("--json", *ask)),
        lambda: watched.ctl("exemption", "reject", str(number(asked[0])), "--reason", "not needed"),
        authority="brussels-city",
    )


def number(text: str) -> int:
    """Return the number in the JSON of a command."""
    return int(json.loads(text)["number"])


@pytest.mark.slow
def test_a_missing_and_an_old_backup_raise_alerts(watched: Watched) -> None:
    api = {"instance": f"127.0.0.1:{watched.machine.api_metrics_port}"}

    def backup() -> None:
        watched.ctl("backup", str(watched.machine.directory / f"{len(watched.received.alerts)}.backup"))

    watched.arrives("firing", "DnsfilterBackupMissing", api)
    backup()
    watched.arrives("resolved", "DnsfilterBackupMissing", api)
    # With short times a backup is old after four seconds.
    watched.arrives("firing", "DnsfilterBackupOld", api)
    count = len(watched.received.alerts)

    def renewed_and_resolved() -> bool:
        backup()
        return watched.received.find("resolved", "DnsfilterBackupOld", api, count) is not None

    assert eventually(renewed_and_resolved, WITHIN_S, 1)


@pytest.mark.slow
def test_a_node_that_cannot_store_a_policy_raises_an_alert(watched: Watched) -> None:
    store = watched.machine.state / "node" / "snapshots"
    away = store.with_name("away")

    def take_the_store() -> None:
        store.rename(away)
        store.touch()  # the node cannot write into it
        switch(watched, "monitor")
        switch(watched, "enforce")

    def give_it_back() -> None:
        store.unlink()
        away.rename(store)

    node = watched.machine.metrics_address
    watched.fires_and_resolves("DnsfilterUnwritten", take_the_store, give_it_back, instance=node)


@pytest.mark.slow
def test_a_broken_hash_chain_raises_an_alert(watched: Watched, breakable: Breakable) -> None:
    api = breakable.api
    database = api.state / "dnsfilter.sqlite3"
    intact = database.with_name("intact")

    def break_chain() -> None:
        api.stop()
        shutil.copy2(database, intact)
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("DROP TRIGGER audit_update")
            connection.execute("UPDATE audit SET act = 'altered' WHERE seq = 1")
            connection.commit()
        api.start()

    def mend() -> None:
        api.stop()
        intact.replace(database)
        api.start()

    watched.fires_and_resolves("DnsfilterDatabaseDamaged", break_chain, mend, instance=api.metrics_address)
    assert watched.server.wait_for(f'dnsfilter_api_database_damaged{{instance="{api.metrics_address}"}} == 0')


@pytest.mark.slow
def test_a_certificate_near_its_end_raises_two_alerts(watched: Watched, breakable: Breakable) -> None:
    api = {"instance": breakable.api.metrics_address}

    def end_soon() -> None:
        breakable.api.renew(timedelta(seconds=12))
        watched.arrives("firing", "DnsfilterCertificateEnds", {**api, "severity": "warning"})

    def renew() -> None:
        breakable.api.renew(30 * DAY)

    watched.fires_and_resolves("DnsfilterCertificateEnds", end_soon, renew, **api, severity="critical")


@pytest.mark.slow
def test_a_full_disk_raises_an_alert(watched: Watched, breakable: Breakable) -> None:
    filler = breakable.node.disk / "filler"

    def fill() -> None:
        disk = os.statvfs(filler.parent)
        filler.write_bytes(bytes(disk.f_bavail * disk.f_frsize * 9 // 10))

    watched.fires_and_resolves("DnsfilterDiskFull", fill, filler.unlink, instance=breakable.node.metrics_address)


@contextmanager
def repeating(act: Callable[[int], object], every_s: float) -> Iterator[None]:
    """Call `act` with 0, 1, 2 and so on until the end."""
    ended = threading.Event()

    def repeat() -> None:
        for count in itertools.count():
            if ended.wait(every_s):
                return
            act(count)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def asking(port: int, name: Callable[[int], str], at_once: int = 10) -> Iterator[None]:
    """Ask for that many names, twenty times a second, until the end."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))

        def ask(turn: int) -> None:
            for count in range(at_once * turn, at_once * (turn + 1)):
                client.send(DNSRecord.question(name(count)).pack())

        with repeating(ask, 0.05):
            yield


@pytest.mark.slow
def test_slow_answers_raise_an_alert(watched: Watched, breakable: Breakable) -> None:
    def name(count: int) -> str:
        # A node times one query in eight. Every eighth of these must meet slow ones, so the interval is odd. On a busy
        # machine some slow ones fail early: send more of them than one in a hundred.
        return f"n{count}.{SLOW_ZONE}" if count % 7 == 0 else "www.tiktok.com"

    with ExitStack() as stack:
        watched.fires_and_resolves(
            "DnsfilterSlow",
            lambda: stack.enter_context(asking(breakable.node.port, name, at_once=40)),
            stack.close,
            instance=breakable.node.metrics_address,
        )


def test_dropped_queries_raise_an_alert(watched: Watched, breakable: Breakable) -> None:
    with ExitStack() as stack:
        watched.fires_and_resolves(
            "DnsfilterDropping",
            lambda: stack.enter_context(repeating(lambda _: flood(breakable.node), 0.5)),
            stack.close,
            instance=breakable.node.metrics_address,
        )


@pytest.mark.slow
def test_a_frozen_upstream_raises_alerts_and_the_greater_hides_the_smaller(
    watched: Watched, breakable: Breakable, authority: Knot
) -> None:
    # The server of its slow zone goes on, and must not hide that the only upstream for other names is frozen.
    node = breakable.node.metrics_address

    def smaller_fire_too_and_end() -> None:
        for name in ("DnsfilterUpstreamFailing", "DnsfilterServfail"):
            assert watched.server.wait_for(firing(name, node), WITHIN_S), name
        # Afterwards all three end, and the greater can end first.
        assert watched.received.find("firing", "DnsfilterUpstreamFailing", {"instance": node}) is None
        os.kill(authority.pid, signal.SIGCONT)

    with asking(breakable.node.port, "n{}.example.org".format):
        watched.fires_and_resolves(
            "DnsfilterAllUpstreamsFailing",
            lambda: os.kill(authority.pid, signal.SIGSTOP),
            smaller_fire_too_and_end,
            instance=node,
        )
        for name in ("DnsfilterUpstreamFailing", "DnsfilterServfail"):
            assert watched.server.wait_for(f"absent({firing(name, node)})"), name


@pytest.mark.slow
def test_dying_workers_raise_alerts(watched: Watched, breakable: Breakable) -> None:
    node = breakable.node

    def crash_three() -> None:
        for _ in range(3):
            crashed = node.worker_pid()
            os.kill(crashed, signal.SIGSEGV)
            assert eventually(partial(has_replaced, node, crashed), WITHIN_S)

    watched.fires_and_resolves("DnsfilterWorkerRestarts", crash_three, lambda: None, instance=node.metrics_address)
    watched.arrives("firing", "DnsfilterEngineFallback", {"instance": node.metrics_address})


def has_replaced(node: Node, ended: int) -> bool:
    """Return whether the node has a worker and its standby without the one that ended."""
    return len(set(node.worker_pids()) - {ended}) >= 2
