"""One control plane at a time on PostgreSQL: who waits takes the place of who has ended, and nobody shares it."""

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
    """A database, at whose turn is looked often."""
    monkeypatch.setattr("api.db.exclusive.LOOK_S", 0.01)
    return server.fresh()


def test_one_has_it_until_it_ends(url: str) -> None:
    with closing(Turn(url)) as first, closing(Turn(url)) as second:
        assert (first.take(), second.take(), first.take(), second.take()) == (True, False, True, False)
        first.close()
        assert second.take()


def test_who_waits_goes_on_as_soon_as_the_other_has_ended(url: str) -> None:
    with closing(Turn(url)) as first, closing(Turn(url)) as second, ThreadPoolExecutor(1) as pool:
        assert first.take()
        waiting = pool.submit(second.wait)
        first.close()
        waiting.result(timeout=10)
        assert not first.take()


def test_who_waits_counts_as_started_and_says_that_it_waits(
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
        said = "READY=1\nSTATUS=another control plane has the database, waiting until it ends"
        assert manager.recv(1000).decode() == said
        first.close()
        waiting.result(timeout=10)
        assert manager.recv(1000).decode() == "STATUS=the other control plane has ended, starting"


def test_a_server_that_was_away_gives_it_back_where_nobody_else_came(server: Server, url: str) -> None:
    with closing(Turn(url)) as first, closing(Turn(url)) as second:
        assert first.take()
        server.cut(url)
        with pytest.raises(OperationalError):
            first.take()
        assert first.look()
        assert (second.take(), first.lost) == (False, False)


def test_who_lost_it_meanwhile_ends(server: Server, url: str) -> None:
    ended: list[str] = []
    with closing(Turn(url)) as first, closing(Turn(url)) as second:
        first.wait()
        server.cut(url)
        assert second.take()
        first.watch(lambda: ended.append("first"))
        assert eventually(lambda: bool(ended))
        assert first.lost


def test_a_file_of_sqlite_is_no_such_matter() -> None:
    assert turn_on("sqlite:////var/lib/dnsfilter/dnsfilter.sqlite3") is None
