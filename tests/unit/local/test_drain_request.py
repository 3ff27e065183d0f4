"""Requests to drain a node: taken once, and only as long as the node runs."""

import threading
from pathlib import Path

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.local import request_files
from dnsfilter.local.drain_request import FILE_NAME, Drain, forget_drain, request_drain, take_drain
from tests.support.nodes import eventually
from tests.support.row_tables import each_row


def test_request_is_taken_once(tmp_path: Path) -> None:
    asking = threading.Thread(target=request_drain, args=(tmp_path, 7))
    asking.start()
    assert eventually((tmp_path / FILE_NAME).exists)
    assert take_drain(tmp_path) == 7
    asking.join()
    assert take_drain(tmp_path) is None


def test_request_that_no_node_takes_is_withdrawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_files, "TAKEN_S", 0.0)
    with pytest.raises(UnavailableError, match="no running node took the request"):
        request_drain(tmp_path, 7)
    assert take_drain(tmp_path) is None


def test_interrupted_command_leaves_no_request(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_seconds: float) -> None:
        assert (tmp_path / FILE_NAME).exists()
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    with pytest.raises(KeyboardInterrupt):
        request_drain(tmp_path, 7)
    assert take_drain(tmp_path) is None


def test_start_forgets_a_request_that_was_left_behind(tmp_path: Path) -> None:
    forget_drain(tmp_path)
    (tmp_path / FILE_NAME).write_text('{"for_s": 10}')
    forget_drain(tmp_path)
    assert take_drain(tmp_path) is None


@each_row("content", ["", "{", "[]", '{"for_s": -1}', '{"for_s": 3601}', '{"for_s": true}', '{"for_s": "1"}'])
def test_anything_else_is_refused_and_removed(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(UnavailableError):
        take_drain(tmp_path)
    assert take_drain(tmp_path) is None


def test_node_is_withdrawn_at_once_and_ends_when_the_time_is_up(tmp_path: Path) -> None:
    state = Drain()
    assert (state.look(100.0, tmp_path), state.began) == (False, False)
    (tmp_path / FILE_NAME).write_text('{"for_s": 10}')
    assert (state.look(100.0, tmp_path), state.began) == (False, True)
    assert not state.look(109.9, tmp_path)
    assert state.look(110.0, tmp_path)


def test_faulty_request_does_not_withdraw_the_node(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text("{}")
    state = Drain()
    assert (state.look(100.0, tmp_path), state.began) == (False, False)
