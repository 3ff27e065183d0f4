"""Reports of workers about networks in no range; time limits for silent workers."""

import asyncio
import atexit
import contextlib
import os
import pickle
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import msgspec
import pytest

from dnsfilter.config.load import load_config
from dnsfilter.config.node_config import Endpoint
from dnsfilter.engine.choice import EngineKind
from dnsfilter.engine.unregistered_counts import SLOTS, Noted
from dnsfilter.policy.model import Tier
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.supervisor.crew import LATE_S, Crew, Death
from dnsfilter.supervisor.deaths.crashes import Cause
from dnsfilter.supervisor.sockets import Listening, open_listening
from dnsfilter.supervisor.stalls import START_S
from dnsfilter.supervisor.worker_process import Orders, Sealed
from dnsfilter.supervisor.worker_starts import ChildProcess, WorkerStarts
from dnsfilter.telemetry.totals import Totals
from dnsfilter.worker import channel
from dnsfilter.worker.channel import MOST_BYTES, Alive, InForce, Stop, UnregisteredNetworks
from dnsfilter.worker.sealed import seal
from tests.support.engines import GHENT, KINDS, UNREGISTERED, Client, query
from tests.support.nodes import eventually
from tests.support.policies import authority, ban, network, policy, service, wire

pytestmark = pytest.mark.heavy

WORKERS = 2
PATIENCE_S = 60.0
TURN_S = 0.8 * LATE_S
STARTS = WorkerStarts()
"""The crews of all tests have one zygote."""
atexit.register(STARTS.close)


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = open_listening([Endpoint(ip_address("127.0.0.1"), 0)], WORKERS)
    yield made
    made.close()


@pytest.fixture
def sealed() -> Iterator[Sealed]:
    made = compile_policy(
        policy(
            network("127.0.5.0/24", "ghent"),
            replace(authority("ghent"), clients_until=int(time.time()) + 3600),
            service(
                "tiktok", ("tiktok.com",), (), Tier(1, wire("pending.localhost"), enforced_from=int(time.time()) + 3600)
            ),
            ban(1, "ghent", "tiktok"),
            revision=1,
        ),
        int(time.time()),
    )
    files = (made.manifest, made.names.data, made.ranges.data, made.rules.data)
    descriptors = [seal("test", content) for content in files]
    yield Sealed(1, time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000, descriptors)
    for descriptor in descriptors:
        os.close(descriptor)


