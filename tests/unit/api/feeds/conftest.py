"""A server of lists with its certificate authority, and an own service that a feed may feed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Authority
from tests.support.feed_server import GOOD, FeedServer, feed_server


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feeds")


@pytest.fixture(scope="session")
def lists_authority(directory: Path) -> Authority:
    return Authority(directory)


@pytest.fixture(scope="session")
def running(lists_authority: Authority, directory: Path) -> Iterator[FeedServer]:
    with feed_server(lists_authority, directory) as server:
        yield server


@pytest.fixture
def server(running: FeedServer, lists_authority: Authority, monkeypatch: pytest.MonkeyPatch) -> FeedServer:
    """Return the server, trusted and with what it was first like."""
    monkeypatch.setenv("SSL_CERT_FILE", str(lists_authority.ca))
    monkeypatch.setattr(running, "content", GOOD)
    running.asked.clear()
    return running
