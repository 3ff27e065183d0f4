"""Metrics of the disk, of the last backup and of the certificate."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from api.server.metrics.state_metrics import ProcessCollector, StateCollector
from dnsfilter.telemetry.process_times import process_start_s


@pytest.mark.parametrize("age_s", [None, 0, 90_000])
def test_the_disk_and_the_last_backup_are_shown(tmp_path: Path, age_s: int | None) -> None:
    registry = CollectorRegistry()
    registry.register(StateCollector(tmp_path, lambda: age_s))
    assert registry.get_sample_value("dnsfilter_api_backup_age_seconds") == age_s
    free, size = (registry.get_sample_value(f"dnsfilter_api_state_disk_{name}_bytes") for name in ("free", "size"))
    assert free is not None
    assert size is not None
    assert 0 < free <= size


def test_a_directory_that_is_gone_leaves_the_other_metrics(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    registry.register(StateCollector(tmp_path / "gone", lambda: 5))
    assert registry.get_sample_value("dnsfilter_api_backup_age_seconds") == 5
    assert registry.get_sample_value("dnsfilter_api_state_disk_free_bytes") is None


def test_start_of_the_process_is_shown() -> None:
    registry = CollectorRegistry()
    registry.register(ProcessCollector())
    assert registry.get_sample_value("process_start_time_seconds") == process_start_s()
