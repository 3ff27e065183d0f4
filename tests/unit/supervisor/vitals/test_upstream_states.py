"""An upstream fails while a worker that asked it recently says so. Each change has one log line, within bounds."""

import logging
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from dnsfilter.supervisor.vitals.upstream_states import LINE_EVERY_S, LOOK_S, MOST_LINES, RECENT_S, UpstreamStates
from dnsfilter.telemetry.block import CounterBlock
from dnsfilter.telemetry.logs import KeyValueFormatter
from dnsfilter.telemetry.slots import UPSTREAM_ANSWERS, UPSTREAM_UNKNOWN, upstream_slots

NAMES = ("192.0.2.1:53", "[2001:db8::1]:53")
MakeBlock = Callable[[], CounterBlock]


@pytest.fixture
def block_of(tmp_path: Path) -> Iterator[MakeBlock]:
    blocks: list[CounterBlock] = []
    numbers = count()

    def make() -> CounterBlock:
        blocks.append(CounterBlock.create(tmp_path / f"worker-{next(numbers)}", len(NAMES), 1))
        return blocks[-1]

    yield make
    for block in blocks:
        block.close()


def asked(block: CounterBlock, failures: int | None, upstream: int = 0) -> None:
    """Count a query of this worker, after which it has seen so many failures in a row."""
    run = upstream_slots(len(NAMES))[upstream]
    block.add(run.queries)
    block.set(run.state, UPSTREAM_UNKNOWN if failures is None else UPSTREAM_ANSWERS + failures)


class Watched:
    """States of the upstreams of these workers, a look every `LOOK_S`."""

    def __init__(self, *blocks: CounterBlock) -> None:
        self.states = UpstreamStates()
        self.blocks = list(blocks)
        self.now = 1_000.0

    def look(self, after_s: float = LOOK_S) -> bool:
        """Return whether the first upstream is up at the next look."""
        self.now += after_s
        self.states.look(self.now, NAMES, [(block, NAMES) for block in self.blocks])
        return self.states.up()[NAMES[0]]


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [KeyValueFormatter().format(record).partition("event=")[2] for record in caplog.records]


def test_upstream_is_up_until_a_worker_counts_it_as_failing_and_again_after_its_answer(
    block_of: MakeBlock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    block = block_of()
    watched = Watched(block)
    assert watched.look()
    asked(block, None)
    assert watched.look()
    asked(block, 3)
    assert not watched.look()
    asked(block, 9)
    assert not watched.look()
    assert dict(watched.states.up()) == {NAMES[0]: False, NAMES[1]: True}
    asked(block, 0)
    assert watched.look()
    assert lines(caplog) == [
        f'"upstream fails" upstream={NAMES[0]} state=down failures=3 changes=1',
        f'"upstream answers again" upstream={NAMES[0]} state=up failures=9 changes=1',
    ]
    assert [record.levelno for record in caplog.records] == [logging.WARNING, logging.INFO]


def test_a_worker_that_fails_outweighs_one_that_gets_answers(block_of: MakeBlock) -> None:
    one, other = block_of(), block_of()
    watched = Watched(one, other)
    asked(one, 0)
    asked(other, 4)
    assert not watched.look()
    asked(one, 0)
    assert not watched.look(RECENT_S)
    asked(one, 0)
    assert watched.look(1.0)  # the other one asked too long before


def test_last_state_stays_while_nobody_asks(block_of: MakeBlock) -> None:
    block = block_of()
    watched = Watched(block)
    asked(block, 3)
    assert not watched.look()
    assert not watched.look(100 * RECENT_S)


def test_worker_that_replaces_another_changes_no_state_before_it_knows_better(block_of: MakeBlock) -> None:
    old, new = block_of(), block_of()
    watched = Watched(old)
    asked(old, 3)
    assert not watched.look()
    watched.blocks = [new]
    assert not watched.look()
    asked(new, None)
    assert not watched.look()
    asked(new, 0)
    assert watched.look()


def test_flapping_upstream_has_a_bounded_number_of_lines_and_the_last_one_is_true(
    block_of: MakeBlock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    block = block_of()
    watched = Watched(block)
    for number in range(1_000):
        asked(block, 3 if number % 2 == 0 else 0)
        watched.look()
    asked(block, 5)
    watched.look()
    assert len(caplog.records) <= MOST_LINES + 1_001 * LOOK_S / LINE_EVERY_S + 1
    watched.look(LINE_EVERY_S)
    written = lines(caplog)
    assert "state=down failures=5" in written[-1]
    assert sum(int(line.rpartition("changes=")[2]) for line in written) == 1_001


def test_upstream_that_is_no_longer_configured_has_no_state(block_of: MakeBlock) -> None:
    block = block_of()
    watched = Watched(block)
    watched.look()
    watched.states.look(watched.now + LOOK_S, NAMES[1:], [(block, NAMES)])
    assert list(watched.states.up()) == [NAMES[1]]
