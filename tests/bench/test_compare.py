"""How a comparison reads dnsperf's output, rounds and a machine's cores. These tests measure nothing."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench.cases import CASES
from tests.bench.document import DOCUMENT, with_figures
from tests.bench.machine import (
    Cores,
    busiest_child,
    cpu_s,
    family,
    peak_bytes,
    pinned,
    private_bytes,
    sealed_bytes,
    share_cores,
)
from tests.bench.picture import bars
from tests.bench.query_load import Asked, LoadError, Target, ask, parse_asked, write_mixed, write_new, wrong_share
from tests.bench.table import Figures, case_table, medians
from tests.support.components import Component

OVER_TCP = """\
  Queries sent:         200
  Queries completed:    198 (99.00%)
  Queries lost:         2 (1.00%)

  Response codes:       NOERROR 158 (79.80%), REFUSED 40 (20.20%)
  Average packet size:  request 38, response 38
  Run time (s):         2.000000
  Queries per second:   99.000000

  Average Latency (s):  0.002272 (min 0.000006, max 0.022638)
  Latency StdDev (s):   0.004459
  Latency bucket (s):   answer count
  0.000006 - 0.000006:  100
  0.000064 - 0.000065:  97
  0.016384 - 0.016895:  1

Connection Statistics:

  Connection attempts:  20 (20 successful, 100.00%)

  Average Latency (s):  0.005110 (min 0.003683, max 0.005481)
  Latency bucket (s):   connection count
  0.003648 - 0.003711:  20
"""


def figures(cpu_us: float, p99_ms: float | None = 1.0, wrong: float = 0.0) -> Figures:
    return Figures(cpu_us, 1000.0, p99_ms, p99_ms, 10.0, wrong)


def asked(sent: int, **rcodes: int) -> Asked:
    return Asked(sent, sum(rcodes.values()), 1.0, rcodes, ())


def test_statistics_are_read_and_connections_are_no_answers() -> None:
    found = parse_asked(OVER_TCP)
    assert (found.sent, found.answered, found.per_second) == (200, 198, 99.0)
    assert found.rcodes == {"NOERROR": 158, "REFUSED": 40}
    assert [found.latency_s(share) for share in (0.5, 0.99, 1.0)] == [0.000006, 0.000065, 0.016895]


def test_what_is_no_run_is_an_error() -> None:
    with pytest.raises(ValueError, match="Queries sent"):
        parse_asked("Error: no questions")


@pytest.mark.parametrize(
    ("script", "reported"),
    [("exit 3", "ask with dnsperf"), ("echo nothing", "Queries sent"), ("exec sleep 60", "no end after")],
)
def test_a_failing_load_is_reported_and_stops_no_other_server(
    script: str, reported: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bench.query_load.PATIENCE_S", 1.0)
    (tmp_path / "dnsperf").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "dnsperf").chmod(0o755)
    program = Component(tmp_path / "dnsperf", dict(os.environ))
    with pytest.raises(LoadError, match=reported):
        ask(program, Target(53, "127.0.0.1"), tmp_path / "questions", seconds=0.1)


@pytest.mark.parametrize(
    ("found", "refused", "wrong"),
    [
        (asked(100, NOERROR=80, REFUSED=20), 0.2, 0.0),
        (asked(100, NOERROR=80, NXDOMAIN=20), 0.2, 0.0),
        (asked(1000, NOERROR=801, REFUSED=199), 0.2, 0.0),
        (asked(100, NOERROR=100), 0.2, 0.2),
        (asked(100, REFUSED=100), 0.0, 1.0),
        (asked(100, NOERROR=90, SERVFAIL=4), 0.0, 0.1),
        (asked(0), 0.2, 1.0),
    ],
)
def test_missing_and_wrong_answers_are_counted(found: Asked, refused: float, wrong: float) -> None:
    assert wrong_share(found, refused) == pytest.approx(wrong)


def test_mixed_questions_have_the_share_asked_for_in_every_ten(tmp_path: Path) -> None:
    write_mixed(tmp_path / "mixed", 50, 0.2)
    lines = (tmp_path / "mixed").read_text().splitlines()
    listed = [".d" in line for line in lines]
    assert {sum(listed[start : start + 10]) for start in range(0, len(lines), 10)} == {2}
    assert len({line for line, is_listed in zip(lines, listed, strict=True) if is_listed}) == 50


def test_new_questions_never_come_twice(tmp_path: Path) -> None:
    write_new(tmp_path / "first", 0, 1000)
    write_new(tmp_path / "second", 1000, 500)
    lines = [line for name in ("first", "second") for line in (tmp_path / name).read_text().splitlines()]
    assert len(set(lines)) == 1500


def test_a_median_hides_neither_a_round_without_latency_nor_a_wrong_one() -> None:
    middle = medians([figures(1.0), figures(9.0, p99_ms=None, wrong=0.5), figures(2.0)])
    assert (middle.cpu_us, middle.p99_ms, middle.wrong) == (2.0, None, 0.5)


def test_a_table_has_ratios_to_ours_and_says_what_is_doubted() -> None:
    results = {"ours": [figures(2.0)], "other": [figures(5.0, p99_ms=None, wrong=0.5)]}
    lines = case_table(CASES[0], 20_000, results, {"third": "start third: it ended\nmore"}, "ours").splitlines()
    assert "| ours | 2.00 (1.00) | 1,000 (1.00) | 1.000 (1.00) | 1.000 (1.00) | 10 (1.00) |" in lines
    assert "| other* | 5.00 (2.50) | 1,000 (1.00) | – | – | 10 (1.00) |" in lines
    assert "third has no part: start third: it ended" in lines
    assert any(line.startswith("\\* other: 50.0%") for line in lines)


def test_memory_is_printed_in_parts_if_the_case_says_so() -> None:
    ours = Figures(1.0, 1000.0, 1.0, 1.0, 90.0, 0.0, shared_mb=45.2, worker_mb=21.7)
    results = {"ours": [ours, ours], "other": [figures(2.0)]}
    row = "| 1.00 (1.00) | 1,000 (1.00) | 1.000 (1.00) | 1.000 (1.00) | 90 (1.00) |"
    for case in CASES:
        lines = case_table(case, 20_000, results, {}, "ours").splitlines()
        assert f"| ours {row}{' 45 (1.00) | 22 (1.00) |' if case.parts else ''}" in lines
        assert any(line.startswith("| other |") and line.endswith(" – | – |") for line in lines) is case.parts


def test_a_picture_has_a_bar_for_each_server_to_the_scale_of_its_case() -> None:
    text = bars("cost & more", [("one <case>", {"ours": 2.0, "other": 4.0, "third": 100.0})], "ours")
    root = ElementTree.fromstring(text)
    drawn = [float(each.attrib["width"]) for each in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert [round(width / drawn[0], 2) for width in drawn] == [1.0, 2.0, 5.0]
    assert {"one <case>", "2.00", "100.00 …"} <= {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}


def test_figures_replace_those_before_and_nothing_else() -> None:
    document = DOCUMENT.read_text()
    once = with_figures(document, "figures", "| 1.11 |")
    assert once != document
    assert "| 1.11 |" in once
    twice = with_figures(once, "figures", "| 2.22 |")
    assert "| 1.11 |" not in twice
    assert twice.replace("| 2.22 |", "| 1.11 |") == once


def test_a_document_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="has no <!-- figures -->"):
        with_figures("# Performance\n", "figures", "| 1.11 |")


@pytest.mark.parametrize(
    ("available", "workers", "server", "load"),
    [([0, 1], 1, {0}, {1}), ([0, 1], 2, {0, 1}, {1}), ([2, 5, 7, 9], 2, {2, 5}, {7, 9})],
)
def test_servers_and_load_share_cores_only_where_there_are_too_few(
    available: list[int], workers: int, server: set[int], load: set[int]
) -> None:
    assert share_cores(available, workers) == Cores(frozenset(server), frozenset(load))


def test_one_core_is_not_enough() -> None:
    with pytest.raises(ValueError, match="two cores"):
        share_cores([0], 1)


BUSY_FAMILY = """\
import subprocess, sys, time
def spin():
    while time.process_time() < 0.2: pass
