"""The measurements run at the smallest size for a short time. These tests judge no figures."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from api.chain.entry_hash import GENESIS, entry_hash
from api.db.models import AuditRow
from api.db.session import Database
from api.db.unit_of_work import entry_of
from tests.support.components import component
from tests.support.nodes import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("alone")]

ENTRIES = 300

ARGUMENTS = ("--cases", "mixed", "--servers", "dnsfilter,unbound", "--rounds", "1", "--seconds", "0.5", "--rate", "200")


def test_a_comparison_measures_this_resolver_and_a_peer_at_the_same_questions() -> None:
    component("dnsperf"), component("unbound")
    if shutil.which("cc") is None or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs a C compiler and two cores")
    command = [sys.executable, "-m", "tests.bench.compare", *ARGUMENTS, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    found = reported["cases"]["mixed"]
    assert found["failures"] == {}
    assert list(found["servers"]) == ["dnsfilter", "unbound"]
    for server in found["servers"].values():
        (measured,) = server["rounds"]
        assert measured["cpu_us"] > 0
        assert measured["per_second"] > 0
        assert measured["peak_mb"] > 0
        # Losses on a busy machine are no fault. Names that are not refused would make up a fifth.
        assert measured["wrong"] < 0.1
    assert found["servers"]["dnsfilter"]["ratio"]["cpu_us"] == 1
    assert reported["versions"]["dnsfilter"] in {"compiled engine", "reference engine"}


def test_what_clients_notice_of_disturbances_is_counted_query_by_query() -> None:
    if shutil.which("cc") is None or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs a C compiler and two cores")
    command = [sys.executable, "-m", "tests.bench.disturbance", "--rounds", "1", "--seconds", "1", "--json"]
    command += ["--rate", "1000", "--flood", "10000", "--only", "kill", "flood"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    reported = json.loads(done.stdout)
    assert [(one["what"], one["workers"]) for one in reported["workers"]] == [("kill", 1), ("kill", 2)]
    for one in reported["workers"]:
        (noticed,) = one["rounds"]
        assert noticed["sent"] > 0
        assert noticed["lost"] == noticed["in_hands"] + noticed["overflowed"] + noticed["limited"]
        assert noticed["in_hands"] <= 64
        assert noticed["gap_ms"] > 0
        assert noticed["tcp_sent"] > noticed["tcp_lost"] >= 0
        assert noticed["tcp_gap_ms"] > 0
    ((alone, extra, flooding),) = reported["flood"]
    assert alone["answered"] == alone["sent"] > 0
    assert extra["answered"] > 0
    # The flood exceeds its limit of 1,000 a second. The other client has no limit.
    assert flooding["answered"] < flooding["sent"]


def test_pages_of_a_record_are_timed_that_is_a_chain(tmp_path: Path) -> None:
    options = (
        "--entries",
        str(ENTRIES),
        "--samples",
        "2",
        "--only",
        "reader of the quietest",
        "--state",
        str(tmp_path),
    )
    command = [sys.executable, "-m", "tests.bench.audit", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    # Exit code 1 means that the machine was slow.
    assert done.returncode in (0, 1), done.stderr
    _, _, row, goal = done.stdout.splitlines()
    title, *figures = (cell.strip() for cell in row.strip("|").split("|"))
    assert title == "reader of the quietest authority"
    assert all(float(figure) > 0 for figure in figures)
    assert goal.startswith("goal: p95 of 50 ms")
    database = Database(f"sqlite:///{tmp_path}/state/dnsfilter.sqlite3")
    with database.reading() as session:
        entries = [entry_of(row) for row in session.scalars(select(AuditRow).order_by(AuditRow.seq))]
    database.close()
    assert len(entries) >= ENTRIES
    for entry, before in zip(entries, [GENESIS, *(entry["hash"] for entry in entries)], strict=False):
        assert (entry["previous"], entry["hash"]) == (before, entry_hash(entry))
