"""What the endurance bench finds. These tests measure nothing."""

from collections import Counter

import pytest

from tests.bench.endurance import Minute, lost_of, question, verdict
from tests.bench.query_load import Asked


def test_one_question_in_twenty_is_new_and_19_in_100_are_listed() -> None:
    asked = [question(number) for number in range(1000)]
    kinds = Counter(name.partition("-")[0] if name.startswith("new-") else name.partition(".")[2] for name in asked)
    assert kinds["new"] == 50
    assert kinds["plain.example"] == 760
    assert len({name for name in asked if name.startswith("new-")}) == 50


@pytest.mark.parametrize(
    ("rcodes", "lost"),
    [
        ({"NOERROR": 8_100, "REFUSED": 1_900}, 0),
        ({"NOERROR": 8_090, "REFUSED": 1_900}, 10),
        ({"NOERROR": 8_100, "REFUSED": 1_890, "SERVFAIL": 10}, 10),
        ({"NOERROR": 10_000}, 1_800),
    ],
)
def test_missing_and_wrong_answers_are_lost(rcodes: dict[str, int], lost: int) -> None:
    assert lost_of(Asked(10_000, sum(rcodes.values()), 1.0, rcodes, ())) == lost


@pytest.mark.parametrize(
    ("megabytes", "descriptors", "lost", "found"),
    [
        ([100.0 + min(minute, 14) for minute in range(30)], [300] * 30, [0] * 30, None),
        ([100.0 + minute for minute in range(30)], [300] * 30, [0] * 30, "memory grew"),
        ([100.0] * 30, [300] * 29 + [301], [0] * 30, "descriptors grew"),
        ([100.0] * 30, [300] * 30, [1] + [0] * 29, "1 questions were lost"),
    ],
)
def test_growth_after_the_warm_up_and_losses_are_found(
    megabytes: list[float], descriptors: list[int], lost: list[int], found: str | None
) -> None:
    minutes = [Minute(*minute, p99_ms=1.0) for minute in zip(megabytes, descriptors, lost, strict=True)]
    text = verdict(minutes)
    assert (text is None) if found is None else found in (text or "")
