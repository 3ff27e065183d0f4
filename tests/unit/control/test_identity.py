"""The file a node knows itself by."""

import json
from pathlib import Path

import pytest

from dnsfilter.control.identity import IDENTITY, Identity, load_identity, load_token
from dnsfilter.errors import UnavailableError

TOKEN = "dnsf_0123456789abcdef"
VALUE = {
    "name": "one",
    "site": "default",
    "token": TOKEN,
    "key": 64 * "a",
    "installation": "i",
    "url": "https://control.example.org",
}


def test_before_there_is_one_there_is_none(tmp_path: Path) -> None:
    assert load_identity(tmp_path / "nowhere") is None


def test_what_was_written_is_read(tmp_path: Path) -> None:
    (tmp_path / IDENTITY).write_text(json.dumps({**VALUE, "of_a_later_version": 1}))
    assert load_identity(tmp_path) == Identity(**VALUE)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        *(json.dumps({key: value for key, value in VALUE.items() if key != gone}) for gone in VALUE),
        *(json.dumps({**VALUE, "key": key}) for key in ("", 63 * "a", 64 * "A", 64 * "g", 1)),
        *(json.dumps({**VALUE, "token": token}) for token in ("", "short", TOKEN + "\r\nX: y", 2000 * "a", None)),
    ],
)
def test_a_file_that_says_no_identity_is_named_without_what_is_in_it(tmp_path: Path, text: str) -> None:
    (tmp_path / IDENTITY).write_text(text)
    with pytest.raises(UnavailableError, match=r"read .*identity\.json: it is no") as caught:
        load_identity(tmp_path)
    assert TOKEN not in str(caught.value)


def test_an_identity_shows_its_token_to_nobody() -> None:
    assert TOKEN not in repr(Identity(**VALUE))


def test_a_token_is_read_without_the_line_s_end(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert load_token(path) == TOKEN


@pytest.mark.parametrize(
    "content", [b"", b"short", b"two words that are long", "tökens-are-ascii-only".encode(), bytes(5000)]
)
def test_what_is_no_token_is_not_repeated(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(UnavailableError) as caught:
        load_token(path)
    assert str(caught.value) == f"read {path}: it holds no token"


def test_a_token_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no such file"):
        load_token(tmp_path / "token")
