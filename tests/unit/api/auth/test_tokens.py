"""Tokens: made once, kept secret, accepted until they end."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import select

from api.auth.caller import Caller
from api.auth.state import Refusal
from api.auth.tokens import (
    Refused,
    authenticate,
    digest,
    load_key,
    make_first_token,
    make_key,
    new_token,
    replace_token,
)
from api.db.models import TokenRow
from tests.unit.api.conftest import START, Plane

KEY = bytes(32)


def _present(plane: Plane, token: str, now_s: int = START) -> Caller | Refused:
    with plane.database.reading() as session:
        return authenticate(session, load_key(plane.settings.token_key_path), token, now_s, "")


def test_only_the_owner_can_read_the_files_and_the_database_has_only_a_keyed_hash(plane: Plane) -> None:
    for path in (plane.settings.token_path, plane.settings.token_key_path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key = plane.settings.token_key_path.read_bytes()
    with plane.database.reading() as session:
        assert session.scalars(select(TokenRow.digest)).all() == [digest(key, plane.token)]
    stored = b"".join(file.read_bytes() for file in plane.settings.state_dir.glob("dnsfilter.sqlite3*"))
    assert plane.token.encode() not in stored
    assert key not in stored


def test_a_token_whose_file_was_moved_away_is_not_made_again(plane: Plane) -> None:
    key = load_key(plane.settings.token_key_path)
    plane.settings.token_path.unlink()
    assert not make_first_token(plane.database, key, plane.settings.token_path, 0)
    assert not plane.settings.token_path.exists()
    assert isinstance(_present(plane, plane.token), Caller)


def test_the_audit_log_records_a_replaced_token_without_its_text(plane: Plane) -> None:
    before = plane.revision()
    key = load_key(plane.settings.token_key_path)
    replace_token(plane.database, key, plane.settings.token_path, START + 60)
    fresh = plane.settings.token_path.read_text().strip()
    response = plane.call("GET", "/v1/audit?act=token.revoke", token=fresh)
    (entry,) = response.json()["items"]
    assert (entry["account"], entry["access"], entry["object"]) == (0, "local", "token/1")
    for token in (plane.token, fresh):
        assert token not in response.text
        assert digest(key, token) not in response.text
    assert plane.revision() == before == entry["revision"]


def test_a_token_that_could_not_be_written_is_not_recorded_as_replaced(plane: Plane) -> None:
    key = load_key(plane.settings.token_key_path)
    with pytest.raises(OSError, match="No such file"):
        replace_token(plane.database, key, plane.settings.state_dir / "absent" / "admin-token", START)
    assert plane.done("GET", "/v1/audit?act=token.revoke")["items"] == []


def test_tokens_differ() -> None:
    assert len({new_token(KEY).text for _ in range(100)}) == 100


def test_tokens_are_unknown_under_another_key(plane: Plane) -> None:
    with plane.database.reading() as session:
        assert authenticate(session, KEY, plane.token, START, "") == Refused(Refusal.UNKNOWN)


@pytest.mark.parametrize("change", ["cut", "other secret", "other public part", "long"])
def test_a_token_that_differs_is_unknown(plane: Plane, change: str) -> None:
    other = new_token(KEY).text
    changed = {
        "cut": plane.token[:-1],
        "other secret": plane.token[:18] + other[18:],
        "other public part": other[:18] + plane.token[18:],
        "long": plane.token + "a" * 5000,
    }[change]
    assert _present(plane, changed) == Refused(Refusal.UNKNOWN)


def test_a_key_of_another_length_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token-key"
    path.touch(0o600)
    for content, held in ((b"short", "5"), (b"x" * 100, "more than 32")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{held} bytes"):
            load_key(path)


def test_a_key_that_others_could_write_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token-key"
    make_key(path)
    path.chmod(0o620)
    with pytest.raises(ValueError, match="can be written by others"):
        load_key(path)
