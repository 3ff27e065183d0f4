"""After a change that replaces workers, what was cached is answered without a question to an upstream."""

import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.nodes import Node, eventually
from tests.support.scripted import Asked, Scripted, reply

pytestmark = pytest.mark.usefixtures("alone")

NAMES = [f"n{number}.example.org" for number in range(20)]


def behave(asked: Asked) -> list[bytes]:
    return [reply(asked, [f"{asked.name}. 3600 A 198.51.100.10"])]


@contextmanager
def authority() -> Iterator[Scripted]:
    """Run an upstream that answers at once."""
    with Scripted(behave) as upstream:
        ended = threading.Event()

        def serve() -> None:
            while not ended.wait(0.001):
                upstream.serve()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield upstream
        finally:
            ended.set()
            thread.join()


def upgrade(node: Node) -> None:
    assert node.process is not None
    node.process.send_signal(signal.SIGUSR2)


def reload(node: Node) -> None:
    node.config.write_text(node.config.read_text() + '\n[cache]\nserve_stale = "1 hour"\n')
    assert node.process is not None
    node.process.send_signal(signal.SIGHUP)


def reload_with_other_records(node: Node) -> None:
    record = '\n[[record]]\nname = "printer.example.org"\ntype = "A"\ndata = "192.0.2.4"\n'
    node.config.write_text(node.config.read_text() + record)
    assert node.process is not None
    node.process.send_signal(signal.SIGHUP)


@pytest.mark.slow
@pytest.mark.parametrize(("change", "is_kept"), [(upgrade, True), (reload, True), (reload_with_other_records, False)])
def test_cached_names_are_answered_without_an_upstream_after_a_change(
    tmp_path: Path, change: Callable[[Node], None], is_kept: bool
) -> None:
    with authority() as upstream, Node(tmp_path, f"{upstream.endpoint.address}:{upstream.endpoint.port}") as node:
        assert eventually(lambda: node.log.read_text().count("snapshot in force") >= 2)
        for name in NAMES:
            assert node.dig(name, bind="127.0.5.10").rcode == "NOERROR"
        before = node.worker_pids()
        upstream.asked.clear()
        change(node)
        assert node.gets_other_workers(before), node.log.read_text()
        for name in NAMES:
            assert node.dig(name, bind="127.0.5.10").rcode == "NOERROR"
        asked = Counter(asked.name for asked in upstream.asked if asked.name in NAMES)
        assert len(asked) == (0 if is_kept else len(NAMES))
        assert node.logged("cache taken over", f"answers={len(NAMES)}") == is_kept
        assert not any(name in node.log.read_text() for name in NAMES)
