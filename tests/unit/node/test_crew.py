"""What workers report of networks in no range comes together in the crew; how long a worker may be silent."""

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.config.load import load_config
from dnsfilter.config.model import Endpoint
from dnsfilter.engine.choice import EngineKind
from dnsfilter.node.crew import LATE_S, START_S, Crew
from dnsfilter.node.sealed import seal
from dnsfilter.node.sockets import Listening, open_listening
from dnsfilter.node.workerprocess import Orders, Sealed
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.telemetry.totals import Totals
from tests.support.engines import GHENT, KINDS, STRANGER, Client, query
from tests.support.policies import ban, network, policy, service

WORKERS = 2
PATIENCE_S = 60.0
TURN_S = 0.8 * LATE_S


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = open_listening([Endpoint(ip_address("127.0.0.1"), 0)], WORKERS)
    yield made
    made.close()


@pytest.fixture
def sealed() -> Iterator[Sealed]:
    made = compile_policy(
        policy(
            network("127.0.5.0/24", "ghent"), service("tiktok", ("tiktok.com",)), ban(1, "ghent", "tiktok"), revision=1
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
    return Crew(orders, lambda: (sealed, 1), Totals(), directory / "counters", lambda: None)


@pytest.mark.parametrize("kind", KINDS)
def test_networks_in_no_range_are_told_over_all_workers(
    kind: str, listening: Listening, sealed: Sealed, tmp_path: Path
) -> None:
    counters = tmp_path / "counters"
    crew = crew_of(kind, listening, sealed, tmp_path)
    message = query("www.tiktok.com")

    async def tend_until_told(number: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        asked: list[Client] = []
        while sum(one.queries for one in crew.strangers()) < number and time.monotonic() < deadline:
            crew.tend(time.monotonic())
            if not asked and len(crew.serving()) == WORKERS:
                server = listening.sets[0].udp[0].getsockname()
                asked = [
                    Client(client, server, message) for client in (GHENT, *[STRANGER] * (number - 1), "127.0.98.1")
                ]
            await asyncio.sleep(0.02)
        for client in asked:
            client.close()
        await crew.stop()

    with contextlib.chdir(Path(__file__).parents[3]):
        asyncio.run(tend_until_told(12))
    assert [(one.prefix, one.queries) for one in crew.strangers()] == [("127.0.99.0/24", 11), ("127.0.98.0/24", 1)]
    assert all(0 <= one.seen_s_ago <= PATIENCE_S for one in crew.strangers())
    assert list(counters.iterdir()) == []


def test_a_worker_that_starts_slowly_is_left_alone_and_one_that_never_reports_is_ended(
    listening: Listening, sealed: Sealed, tmp_path: Path
) -> None:
    async def ended_after(*seconds: float) -> list[list[int | None]]:
        crew = crew_of(KINDS[0], listening, sealed, tmp_path)
        start = now = time.monotonic()
        crew.tend(now)
        workers = [member.process for member in crew.members]
        for worker in workers:
            worker.send_signal(signal.SIGSTOP)
        found = []
        for after in seconds:
            while now < start + after:
                now += TURN_S
                crew.tend(now)
            if after > START_S:
                for worker in workers:
                    worker.wait(PATIENCE_S)
            found.append([worker.poll() for worker in workers])
        await crew.stop()
        return found

    with contextlib.chdir(Path(__file__).parents[3]):
        found = asyncio.run(ended_after(START_S - 5, START_S + 5))
    assert found == [[None] * WORKERS, [-signal.SIGKILL] * WORKERS]
