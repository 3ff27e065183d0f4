"""Each word of a policy area has one meaning, and no two words share one."""

import pytest

from dnsfilter.telemetry.metrics import METRICS, BanGround
from dnsfilter.telemetry.policy_words import BanCount, PolicyKind, PolicyWords, policy_word

WORDS = PolicyWords(
    (("ghent", "tiktok"), ("police", "tiktok")),
    (
        BanCount("ghent", "tiktok", "ghent", BanGround.OWN),
        BanCount("police", "tiktok", "brussels-capital", BanGround.LAW),
        BanCount("police", "tiktok", "police", BanGround.OWN),
    ),
    ("ghent", "police"),
)


def test_words_of_two_pairs_never_meet() -> None:
    assert [policy_word(pair, kind) for pair in range(100) for kind in PolicyKind] == list(range(300))


def test_each_word_has_a_sample_of_its_own() -> None:
    samples = [WORDS.sample(word) for word in range(WORDS.size)]
    assert len(samples) == len(set(samples)) == WORDS.size == 2 * 3 + 3 * 3 + 2 * 4
    assert {name for name, _ in samples} == {name for name, _ in WORDS.shown()}
    assert {(name, labels[0][1]) for name, labels in samples} == WORDS.shown()


def test_samples_have_the_labels_of_their_metric_in_order() -> None:
    labels = {metric.name: metric.labels for metric in METRICS}
    samples = map(WORDS.sample, range(WORDS.size))
    assert all(tuple(key for key, _ in found) == labels[name] for name, found in samples)


def test_word_beyond_the_last_has_no_sample() -> None:
    with pytest.raises(IndexError):
        WORDS.sample(WORDS.size)
