"""A phrase about who uses the devices of a range and who paid for them."""

import pytest

from dnsfilter.policy.device_phrase import use_words


@pytest.mark.parametrize(
    ("audience", "funding", "words"),
    [
        ("staff", "public", "staff users, public devices"),
        ("public", "partly_public", "public users, partly public devices"),
        ("pupils", "private", "pupil users, private devices"),
        ("guests", "gift", "guests, gift"),
    ],
)
def test_phrase_separates_audience_and_funding(audience: str, funding: str, words: str) -> None:
    assert use_words(audience, funding) == words
