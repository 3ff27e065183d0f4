"""What a running node reports of itself: upstreams that stop, queries that the kernel drops, processes, disk."""

import os
import re
import signal
import socket
import time
from contextlib import suppress
from itertools import count
from pathlib import Path

import pytest

from tests.support.dig import NoAnswer
from tests.support.engines import query
from tests.support.knot import Knot
from tests.support.nodes import Node, SingleMachine, eventually
from tests.support.paused import FLOOD, flood, paused
from tests.support.ports import free_port
from tests.support.zone_texts import ZONES

WORKER_CPU = 'dnsfilter_process_cpu_seconds_total{process="worker-1"}'


def send_signal(node: Node, number: signal.Signals) -> None:
    assert node.process is not None
    node.process.send_signal(number)


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_upstream_that_stops_and_continues_is_seen_in_metrics_and_log(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DNSFILTER_ENGINE", engine)
    with Knot(ZONES) as upstream, Node(tmp_path, upstream.hostport) as node:
        name = f'dnsfilter_upstream_up{{upstream="{upstream.hostport}"}}'
        numbers = count()

        def shows(value: int) -> bool:
            with suppress(NoAnswer):
                node.dig(f"n{next(numbers)}.example.org", extra=["+time=1"])
            return node.metrics()[name] == value

        assert shows(1)
        with paused(upstream.pid):
            assert eventually(lambda: shows(0))
        assert node.logged('event="upstream fails"', f"upstream={upstream.hostport}", "state=down", "failures=")
        assert eventually(lambda: shows(1))
        assert node.logged('event="upstream answers again"', f"upstream={upstream.hostport}", "state=up")
        text = node.log.read_text()
        assert text.count("state=down") == text.count("state=up") == 1


@pytest.mark.slow
def test_counts_of_dropped_queries_and_cpu_time_outlive_reload_and_upgrade(tmp_path: Path, authority: Knot) -> None:
    name = "dnsfilter_datagrams_dropped_total"
    with Node(tmp_path, authority.hostport) as node:
        assert node.metrics()[name] == 0
        flood(node)
        dropped = node.metrics()[name]
        assert 0 < dropped < FLOOD
        # Another address: the sockets that dropped them are closed.
        before, old = node.worker_pids(), node.port
        node.port = free_port()
        node.config.write_text(node.config.read_text().replace(f":{old}", f":{node.port}"))
        send_signal(node, signal.SIGHUP)
        assert node.gets_other_workers(before), node.log.read_text()
        assert node.metrics()[name] == dropped
        flood(node)
        after = node.metrics()[name]
        assert after > dropped
        cpu = node.metrics()[WORKER_CPU]
        before = node.worker_pids()
        send_signal(node, signal.SIGUSR2)
        assert node.gets_other_workers(before), node.log.read_text()
        assert node.metrics()[name] >= after
        assert node.metrics()[WORKER_CPU] >= cpu


def test_queries_that_wait_are_seen(tmp_path: Path, authority: Knot) -> None:
    with Node(tmp_path, authority.hostport) as node, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        assert node.metrics()["dnsfilter_receive_queue_bytes"] == 0
        with paused(*node.worker_pids()):
            client.sendto(query("www.tiktok.com"), ("127.0.0.1", node.port))
            assert node.metrics()["dnsfilter_receive_queue_bytes"] > 0
        assert eventually(lambda: node.metrics()["dnsfilter_receive_queue_bytes"] == 0)


def test_each_process_of_a_node_is_shown_and_queries_stay_with_their_worker(tmp_path: Path, authority: Knot) -> None:
    names = ("supervisor", "worker-1", "worker-2")
    with Node(tmp_path, authority.hostport, workers=2) as node:
        assert eventually(lambda: node.metrics()["dnsfilter_workers"] == 2)
        for _ in range(20):
            node.dig("www.tiktok.com")
        before = time.time()
        shown = node.metrics()
        assert before <= shown["dnsfilter_time_seconds"] <= time.time()
        for metric in ("open_files", "open_files_limit", "memory_bytes"):
            assert all(shown[f'dnsfilter_process_{metric}{{process="{name}"}}'] > 0 for name in names)
        assert shown['dnsfilter_process_cpu_seconds_total{process="supervisor"}'] > 0
        assert shown['dnsfilter_node_info{node="",site="default"}'] == 1
        assert 0 < shown["dnsfilter_state_disk_free_bytes"] < shown["dnsfilter_state_disk_size_bytes"]
        queries = [f'dnsfilter_worker_queries_total{{worker="{number}"}}' for number in (1, 2)]
        assert sum(shown[name] for name in queries) == sum(
            value for name, value in shown.items() if name.startswith("dnsfilter_queries_total")
        )
        cpu = {name: shown[f'dnsfilter_process_cpu_seconds_total{{process="{name}"}}'] for name in names}
        for pid in node.worker_pids():
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: node.metrics()["dnsfilter_worker_restarts_total"] == 2)
        assert eventually(lambda: node.metrics()["dnsfilter_workers"] == 2)
        after = node.metrics()
        assert all(after[name] >= shown[name] for name in queries)
        assert all(after[f'dnsfilter_process_cpu_seconds_total{{process="{name}"}}'] >= cpu[name] for name in names)


def test_enrolled_node_shows_its_name_to_prometheus_and_to_a_client_that_asks(machine: SingleMachine) -> None:
    (info,) = (name for name in machine.metrics() if name.startswith("dnsfilter_node_info"))
    (node,) = re.findall(r'node="(.+?)"', info)
    assert 'site="default"' in info
    (shown,) = machine.dig("probe.dnsfilter.internal", "TXT", bind="127.0.5.10").rdata("TXT")
    assert shown.startswith(f'"node={node}" "site=default" "authority=ghent" "range=127.0.5.0/24"')
    (shown,) = machine.dig("probe.dnsfilter.internal", "TXT", bind="127.0.99.7").rdata("TXT")
    assert shown == f'"node={node}" "site=default" "unregistered"'
