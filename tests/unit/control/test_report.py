"""The report of a node about itself."""

import json
import os
from dataclasses import replace

import pytest

from dnsfilter import __version__
from dnsfilter.control import report
from dnsfilter.control.report import REPORT_S, Facts, Load, LoadMeter, Pace, queries_and_entries, report_body
from dnsfilter.control.unregistered_networks import UnregisteredNetwork
from dnsfilter.local.journal import Act, Entry
from dnsfilter.policy.single_names import LocalName, NameVerdict
from dnsfilter.telemetry.totals import Counts
from dnsfilter.wire.names import parse_name
from tests.support.policies import NOW

FACTS = Facts(7, 64 * "a", 12, "compiled", 2, None, 1000, 30, ())


def test_report_has_all_fields() -> None:
    unregistered = (UnregisteredNetwork("192.0.2.0/24", 5, 60),)
    facts = replace(FACTS, suspended=(("ghent", NOW), (None, NOW)), unregistered=unregistered, held_up_to=9)
    facts = replace(facts, zones=(parse_name("corp.example.org"),), control_plane="policy.example.com")
    freed = LocalName("ghent", parse_name("cdn.example.org"), True, NameVerdict.ALLOW, NOW - 9, NOW, "payroll")
    facts = replace(facts, names=(freed,))
    entry = Entry(3, NOW, 0, Act.SUSPEND, authority="ghent", until=NOW + 60, reason="a test")
    body = json.loads(report_body(facts, Load(1.5, 99.9, 4096, 30), None, NOW, 77, (entry,)))
    assert body == {
        "revision": 7,
        "manifest": 64 * "a",
        "age_s": 12,
        "version": __version__,
        "engine": "compiled",
        "workers": 2,
        "clock": entry.value()["time"],
        "uptime_s": 77,
        "trouble": "",
        "held_up_to": 9,
        "learning_until": None,
        "zones": ["corp.example.org"],
        "control_plane": "policy.example.com",
        "suspended": [
            {"authority": "ghent", "until": entry.value()["time"]},
            {"authority": None, "until": entry.value()["time"]},
        ],
        "names": [
            {
                "authority": "ghent",
                "name": "cdn.example.org",
                "exact": True,
                "verdict": "allow",
                "until": entry.value()["time"],
            }
        ],
        "load": {"queries_per_second": 1.5, "cpu_percent": 99.9, "memory_bytes": 4096, "cache_entries": 30},
        "unregistered": [{"prefix": "192.0.2.0/24", "queries": 5, "seen_s_ago": 60}],
        "journal": [entry.value()],
    }


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (None, None, ""),
        ("spoilt", None, "spoilt"),
        (None, "refused", "refused"),
        ("spoilt", "refused", "refused"),
        ("a\n\x00b", None, "a  b"),
    ],
)
def test_trouble_of_pulling_replaces_that_of_the_facts(here: str | None, there: str | None, said: str) -> None:
    assert json.loads(report_body(replace(FACTS, trouble=here), Load(), there, NOW, 0, ()))["trouble"] == said


def test_all_parts_of_a_report_are_bounded() -> None:
    facts = replace(
        FACTS,
        trouble=10_000 * "x",
        zones=2000 * (parse_name("corp.example.org"),),
        suspended=1000 * ((None, NOW),),
        unregistered=1000 * (UnregisteredNetwork("2001:db8::/48", 1, 1),),
    )
    entries = [Entry(number, NOW, 0, Act.USE_REVISION, reason=500 * "é") for number in range(1000)]
    content = report_body(facts, Load(), None, NOW, 0, entries)
    body = json.loads(content)
    assert [len(body[key]) for key in ("trouble", "suspended", "unregistered", "zones", "journal")] == [
        500,
        1,
        256,
        1000,
        100,
    ]
    assert body["journal"][0]["number"] == 0
    assert len(content) < 1 << 19


def test_load_counts_since_the_last_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    used = {10: 5.0, 11: 100.0}
    monkeypatch.setattr(report, "_cpu_s", lambda process: used[process])
    monkeypatch.setattr(report, "_memory_bytes", lambda process: 1000 * process)
    meter = LoadMeter()
    assert meter.read(replace(FACTS, processes=(10,)), 50.0) == Load(0.0, 0.0, 10_000, 30)
    used[10] = 6.0
    # The processor time of a new worker before its first reading does not count.
    assert meter.read(replace(FACTS, queries=1100, processes=(10, 11)), 54.0) == Load(25.0, 25.0, 21_000, 30)
    used[10], used[11] = 0.0, 102.0  # a process id may be used again
    assert meter.read(replace(FACTS, queries=1000, processes=(10, 11)), 58.0) == Load(0.0, 50.0, 21_000, 30)


def test_running_process_has_time_and_memory_and_ended_one_has_none() -> None:
    assert report._cpu_s(os.getpid()) > 0
    assert report._memory_bytes(os.getpid()) > 1 << 20
    gone = os.posix_spawn("/bin/true", ["true"], {})
    os.waitpid(gone, 0)
    assert (report._cpu_s(gone), report._memory_bytes(gone)) == (0.0, 0)


def test_queries_count_all_transports_and_outcomes() -> None:
    name = "dnsfilter_queries_total"
    samples = {
        (name, (("transport", "udp"), ("outcome", "refused"))): 3,
        (name, (("transport", "tcp"), ("outcome", "passed"))): 4,
        ("dnsfilter_cache_entries", ()): 50,
        ("dnsfilter_cache_bytes", ()): 1000,
    }
    assert queries_and_entries(Counts(samples)) == (7, 50)


def test_report_is_due_at_first_then_periodically_and_at_once_when_decisions_change() -> None:
    pace = Pace()
    looks = [(0.0, (1, "a")), (1.0, (1, "a")), (REPORT_S - 0.1, (1, "a"))]
    assert [pace.is_due(*look) for look in looks] == [True, False, False]
    looks = [(REPORT_S, (1, "a")), (REPORT_S + 1, (1, "b")), (REPORT_S + 2, (1, "b"))]
    assert [pace.is_due(*look) for look in looks] == [True, True, False]
    assert pace.is_due(REPORT_S + 3, None)
    assert not pace.is_due(2 * REPORT_S, None)
