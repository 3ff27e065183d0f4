"""One client that sends more than half of a range's queries."""

from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.cli.doctor import resolving as checked
from dnsfilter.cli.doctor.resolving import clients
from tests.support.doctor_subjects import counted, subject, texts
from tests.support.policies import network, policy

RANGES = policy(network("192.0.2.0/24", "ghent"), network("198.51.100.1/32", "diest"))


def test_client_with_more_than_half_of_its_ranges_queries_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = replace(subject(tmp_path, published=RANGES), count_s=60.0)
    sent = counted(a192_0_2_7=710, a192_0_2_8=290, a198_51_100_1=900, a203_0_113_9=900)
    monkeypatch.setattr(checked, "count_clients", lambda ports, for_s: sent)
    (found,) = clients(node).findings
    assert found.text == "192.0.2.7 sends 71 % of the queries of 192.0.2.0/24 (ghent): 710 of 1000"
    assert "tcpdump -n -c 50 host 192.0.2.7 and port 53" in found.advice
    sent.update(counted(a192_0_2_8=420))
    assert texts(clients(node)) == []


def test_few_queries_are_no_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = replace(subject(tmp_path, published=RANGES), count_s=60.0)
    monkeypatch.setattr(checked, "count_clients", lambda ports, for_s: counted(a192_0_2_7=99))
    assert texts(clients(node)) == []


def test_nothing_is_counted_unless_it_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checked, "count_clients", lambda ports, for_s: pytest.fail("clients were counted"))
    assert "--count-clients 60" in clients(subject(tmp_path)).unseen


def test_user_who_may_not_count_learns_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(ports: object, for_s: float) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(checked, "count_clients", refused)
    assert "run this as root" in clients(replace(subject(tmp_path), count_s=1.0)).unseen