def crew_of(kind: str, listening: Listening, sealed: Sealed, directory: Path) -> Crew:
    path = directory / "dnsfilter.toml"
    path.write_text(f'workers = {WORKERS}\n[upstream]\nservers = ["192.0.2.1"]\n')
    orders = Orders(1, load_config(path), listening, EngineKind(kind), ("192.0.2.1",))
    return Crew(orders, lambda: (sealed, 1), Totals(), directory / "counters", lambda: None, STARTS)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_in_no_range_and_queries_of_ranges_and_pending_names_are_collected_from_all_workers(
    kind: str, listening: Listening, sealed: Sealed, tmp_path: Path
) -> None:
    counters = tmp_path / "counters"
    crew = crew_of(kind, listening, sealed, tmp_path)
    message = query("www.tiktok.com")

    async def tend_until_reported(number: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        asked: list[Client] = []
        while sum(one.queries for one in crew.unregistered()) < number and time.monotonic() < deadline:
            crew.tend(time.monotonic())
            if not asked and len(crew.serving()) == WORKERS:
                server = listening.sets[0].udp[0].getsockname()
                asked = [
                    Client(client, server, message) for client in (GHENT, *[UNREGISTERED] * (number - 1), "127.0.98.1")
                ]
                asked += [Client(GHENT, server, query("www.pending.localhost")) for _ in range(3)]
            await asyncio.sleep(0.02)
        for client in asked:
            client.close()
        await crew.stop()

    with contextlib.chdir(Path(__file__).parents[3]):
        asyncio.run(tend_until_reported(12))
    assert [(one.prefix, one.queries) for one in crew.unregistered()] == [("127.0.99.0/24", 11), ("127.0.98.0/24", 1)]
    assert all(0 <= one.seen_s_ago <= PATIENCE_S for one in crew.unregistered())
    assert crew._totals.usage().ranges == {"127.0.5.0/24": 4}
    assert crew._totals.usage().pending == {("ghent", "tiktok", "pending.localhost"): 3}
    assert list(counters.iterdir()) == []


def test_refused_clients_of_all_workers_have_one_pseudonym_each(
    listening: Listening, sealed: Sealed, tmp_path: Path
) -> None:
    crew = crew_of(KINDS[0], listening, sealed, tmp_path)
    message, asked = query("www.tiktok.com"), list[Client]()
    found: Counter[str] = Counter()

    async def tend_until_reported() -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not done() and time.monotonic() < deadline:
            crew.tend(time.monotonic())
            if found.total() == len(asked) and len(crew.serving()) == WORKERS:
                servers = [each.udp[0].getsockname() for each in listening.sets]
                asked.extend(Client(GHENT, server, message) for server in servers)
            for refused, queries in crew.refused.take(len(asked), int(time.time())).items():
                found[refused.client] += queries
            await asyncio.sleep(0.02)
        for client in asked:
            client.close()
        await crew.stop()

    def done() -> bool:
        """Return whether every worker has refused queries, and all of them were reported."""
        answering = [position for position, queries in crew.queries_by_position().items() if queries]
        return len(answering) == WORKERS and found.total() == len(asked)

    with contextlib.chdir(Path(__file__).parents[3]):
        asyncio.run(tend_until_reported())
    assert done()
    assert len(found) == 1


def test_slow_start_is_tolerated_and_worker_that_never_reports_is_killed(
    listening: Listening, sealed: Sealed, tmp_path: Path
) -> None:
    async def ended_after(*seconds: float) -> list[list[int | None]]:
        crew = crew_of(KINDS[0], listening, sealed, tmp_path)
        start = now = time.monotonic()
        crew.tend(now)
        workers = [member.process for member in crew.members]
        for worker in workers:
            os.kill(worker.pid, signal.SIGSTOP)
        found = []
        for after in seconds:
            while now < start + after:
                now += TURN_S
                crew.tend(now)
            if after > START_S:
                assert eventually(lambda: all(worker.poll() is not None for worker in workers), PATIENCE_S)
            found.append([worker.poll() for worker in workers])
        await crew.stop()
        return found

    with contextlib.chdir(Path(__file__).parents[3]):
        found = asyncio.run(ended_after(START_S - 5, START_S + 5))
    assert found == [[None] * WORKERS, [-signal.SIGKILL] * WORKERS]


class Impostor:
    """A substitute for the first worker of a crew: a process that does nothing, and its end of the channel."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.process: ChildProcess | None = None
        self._start = STARTS.start
        monkeypatch.setattr(STARTS, "start", self._begin)

    def _begin(self, engine: EngineKind) -> tuple[ChildProcess, socket.socket]:
        if self.process is not None:
            return self._start(engine)
        ours, self.end = channel.pair()
        self.process = ChildProcess(os.posix_spawnp("sleep", ["sleep", "600"], os.environ))
        return self.process, ours


def harmful(path: Path) -> bytes:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(path),)

    return pickle.dumps(Harm())


@pytest.mark.parametrize("sent", ["garbage", "oversized", "unknown", "an order", "pickle", "nothing"])
def test_worker_with_unknown_message_is_killed_and_replaced(
    sent: str, listening: Listening, sealed: Sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if sent == "nothing":
        monkeypatch.setattr("dnsfilter.supervisor.stalls.SILENCE_S", 3.0)
    impostor = Impostor(monkeypatch)
    crew = crew_of(KINDS[0], listening, sealed, tmp_path)
    packet = {
        "garbage": b"\xc1garbage",
        "oversized": msgspec.msgpack.encode(Alive(False)) + bytes(MOST_BYTES),
        "unknown": msgspec.msgpack.encode({"type": "Nonsense"}),
        "an order": msgspec.msgpack.encode(Stop()),
        "pickle": harmful(tmp_path / "made"),
        "nothing": b"",
    }[sent]

    async def deaths() -> list[Death]:
        deadline, found = time.monotonic() + PATIENCE_S, list(crew.tend(time.monotonic()))
        channel.send(impostor.end, InForce(1))
        impostor.end.send(packet)
        while (not found or len(crew.serving()) < WORKERS) and time.monotonic() < deadline:
            found += crew.tend(time.monotonic())
            await asyncio.sleep(0.02)
        assert len(crew.serving()) == WORKERS
        await crew.stop()
        return found

    with contextlib.chdir(Path(__file__).parents[3]):
        found = asyncio.run(deaths())
    impostor.end.close()
    assert impostor.process is not None
    assert found == [Death(impostor.process.pid, -signal.SIGKILL, Cause.OUTSIDE)]
    assert not (tmp_path / "made").exists()


def test_flood_of_reported_networks_is_bounded(
    listening: Listening, sealed: Sealed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impostor = Impostor(monkeypatch)
    crew = crew_of(KINDS[0], listening, sealed, tmp_path)
    noted = [Noted(number.to_bytes(6), 1, 2, 3) for number in range(SLOTS)]

    async def waiting() -> int:
        crew.tend(time.monotonic())
        member = next(one for one in crew.members if one.process is impostor.process)
        for _ in range(50):
            channel.send(impostor.end, UnregisteredNetworks(noted))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        most = len(member.unregistered)
        member.process.kill()
        await crew.stop()
        return most

    with contextlib.chdir(Path(__file__).parents[3]):
        assert 0 < asyncio.run(waiting()) <= 10 * SLOTS
    impostor.end.close()


def test_counters_go_on_in_the_crew_of_the_next_program(listening: Listening, sealed: Sealed, tmp_path: Path) -> None:
    kept = {"dnsfilter_worker_restarts_total": 3, "dnsfilter_worker_queries_total 0": 40}
    crew = crew_of("reference", listening, sealed, tmp_path)
    crew.go_on_from({**kept, "dnsfilter_worker_queries_total x": 1, "other": 2})
    assert (crew.restarts, dict(crew.queries_by_position()), crew.numbers()) == (3, {0: 40}, kept)
    crew.go_on_from({})
    assert crew.restarts == 0
