"""Requests to flush the cache: written once, taken once, journalled."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.config.load import default_config
from dnsfilter.errors import UnavailableError
from dnsfilter.local import request_files
from dnsfilter.local.flush import FILE_NAME, WantedFlush, request_flush, take_flush
from dnsfilter.local.journal import JOURNAL_NAME, Act, Journal
from dnsfilter.local.local_node import LocalNode
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.wire.names import ROOT, parse_name

NAME = WantedFlush(parse_name("www.example.org"), below=False)
SUFFIX = WantedFlush(parse_name("example.org"), below=True)


@contextmanager
def taking(directory: Path, number: int) -> Iterator[list[WantedFlush]]:
    """Take that many requests meanwhile, as a supervisor does."""
    taken: list[WantedFlush] = []

    def take() -> None:
        while len(taken) < number:
            wanted = take_flush(directory)
            if wanted is not None:
                taken.append(wanted)

    thread = threading.Thread(target=take)
    thread.start()
    yield taken
    thread.join()


def test_requests_are_taken_once_each_and_none_replaces_another(tmp_path: Path) -> None:
    with taking(tmp_path, 2) as taken:
        request_flush(tmp_path, NAME)
        request_flush(tmp_path, SUFFIX)
    assert taken == [NAME, SUFFIX]
    assert take_flush(tmp_path) is None


def test_request_that_no_node_takes_is_withdrawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_files, "TAKEN_S", 0.0)
    with pytest.raises(UnavailableError, match="no running node took the request"):
        request_flush(tmp_path, NAME)
    assert take_flush(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"[]", b'{"name": "a..b", "below": true}', b'{"below": true}', b"x" * 5000])
def test_file_that_is_not_a_request_is_removed(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(UnavailableError):
        take_flush(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_flush_of_a_node_is_in_its_journal_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_files, "TAKEN_S", 0.0)
    config = replace(default_config(), state_dir=tmp_path)
    node = LocalNode(config, SnapshotStore(tmp_path / "snapshots"), by_policy_file=False)
    with pytest.raises(UnavailableError, match="no running node"):
        node.flush_cache(SUFFIX)
    (entry,) = Journal(config.node_dir / JOURNAL_NAME).entries()
    assert (entry.act, entry.reason) == (Act.FLUSH_CACHE, "answers about example.org and all names below it")


def test_flush_is_said_in_words() -> None:
    assert str(NAME) == "answers about www.example.org"
    assert str(WantedFlush(ROOT, below=True)) == "all answers"
