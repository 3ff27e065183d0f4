"""The exposition text matches the totals, and real Prometheus tools accept it."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.collector import NodePages
from dnsfilter.telemetry.metrics import METRICS, BanGround, MetricType
from dnsfilter.telemetry.nodestate import NodeState, ProcessUse, Vitals
from dnsfilter.telemetry.policy_words import BanCount, PolicyWords
from dnsfilter.telemetry.slots import (
    ANSWER_DURATION,
    BYPASS,
    CACHE_BYTES,
    CACHE_ENTRIES,
    CACHE_HITS,
    QUERY,
    upstream_slots,
)
from dnsfilter.telemetry.totals import Totals
from tests.support.components import component
from tests.support.prometheus import prometheus

UPSTREAM = "[2001:db8::53]:53"
STATE = NodeState(
    version="1.2.3",
    engine="reference",
    workers=2,
    worker_restarts=1,
    snapshot_revision=12,
    snapshot_age_s=3.5,
    clock_doubted=True,
    unwritten=True,
    suspended=("", "ghent"),
    local_names={("ghent", "allow"): 2},
    vitals=Vitals(
        certificate_expires_s=1_800_000_000,
        client_ca_expires_s=1_900_000_000,
        certificate_rejected=False,
        site="town-hall",
        node="ns1",
        upstreams_up={UPSTREAM: True, "192.0.2.1:53": False},
        default_upstreams_up=1,
        datagrams_dropped=17,
        receive_queue_bytes=1664,
        processes={
            "supervisor": ProcessUse(30, 1024, 50_000_000, 1.5),
            "worker-1": ProcessUse(open_files=40, open_files_limit=float("inf")),
        },
        worker_queries={1: 12, 2: 0},
        disk_free_bytes=5_000_000_000,
        disk_size_bytes=10_000_000_000,
        time_s=1_800_000_000.5,
        started_s=1_700_000_000.25,
    ),
)
BOUND = {"authority": "police", "service": "tiktok", "ban_authority": "brussels-capital", "ground": "law"}
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def counted(block: CounterBlock, totals: Totals) -> None:
    bound = BanCount("police", "tiktok", "brussels-capital", BanGround.LAW)
    words = PolicyWords((("ghent", "tiktok"), ("brussels-city", "facebook")), (bound,), ("ghent",))
    totals.learn(b"A", words)
    block.open_policy(b"A", words.size)
    block.count(0)
    block.policy[1] += 5
    block.policy[5] += 7
    block.policy[6] += 3
    block.policy[9 + 2] += 2
    block.add(QUERY["tcp"]["refused"], 4)
    block.add(QUERY["udp"]["cached"], 2**53)
    block.add(BYPASS["canary"])
    block.add(CACHE_HITS, 9)
    block.set(CACHE_ENTRIES, 100)
    block.set(CACHE_BYTES, 25_600)
    run = upstream_slots(1)[0]
    block.add(run.queries, 3)
    block.add(run.failure("timeout"), 2)
    run.duration.observe(block.slots, 30_000_000)
    for duration_ns in (40_000, 60_000, 70_000, 9_000_000_000):
        ANSWER_DURATION.observe(block.slots, duration_ns)


@pytest.fixture
def totals(tmp_path: Path) -> Iterator[Totals]:
    totals = Totals()
    block = CounterBlock.create(tmp_path / "worker-0", upstreams=1, capacity=16)
    totals.watch(block, [UPSTREAM])
    counted(block, totals)
    yield totals
    block.close()


def samples_of(text: bytes) -> Samples:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def page(totals: Totals, state: NodeState = STATE) -> bytes:
    return NodePages().write(totals.snapshot(), state, "", "").body


@pytest.mark.parametrize(
    ("name", "labels", "value"),
    [
        ("dnsfilter_queries_total", {"transport": "tcp", "outcome": "refused"}, 4),
        ("dnsfilter_queries_total", {"transport": "udp", "outcome": "cached"}, 2**53),
        ("dnsfilter_queries_total", {"transport": "udp", "outcome": "failed"}, 0),
        ("dnsfilter_refused_total", {"authority": "ghent", "service": "tiktok"}, 1),
        ("dnsfilter_monitored_total", {"authority": "ghent", "service": "tiktok"}, 5),
        ("dnsfilter_exempted_total", {"authority": "brussels-city", "service": "facebook"}, 7),
        ("dnsfilter_ban_queries_total", {**BOUND, "result": "refused"}, 3),
        ("dnsfilter_bypass_attempts_total", {"kind": "canary"}, 1),
        ("dnsfilter_authority_bypass_attempts_total", {"authority": "ghent", "kind": "ddr"}, 2),
        ("dnsfilter_upstream_queries_total", {"upstream": UPSTREAM}, 3),
        ("dnsfilter_upstream_failures_total", {"upstream": UPSTREAM, "reason": "timeout"}, 2),
        ("dnsfilter_upstream_duration_seconds_bucket", {"upstream": UPSTREAM, "le": "0.025"}, 0),
        ("dnsfilter_upstream_duration_seconds_bucket", {"upstream": UPSTREAM, "le": "0.05"}, 1),
        ("dnsfilter_upstream_duration_seconds_sum", {"upstream": UPSTREAM}, 0.03),
        ("dnsfilter_answer_duration_seconds_bucket", {"le": "5e-05"}, 1),
        ("dnsfilter_answer_duration_seconds_bucket", {"le": "0.0001"}, 3),
        ("dnsfilter_answer_duration_seconds_bucket", {"le": "5.0"}, 3),
        ("dnsfilter_answer_duration_seconds_bucket", {"le": "+Inf"}, 4),
        ("dnsfilter_answer_duration_seconds_count", {}, 4),
        ("dnsfilter_answer_duration_seconds_sum", {}, 9.00017),
        ("dnsfilter_cache_hits_total", {}, 9),
        ("dnsfilter_cache_entries", {}, 100),
        ("dnsfilter_cache_bytes", {}, 25_600),
        ("dnsfilter_snapshot_revision", {}, 12),
        ("dnsfilter_snapshot_age_seconds", {}, 3.5),
        ("dnsfilter_clock_doubted", {}, 1),
        ("dnsfilter_unwritten", {}, 1),
        ("dnsfilter_build_info", {"version": "1.2.3", "engine": "reference"}, 1),
        ("dnsfilter_workers", {}, 2),
        ("dnsfilter_worker_restarts_total", {}, 1),
        ("dnsfilter_suspended", {"authority": "ghent"}, 1),
        ("dnsfilter_suspended", {"authority": ""}, 1),
        ("dnsfilter_local_names", {"authority": "ghent", "verdict": "allow"}, 2),
        ("dnsfilter_node_info", {"site": "town-hall", "node": "ns1"}, 1),
        ("dnsfilter_upstream_up", {"upstream": UPSTREAM}, 1),
        ("dnsfilter_default_upstreams_up", {}, 1),
        ("dnsfilter_upstream_up", {"upstream": "192.0.2.1:53"}, 0),
        ("dnsfilter_datagrams_dropped_total", {}, 17),
        ("dnsfilter_receive_queue_bytes", {}, 1664),
        ("dnsfilter_process_open_files", {"process": "supervisor"}, 30),
        ("dnsfilter_process_open_files", {"process": "worker-1"}, 40),
        ("dnsfilter_process_open_files_limit", {"process": "worker-1"}, float("inf")),
        ("dnsfilter_process_memory_bytes", {"process": "supervisor"}, 50_000_000),
        ("dnsfilter_process_cpu_seconds_total", {"process": "supervisor"}, 1.5),
        ("dnsfilter_worker_queries_total", {"worker": "1"}, 12),
        ("dnsfilter_worker_queries_total", {"worker": "2"}, 0),
        ("dnsfilter_state_disk_free_bytes", {}, 5_000_000_000),
        ("dnsfilter_state_disk_size_bytes", {}, 10_000_000_000),
        ("dnsfilter_time_seconds", {}, 1_800_000_000.5),
        ("process_start_time_seconds", {}, 1_700_000_000.25),
    ],
)
def test_sample_is_exposed(totals: Totals, name: str, labels: dict[str, str], value: float) -> None:
    samples = samples_of(page(totals))
    assert samples[name, frozenset(labels.items())] == value


def test_every_family_of_the_table_is_exposed_and_no_other(totals: Totals) -> None:
    text = page(totals).decode()
    types = dict(line.split()[2:4] for line in text.splitlines() if line.startswith("# TYPE"))
    assert types == {metric.name: metric.type.value for metric in METRICS}


def test_what_an_authority_has_not_counted_has_no_sample(totals: Totals) -> None:
    found = {name: value for name, value in samples_of(page(totals)).items() if "authority" in dict(name[1])}
    assert len(found) == 5 + len(STATE.suspended) + len(STATE.local_names)
    assert 0 not in found.values()


def test_node_without_a_snapshot_shows_neither_revision_nor_age(totals: Totals) -> None:
    state = NodeState(version="1.2.3", engine="reference", workers=0, worker_restarts=0)
    names = {name for name, _ in samples_of(page(totals, state))}
    assert names.isdisjoint({"dnsfilter_snapshot_revision", "dnsfilter_snapshot_age_seconds"})


def test_what_the_kernel_does_not_give_has_no_sample(totals: Totals) -> None:
    state = NodeState("1.2.3", "reference", 1, 0, vitals=Vitals(processes={"worker-1": ProcessUse()}))
    samples = samples_of(page(totals, state))
    shown = {name for name, _ in samples if name.startswith(("dnsfilter_process", "dnsfilter_state", "dnsfilter_data"))}
    assert shown == set()
    assert samples["dnsfilter_node_info", frozenset({("site", ""), ("node", "")})] == 1


def test_later_page_has_the_values_and_labels_of_its_own_scrape(totals: Totals) -> None:
    pages = NodePages()
    for state in (STATE, replace(STATE, suspended=("bruges",), workers=3), STATE):
        assert pages.write(totals.snapshot(), state, "", "").body == page(totals, state)


def test_two_nodes_in_one_process_share_nothing(totals: Totals) -> None:
    before = list(REGISTRY.collect())
    page(totals)
    assert samples_of(page(Totals()))["dnsfilter_cache_hits_total", frozenset()] == 0
    assert [family.name for family in REGISTRY.collect()] == [family.name for family in before]


def test_promtool_reports_no_problem(totals: Totals) -> None:
    text = page(totals).decode()
    checked = component("promtool").run("check", "metrics", stdin=text)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


@pytest.fixture
def served(totals: Totals) -> Iterator[str]:
    """Return the address of a server of this node's metrics."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            accepted = (self.headers.get(name, "") for name in ("Accept", "Accept-Encoding"))
            page = NodePages().write(totals.snapshot(), STATE, *accepted)
            self.send_response(200)
            for name, value in (*page.headers, ("Content-Length", str(len(page.body)))):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, *_: object) -> None:
            """Do not log scrapes."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.heavy
def test_real_prometheus_reads_every_metric(totals: Totals, served: str, tmp_path: Path) -> None:
    names = [f"{metric.name}_count" if metric.type is MetricType.HISTOGRAM else metric.name for metric in METRICS]
    totals.add_pending([("ghent", "tiktok", "new.example", 1)], 0)
    with prometheus(tmp_path, {"dnsfilter": [served]}) as server:
        assert server.wait_for("dnsfilter_build_info")
        assert [name for name in names if not server.wait_for(name, within_s=5)] == []
