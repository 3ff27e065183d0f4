"""A disk that is full, or a state directory that is missing."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from dnsfilter.cli.doctor.node_files import disk
from tests.support.doctor_subjects import subject, texts

Usage = namedtuple("Usage", "total used free")


def test_full_disk_is_found_until_there_is_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = subject(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10 << 30, 0, 200 << 20))
    (found,) = disk(node).findings
    assert found.text == f"200 MiB of 10240 MiB are free at {node.config.state_dir}"
    assert "du -xh" in found.advice
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10 << 30, 0, 300 << 20))
    assert texts(disk(node)) == []


def test_missing_state_directory_is_found_until_it_is_made(tmp_path: Path) -> None:
    node = subject(tmp_path)
    shutil.rmtree(node.config.state_dir)
    (found,) = disk(node).findings
    assert found.text == f"{node.config.state_dir}: no such file or directory"
    node.config.state_dir.mkdir()
    assert texts(disk(node)) == []
