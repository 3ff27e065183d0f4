"""Copies of caches for new workers and for a standby: who gets them, and when their memory is released."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest

from dnsfilter.cache.packed import HEAD, MOST_BYTES
from dnsfilter.config.load import load_config
from dnsfilter.engine.choice import EngineKind
from dnsfilter.supervisor import cache_copies
from dnsfilter.supervisor.cache_copies import COPY_S, CacheCopies
from dnsfilter.supervisor.crew import Crew
from dnsfilter.supervisor.sockets import Listening
from dnsfilter.supervisor.worker_process import Orders, Sealed, WorkerProcess
from dnsfilter.supervisor.worker_starts import WorkerStarts
from dnsfilter.telemetry.totals import Totals
from dnsfilter.worker.channel import CopyCache, TakeCache
from dnsfilter.worker.sealed import fill, seal
from tests.support.engines import GHENT, KINDS, PATIENCE_S, Client, query
from tests.support.scripted import Asked, Scripted, reply
from tests.unit.supervisor.test_crew import listening, sealed

__all__ = ["listening", "sealed"]


@dataclass(eq=False)
class Member:
    """A worker that a test plays."""

    cache_copied: bool = False
    gone: bool = False
    reads: bool = True
    given: list[int] = field(default_factory=list)

    def send(self, message: CopyCache, descriptors: Sequence[int]) -> bool:
        self.given += map(os.dup, descriptors)
        return self.reads

    def copy(self, content: bytes) -> None:
        fill(self.given.pop(), content)
        self.cache_copied = True


def asked(*members: Member) -> CacheCopies:
    copies = CacheCopies()
    copies.ask(cast(list[WorkerProcess], members), 0.0)
    return copies


def end(member: Member) -> None:
    member.gone = True


def is_open(descriptor: int) -> bool:
    with contextlib.suppress(OSError):
        os.fstat(descriptor)
        return True
    return False


@pytest.mark.parametrize(
    ("act", "now", "is_due", "is_there"),
    [
        (lambda member: None, 0.1, True, False),
        (lambda member: member.copy(b"x"), 0.1, False, True),
        (lambda member: member.copy(bytes(HEAD.size + MOST_BYTES)), 0.1, False, True),
        (lambda member: member.copy(bytes(HEAD.size + MOST_BYTES + 1)), 0.1, False, False),
        (end, 0.1, False, False),
        (lambda member: None, COPY_S, False, False),
    ],
    ids=["not yet", "complete", "as large as may be", "too large", "dead", "late"],
)
def test_a_copy_is_waited_for_until_it_is_complete_or_late(
    act: Callable[[Member], None], now: float, is_due: bool, is_there: bool
) -> None:
    member = Member()
    copies = asked(member)
    act(member)
    assert copies.are_due(now) is is_due
    assert (copies.largest() is not None) is is_there
    assert bool(copies) is (is_due or is_there)
    copies.close()
    assert not copies


def test_a_worker_that_does_not_read_is_not_waited_for() -> None:
    copies = asked(Member(reads=False))
    assert not copies
    assert not copies.are_due(0.0)


def test_the_largest_copy_is_used_and_all_are_closed_together() -> None:
    members = Member(), Member(), Member()
    copies = asked(*members)
    for member, content in zip(members, (b"x", b"the largest", b""), strict=True):
        member.copy(content)
    assert not copies.are_due(0.1)
    largest = cast(int, copies.largest())
    assert os.pread(largest, 100, 0) == b"the largest"
    given = list(copies.complete)
    copies.close()
    assert len(given) == 3
    assert not any(map(is_open, given))


# Real workers.

NAME = "plain.example.org"


def behave(asked_for: Asked) -> list[bytes]:
    return [reply(asked_for, [f"{NAME}. 3600 A 198.51.100.10"])]


@pytest.fixture
def upstream() -> Iterator[Scripted]:
    with Scripted(behave) as made:
        yield made


@dataclass
class Tended:
    """A crew that is tended while a test waits."""

    crew: Crew
    upstream: Scripted
    server: tuple[str, int]

    async def until(self, found: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not found():
            assert time.monotonic() < deadline
            self.crew.tend(time.monotonic())
            self.upstream.serve()
            await asyncio.sleep(0.01)

    async def ask(self) -> None:
        client = Client(GHENT, self.server, query(NAME))
        await self.until(client.receive)
        client.close()


@pytest.fixture
def start(
    listening: Listening, sealed: Sealed, tmp_path: Path, upstream: Scripted, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Tended]]:
    """Yield a function that makes a crew. Its workers write to the standard error of this test."""
    monkeypatch.setattr(cache_copies, "COPY_S", PATIENCE_S)
    starts = WorkerStarts()

    def made(kind: str, workers: int, caches: Sequence[int] = ()) -> Tended:
        path = tmp_path / "dnsfilter.toml"
        server = f"{upstream.endpoint.address}:{upstream.endpoint.port}"
        path.write_text(f'workers = {workers}\n[upstream]\nservers = ["{server}"]\n')
        orders = Orders(1, load_config(path), listening, EngineKind(kind), (server,))
        crew = Crew(orders, lambda: (sealed, 1), Totals(), tmp_path / "counters", lambda: None, starts)
        crew.go_on_from({}, caches)
        return Tended(crew, upstream, listening.sets[0].udp[0].getsockname())

    yield made
    starts.close()


def run(test: Callable[[], Any]) -> None:
    with contextlib.chdir(Path(__file__).parents[3]):
        asyncio.run(test())


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_new_workers_begin_with_the_caches_of_those_before(
    kind: str, start: Callable[..., Tended], upstream: Scripted
) -> None:
    at = start(kind, 2)

    async def renewed() -> None:
        await at.until(lambda: at.crew.is_renewed)
        await at.ask()
        await at.until(lambda: len(at.crew.serving()) == 2)
        before = {member.process.pid for member in at.crew.members}
        upstream.asked.clear()
        at.crew.renew(at.crew.orders)
        await at.until(lambda: at.crew.is_renewed)
        assert not before & {member.process.pid for member in at.crew.members}
        for _ in range(20):
            await at.ask()
        assert not upstream.asked
        await at.crew.stop()

    run(renewed)


@pytest.mark.heavy
def test_copies_that_cannot_be_used_cost_only_the_cache(
    start: Callable[..., Tended], upstream: Scripted, capfd: pytest.CaptureFixture[str]
) -> None:
    garbage = seal("test", b"garbage" * 20)
    at = start(KINDS[-1], 2, [garbage])

    async def serve() -> None:
        await at.until(lambda: at.crew.has_taken_over)
        at.crew.tend(time.monotonic())
        await at.ask()
        assert at.crew.restarts == 0
        await at.crew.stop()

    run(serve)
    assert not is_open(garbage)
    assert capfd.readouterr().err.count("cache not taken over") == 2


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_a_standby_that_takes_over_has_the_answers_of_its_worker(
    kind: str, start: Callable[..., Tended], upstream: Scripted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    given: list[TakeCache] = []

    def counted() -> TakeCache:
        given.append(TakeCache())
        return given[-1]

    monkeypatch.setattr(cache_copies, "STANDBY_EVERY_S", 0.1)
    monkeypatch.setattr(cache_copies, "TakeCache", counted)
    at = start(kind, 1)

    async def fail() -> None:
        await at.until(lambda: at.crew.is_renewed)
        await at.ask()
        given.clear()
        await at.until(lambda: len(given) >= 2)  # the first may have been asked for before
        (reading,) = [member for member in at.crew.members if member.reading]
        upstream.asked.clear()
        reading.process.kill()
        await at.until(lambda: at.crew.restarts == 1)
        await at.ask()
        assert not upstream.asked
        await at.crew.stop()

    run(fail)


@pytest.mark.heavy
def test_after_a_death_workers_begin_without_copies(start: Callable[..., Tended], upstream: Scripted) -> None:
    copy = seal("test", b"garbage")
    at = start(KINDS[-1], 2, [copy])

    async def fail() -> None:
        await at.until(lambda: at.crew.members)
        at.crew.members[0].process.kill()
        await at.until(lambda: at.crew.restarts == 1)
        assert not is_open(copy)
        await at.crew.stop()

    run(fail)


@pytest.mark.heavy
def test_workers_of_an_engine_that_crashes_leave_no_copies(
    start: Callable[..., Tended], upstream: Scripted, capfd: pytest.CaptureFixture[str]
) -> None:
    at = start(KINDS[-1], 2)

    async def change() -> None:
        await at.until(lambda: at.crew.is_renewed)
        await at.ask()
        at.crew.renew(replace(at.crew.orders, engine=EngineKind.REFERENCE), keep_caches=False)
        await at.until(lambda: at.crew.is_renewed)
        await at.crew.stop()

    run(change)
    assert "cache taken over" not in capfd.readouterr().err
