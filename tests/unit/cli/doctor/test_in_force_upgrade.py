"""An upgrade that failed."""

from dataclasses import replace
from pathlib import Path

from dnsfilter.cli.doctor.in_force import upgrade
from dnsfilter.local.running_node import Failure, RunningConfig
from tests.support.doctor_subjects import subject, texts
from tests.support.policies import NOW


def test_upgrade_that_failed_is_found_until_one_succeeds(tmp_path: Path) -> None:
    node = subject(tmp_path)
    running = RunningConfig("0.0.1", "", NOW, upgrade=Failure(NOW, "its trial ended with status 2"))
    (found,) = upgrade(replace(node, known=replace(node.known, running=running))).findings
    assert (
        found.text == "the upgrade at 2026-03-28T00:00:00Z failed: its trial ended with status 2; version 0.0.1 answers"
    )
    assert "systemctl kill --kill-whom=main -s USR2 dnsfilter" in found.advice
    assert texts(upgrade(replace(node, known=replace(node.known, running=RunningConfig("0.0.2", "", NOW))))) == []
    assert upgrade(node).unseen
