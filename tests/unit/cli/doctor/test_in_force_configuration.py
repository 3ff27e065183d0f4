"""What the check says about a file that is not in force."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dnsfilter.cli.doctor.findings import Subject
from dnsfilter.cli.doctor.in_force import configuration
from dnsfilter.errors import Problem
from dnsfilter.local.running_node import Failure, RunningConfig
from tests.support.doctor_subjects import subject, texts
from tests.support.policies import NOW

SINCE = "the configuration in force since 2026-03-28T00:00:00Z answers"


def node(place: Path, **changes: Any) -> Subject:
    made = subject(place)
    answering = {"running": RunningConfig("0.0.1", "", NOW)}
    return replace(made, known=replace(made.known, **{**answering, **changes}))


@pytest.mark.parametrize(
    ("changes", "text", "advice"),
    [
        (
            {"written": None, "faults": (Problem("FILE:3", "cannot be read as TOML"),)},
            "FILE:3: cannot be read as TOML",
            "mend",
        ),
        (
            {"running": RunningConfig("0.0.1", "", NOW, Failure(NOW, "user: type systemctl restart dnsfilter"))},
            "the reload at 2026-03-28T00:00:00Z failed: user: type systemctl restart dnsfilter",
            "do what the reason says",
        ),
        (
            {"written": None},
            "FILE was changed and not reloaded",
            "type dnsfilter check --config FILE && systemctl reload",
        ),
    ],
)
def test_file_that_is_not_in_force_is_found_with_the_time_of_the_one_that_is(
    tmp_path: Path, changes: dict[str, Any], text: str, advice: str
) -> None:
    file = str(tmp_path / "dnsfilter.toml")
    (found,) = configuration(node(tmp_path, **changes)).findings
    assert found.text.replace(file, "FILE") == f"{text}; {SINCE}"
    assert advice in found.advice.replace(file, "FILE")
    assert texts(configuration(node(tmp_path))) == []


def test_configuration_of_a_node_that_cannot_be_asked_is_unknown(tmp_path: Path) -> None:
    assert "no node runs" in configuration(subject(tmp_path)).unseen
