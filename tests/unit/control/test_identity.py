"""The file with a node's identity."""

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


def test_missing_file_is_no_identity(tmp_path: Path) -> None:
    assert load_identity(tmp_path / "nowhere") is None


def test_written_identity_is_read_back(tmp_path: Path) -> None:
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
def test_invalid_file_is_named_without_its_content(tmp_path: Path, text: str) -> None:
    (tmp_path / IDENTITY).write_text(text)
    with pytest.raises(UnavailableError, match=r"read .*identity\.json: it is not ") as caught:
        load_identity(tmp_path)
    assert TOKEN not in str(caught.value)


def test_repr_hides_the_token() -> None:
    assert TOKEN not in repr(Identity(**VALUE))


def test_token_is_read_without_the_newline(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert load_token(path) == TOKEN


@pytest.mark.parametrize(
    "content", [b"", b"short", b"two words that are long", "tökens-are-ascii-only".encode(), bytes(5000)]
)
def test_invalid_token_is_not_repeated_in_the_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(content)
    with pytest.raises(UnavailableError) as caught:
        load_token(path)
    assert str(caught.value) == f"read {path}: it contains no token"


def test_missing_token_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="no such file"):
        load_token(tmp_path / "token")
