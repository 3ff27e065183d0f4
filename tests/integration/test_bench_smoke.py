"""`make bench`, as small as it gets: one case, this resolver and one peer, for moments. No figure is judged."""

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
