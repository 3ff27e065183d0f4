"""The measurements, as small as they get, for moments. No figure is judged."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tests.support.components import component
from tests.support.nodes import ROOT

pytestmark = pytest.mark.usefixtures("alone")

ARGUMENTS = ("--cases", "mixed", "--servers", "dnsfilter,unbound", "--rounds", "1", "--seconds", "0.5", "--rate", "200")


def test_a_comparison_measures_this_resolver_and_a_peer_at_the_same_questions() -> None:
    component("dnsperf"), component("unbound")
    if shutil.which("cc") is None or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs a C compiler and two cores")
    command = [sys.executable, "-m", "tests.bench.compare", *ARGUMENTS, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    found = told["cases"]["mixed"]
    assert found["failures"] == {}
    assert list(found["servers"]) == ["dnsfilter", "unbound"]
    for server in found["servers"].values():
        (measured,) = server["rounds"]
        assert measured["cpu_us"] > 0
        assert measured["per_second"] > 0
        assert measured["peak_mb"] > 0
        # What was lost on a busy machine is no fault; that names are not refused would be a fifth.
        assert measured["wrong"] < 0.1
    assert found["servers"]["dnsfilter"]["ratio"]["cpu_us"] == 1
    assert told["versions"]["dnsfilter"] in {"compiled engine", "reference engine"}


def test_what_clients_notice_of_disturbances_is_counted_query_by_query() -> None:
    if shutil.which("cc") is None or len(os.sched_getaffinity(0)) < 2:
        pytest.skip("needs a C compiler and two cores")
    command = [sys.executable, "-m", "tests.bench.disturbance", "--rounds", "1", "--seconds", "1", "--json"]
    command += ["--rate", "1000", "--flood", "10000", "--only", "kill", "flood"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(one["what"], one["workers"]) for one in told["workers"]] == [("kill", 1), ("kill", 2)]
    for one in told["workers"]:
        (noticed,) = one["rounds"]
        assert noticed["sent"] > 0
        assert noticed["lost"] == noticed["in_hands"] + noticed["overflowed"] + noticed["limited"]
        assert noticed["in_hands"] <= 64
        assert noticed["gap_ms"] > 0
    ((alone, beside, flooding),) = told["flood"]
    assert alone["answered"] == alone["sent"] > 0
    assert beside["answered"] > 0
    # The flood is over its limit of 1,000 a second, the client beside it has none.
    assert flooding["answered"] < flooding["sent"]
