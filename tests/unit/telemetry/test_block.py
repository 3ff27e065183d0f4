"""A block is created by one process, written by another, and stays consistent when the writer dies."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.block import AREAS, FORMAT_VERSION, CounterBlock
from dnsfilter.telemetry.slots import CACHE_HITS, POLICY_COUNTS_LOST, QUERY, upstream_slots

RULES_A, RULES_B = b"a" * 32, b"b" * 20


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[CounterBlock]:
    block = CounterBlock.create(tmp_path / "worker-0", upstreams=2, capacity=24)
    yield block
    block.close()


@pytest.fixture
def writer(reader: CounterBlock) -> Iterator[CounterBlock]:
    block = CounterBlock.open(reader.path)
    yield block
    block.close()


def test_new_block_is_all_zero(reader: CounterBlock) -> None:
    assert set(reader.slots) == {0}
    assert (reader.generation, reader.digest, reader.unreleased(), len(reader.policy)) == (0, b"", (), 0)


def test_file_is_private_and_fully_reserved(reader: CounterBlock) -> None:
    status = os.stat(reader.path)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_blocks * 512 >= status.st_size


def test_reader_sees_what_the_writer_counts(reader: CounterBlock, writer: CounterBlock) -> None:
    last = upstream_slots(2)[1].clear_text
    writer.slots[QUERY["udp"]["cached"]] += 3
    writer.add(CACHE_HITS)
    writer.add(CACHE_HITS, 4)
    writer.set(last, 2**64 - 1)
    assert (reader.slots[QUERY["udp"]["cached"]], reader.slots[CACHE_HITS], reader.slots[last]) == (3, 5, 2**64 - 1)
    assert last == len(reader.slots) - 1


def test_writer_sees_which_revision_is_ordered(reader: CounterBlock, writer: CounterBlock) -> None:
    assert writer.ordered == 0
    reader.ordered = 2**63
    assert writer.ordered == 2**63
    assert (writer.generation, writer.unreleased(), set(writer.slots)) == (0, (), {0})


def test_block_left_over_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "worker-0"
    old = CounterBlock.create(path, upstreams=0, capacity=24)
    old.add(CACHE_HITS)
    new = CounterBlock.create(path, upstreams=1, capacity=24)
    assert (new.slots[CACHE_HITS], old.slots[CACHE_HITS], new.upstreams) == (0, 1, 1)
    old.close()
    new.close()


def test_policy_counts_belong_to_the_rules_in_force(reader: CounterBlock, writer: CounterBlock) -> None:
    writer.open_policy(RULES_A, 6)
    writer.count(3)
    writer.policy[1] += 2
    writer.open_policy(RULES_B, 3)
    writer.count(2)
    assert [(part.generation, part.digest, part.counts) for part in reader.unreleased()] == [
        (1, RULES_A, (0, 2, 0, 1, 0, 0)),
        (2, RULES_B, (0, 0, 1)),
    ]
    assert (reader.generation, reader.digest) == (2, RULES_B)


def test_same_rules_again_go_on_counting_in_place(reader: CounterBlock, writer: CounterBlock) -> None:
    for _ in range(AREAS + 1):
        writer.open_policy(RULES_A, 3)
        writer.count(0)
    assert [part.counts for part in reader.unreleased()] == [(AREAS + 1, 0, 0)]


def test_worker_that_opens_a_block_in_use_continues_its_counts(reader: CounterBlock, writer: CounterBlock) -> None:
    writer.open_policy(RULES_A, 3)
    writer.count(0)
    again = CounterBlock.open(reader.path)
    again.count(0)
    assert reader.unreleased()[0].counts == (2, 0, 0)
    again.close()


def test_released_area_is_reused_from_zero(reader: CounterBlock, writer: CounterBlock) -> None:
    for number in range(3 * AREAS):
        writer.open_policy(bytes([number + 1]), 24)
        for part in reader.unreleased()[:-1]:
            reader.release(part.generation)
        assert reader.unreleased()[-1].counts == (0,) * 24
        writer.count(23)
    assert reader.slots[POLICY_COUNTS_LOST] == 0


def test_oldest_counts_are_overwritten_and_counted_as_lost(reader: CounterBlock, writer: CounterBlock) -> None:
    for number in range(AREAS + 1):
        writer.open_policy(bytes([number + 1]), 3)
        writer.add(CACHE_HITS)
        writer.count(0)
    assert [part.generation for part in reader.unreleased()] == list(range(2, AREAS + 2))
    assert reader.slots[POLICY_COUNTS_LOST] == 1


def test_generation_in_force_cannot_be_released(reader: CounterBlock, writer: CounterBlock) -> None:
    writer.open_policy(RULES_A, 3)
    with pytest.raises(ValueError, match="in force"):
        reader.release(1)


@pytest.mark.parametrize(
    ("digest", "words", "message"),
    [(b"", 3, "digest"), (b"x" * 33, 3, "digest"), (RULES_A, 25, "room for 24"), (RULES_A, -1, "room for 24")],
)
def test_rules_that_do_not_fit_leave_those_in_force(
    writer: CounterBlock, digest: bytes, words: int, message: str
) -> None:
    writer.open_policy(RULES_B, 3)
    with pytest.raises(ValueError, match=message):
        writer.open_policy(digest, words)
    writer.count(0)
    assert (writer.generation, writer.digest) == (1, RULES_B)


def test_word_outside_the_rules_in_force_is_an_error_and_counts_nothing(writer: CounterBlock) -> None:
    writer.open_policy(RULES_A, 3)
    with pytest.raises(IndexError):
        writer.count(3)
    assert writer.unreleased()[0].counts == (0, 0, 0)


@pytest.mark.parametrize(
    ("offset", "word"),
    [(0, 7), (8, FORMAT_VERSION + 1), (16, 1), (24, 3), (32, 0), (32, 1 << 60), (40, AREAS + 1), (24, 1 << 62)],
)
def test_file_with_another_header_is_rejected(reader: CounterBlock, offset: int, word: int) -> None:
    with open(reader.path, "r+b") as file:
        file.seek(offset)
        file.write(word.to_bytes(8, "little"))
    with pytest.raises(UnavailableError, match="not a counter block"):
        CounterBlock.open(reader.path)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"x" * 5_000])
def test_file_that_is_no_block_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "worker-0"
    path.write_bytes(content)
    with pytest.raises(UnavailableError, match="not a counter block"):
        CounterBlock.open(path)


def test_missing_file_and_directory_are_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="worker-9: No such file"):
        CounterBlock.open(tmp_path / "worker-9")
    with pytest.raises(UnavailableError, match="worker-0: No such file"):
        CounterBlock.create(tmp_path / "nowhere" / "worker-0", upstreams=0)


def test_symbolic_link_is_never_followed(tmp_path: Path, reader: CounterBlock) -> None:
    (tmp_path / "link").symlink_to(reader.path)
    with pytest.raises(UnavailableError, match="link"):
        CounterBlock.open(tmp_path / "link")


@pytest.mark.parametrize("capacity", [0, -1, 1 << 40])
def test_capacity_out_of_bounds_is_refused(tmp_path: Path, capacity: int) -> None:
    with pytest.raises(ValueError, match="words"):
        CounterBlock.create(tmp_path / "worker-0", upstreams=0, capacity=capacity)
