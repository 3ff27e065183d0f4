"""The control plane accepts the reports that nodes make, even with an odd clock or odd files."""

from dataclasses import replace
from ipaddress import ip_network

import pytest

from api.nodes.schemas import ReportWrite
from dnsfilter.control.report import Facts, Load, report_body
from dnsfilter.control.unregistered_networks import UnregisteredNetwork, prefix_text
from dnsfilter.local.journal import MAX_ENTRIES, MOST_NUMBER, MOST_UID, REASON_CHARS, Act, Entry
from tests.support.policies import NOW

FACTS = Facts(7, 64 * "a", 12, "compiled", 2, None, 1000, 30, ())
ENTRY = Entry(1, NOW, 0, Act.SUSPEND, "ghent", NOW + 60, None, "why")


@pytest.mark.parametrize(
    "facts",
    [
        FACTS,
        replace(FACTS, revision=None, manifest=None, age_s=None, workers=0),
        replace(FACTS, age_s=-1),
        replace(FACTS, age_s=-(2**40)),
        replace(FACTS, revision=0, trouble="a\x00\nb\u2028\ud800" + 10_000 * "é"),
        replace(FACTS, suspended=((None, NOW), ("ghent", NOW + 1), ("ghent", NOW + 2))),
        replace(FACTS, suspended=tuple((f"town-{number}", NOW) for number in range(500))),
        replace(
            FACTS, unregistered=tuple(UnregisteredNetwork(f"10.{n // 256}.{n % 256}.0/24", n, -n) for n in range(1000))
        ),
        replace(FACTS, unregistered=(UnregisteredNetwork(prefix_text(bytes.fromhex("20010db80001")), 1, 1),)),
    ],
)
def test_report_of_a_node_is_accepted(facts: Facts) -> None:
    taken = ReportWrite.model_validate_json(report_body(facts, Load(0.1, 1e6, 2**40, 3), None, NOW, -5, ()))
    assert taken.age_s == (None if facts.age_s is None else max(0, facts.age_s))
    assert len({each.authority for each in taken.suspended}) == len(taken.suspended)
    assert all(ip_network(each.prefix) for each in taken.unregistered)


@pytest.mark.parametrize(
    "entry",
    [
        ENTRY,
        replace(
            ENTRY,
            number=MOST_NUMBER - MAX_ENTRIES,
            uid=MOST_UID,
            act=Act.USE_REVISION,
            authority=None,
            until=None,
            revision=0,
        ),
        replace(ENTRY, act=Act.END_SUSPENSION, until=None, reason=""),
        replace(ENTRY, reason="two\nlines\u2028" + (REASON_CHARS - 10) * "é"),
    ],
)
def test_journal_of_a_node_is_accepted(entry: Entry) -> None:
    entries = [replace(entry, number=entry.number + at) for at in range(MAX_ENTRIES)]
    taken = ReportWrite.model_validate_json(report_body(FACTS, Load(), None, NOW, 0, entries))
    assert [each.number for each in taken.journal] == [each.number for each in entries[: len(taken.journal)]]
    assert taken.journal