spin()
subprocess.run([sys.executable, "-c", "import time\\nwhile time.process_time() < 0.2: pass"], check=True)
child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
print("ready", flush=True)
sys.stdin.read()
"""


def test_time_and_memory_of_a_process_are_those_of_its_family() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY_FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert len(family(process.pid)) == 2
        # Two processes that each used 0.2 s, in ticks.
        assert cpu_s(process.pid) >= 0.35
        assert peak_bytes(process.pid) > 4_000_000
        process.kill()


HOLDER = """\
import os, sys, time
memory = os.memfd_create("held")
os.write(memory, bytes(16_000_000))
os.dup(memory)
if os.fork() == 0:
    import mmap
    held = mmap.mmap(memory, 0)
    read = [held[at] for at in range(0, len(held), 4096)]
    own = b"x" * 20_000_000
    while time.process_time() < 0.1: pass
    os.write(1, b"ready\\n")
    sys.stdin.read()
    os._exit(0)
sys.stdin.read()
"""


def test_memory_files_count_once_and_private_memory_is_of_one_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        child = busiest_child(process.pid)
        assert child != process.pid
        assert 16_000_000 <= sealed_bytes(process.pid) < 16_100_000
        assert 20_000_000 <= private_bytes(child) < 28_000_000
        assert private_bytes(process.pid) < 20_000_000


def test_what_is_started_on_cores_stays_there() -> None:
    before = os.sched_getaffinity(0)
    one = frozenset([min(before)])
    with pinned(one):
        reported = subprocess.run(
            [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"], capture_output=True, text=True
        )
    assert reported.stdout.split() == [str(min(before))]
    assert os.sched_getaffinity(0) == before
