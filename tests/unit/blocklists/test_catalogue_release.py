"""Numbers of the catalogue: the packaged one fits its files, and other content gets the next number."""

from datetime import date

import pytest

from blocklists.catalogue import load_catalogue, read_files
from blocklists.catalogue_release import Release, content_digest, load_release, next_release, parse_release
from dnsfilter.errors import ConfigError

HELD = Release(7, date(2026, 12, 1), content_digest({"a.toml": "one"}))


def test_packaged_number_belongs_to_the_packaged_files() -> None:
    assert content_digest(read_files()) == load_release().content, "a file of catalogue/ changed: run make catalogue"
    found = load_catalogue()
    assert (found.number, found.made) == (load_release().number, load_release().made)


def test_equal_files_keep_the_number_and_others_get_the_next() -> None:
    today = date(2026, 12, 20)
    assert next_release(HELD, {"a.toml": "one"}, today) == HELD
    for texts in ({"a.toml": "two"}, {"b.toml": "one"}, {"a.toml": "one", "b.toml": ""}, {}):
        assert next_release(HELD, texts, today) == Release(8, today, content_digest(texts))


def test_written_release_is_read_again() -> None:
    assert parse_release(HELD.text) == HELD


@pytest.mark.parametrize(
    "text",
    ["", "number = 0", HELD.text.replace("number = 7", 'number = "7"'), HELD.text.replace("2026-12-01", "12"), "= ="],
)
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="catalogue-release"):
        parse_release(text)
