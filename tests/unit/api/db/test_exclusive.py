"""One control plane at a time on PostgreSQL: a waiting one continues when the other has ended."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from api.db.exclusive import Turn, turn_on
from tests.support.nodes import eventually
from tests.support.postgresql import Server


@pytest.fixture
def url(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return a database whose turn is checked often."""
    monkeypatch.setattr("api.db.exclusive.LOOK_S", 0.01)
    return server.fresh()


def test_one_process_has_the_turn_until_it_ends(url: str) -> None:
    with closing(Turn(url)) as first, closing(Turn(url)) as second:
        assert (first.take(), second.take(), first.take(), second.take()) == (True, False, True, False)
        first.close()
        assert second.take()


def test_a_waiting_process_continues_when_the_other_ends(url: str) -> None:
    with closing(Turn(url)) as first, closing(Turn(url)) as second, ThreadPoolExecutor(1) as pool:
        assert first.take()
        waiting = pool.submit(second.wait)
        first.close()
        waiting.result(timeout=10)
        assert not first.take()


def test_a_waiting_process_reports_ready_and_that_it_waits(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager,
        closing(Turn(url)) as first,
        closing(Turn(url)) as second,
        ThreadPoolExecutor(1) as pool,
    ):
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        first.wait()
        waiting = pool.submit(second.wait)
        message = "READY=1\nSTATUS=another control plane has the database, waiting until it ends"
        assert manager.recv(1000).decode() == message
        first.close()
        waiting.result(timeout=10)
        assert manager.recv(1000).decode() == "STATUS=the other control plane has ended, starting"


def test_the_turn_is_taken_again_after_a_restart_of_the_server(server: Server, url: str) -> None:
    with closing(Turn(url)) as first, closing(Turn(url)) as second:
        assert first.take()
        server.cut(url)
        with pytest.raises(OperationalError):
            first.take()
        assert first.look()
        assert (second.take(), first.lost) == (False, False)


def test_a_process_that_lost_the_turn_ends(server: Server, url: str) -> None:
    ended: list[str] = []
    with closing(Turn(url)) as first, closing(Turn(url)) as second:
        first.wait()
        server.cut(url)
        assert second.take()
        first.watch(lambda: ended.append("first"))
        assert eventually(lambda: bool(ended))
        assert first.lost


def test_an_sqlite_file_has_no_turn() -> None:
    assert turn_on("sqlite:////var/lib/dnsfilter/dnsfilter.sqlite3") is None
