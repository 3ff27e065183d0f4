"""Who uses the devices of a range and who paid for them, as a phrase."""

import pytest

from api.ranges.device_phrase import use_words


@pytest.mark.parametrize(
    ("audience", "funding", "words"),
    [
        ("staff", "public", "used by staff, paid publicly"),
        ("public", "partly_public", "used by the public, paid partly publicly"),
        ("pupils", "private", "used by pupils, paid privately"),
        ("guests", "gift", "guests, gift"),
    ],
)
def test_nobody_takes_both_for_an_audience(audience: str, funding: str, words: str) -> None:
    assert use_words(audience, funding) == words
