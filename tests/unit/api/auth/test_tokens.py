"""The administrator's token: made once, kept secret."""

import stat

import pytest

from api.auth.tokens import digest, holder, make_first_token, new_token, replace_token
from api.db.models import TokenRow
from tests.unit.api.conftest import START, Plane


def test_the_file_is_the_owners_and_the_database_has_only_a_digest(plane: Plane) -> None:
    path = plane.settings.token_path
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert plane.token.startswith("dnsf_")
    assert len(plane.token) >= 5 + 43
    with plane.database.reading() as session:
        assert session.get_one(TokenRow, "administrator").digest == digest(plane.token)
    octets = b"".join(file.read_bytes() for file in path.parent.glob("dnsfilter.sqlite3*"))
    assert plane.token.encode() not in octets


def test_a_token_that_was_moved_away_is_not_made_again(plane: Plane) -> None:
    plane.settings.token_path.unlink()
    assert not make_first_token(plane.database, plane.settings.token_path, 0)
    assert not plane.settings.token_path.exists()
    assert holder(plane.database, plane.token) == "administrator"


def test_a_new_token_ends_the_old_one(plane: Plane) -> None:
    replace_token(plane.database, plane.settings.token_path, 0)
    fresh = plane.settings.token_path.read_text().strip()
    assert (holder(plane.database, fresh), holder(plane.database, plane.token)) == ("administrator", None)


def test_the_audit_tells_of_a_replaced_token_without_it(plane: Plane) -> None:
    made = START
    first = plane.done("GET", "/v1/audit?act=token.replace")["items"]
    assert first == []
    before = plane.revision()
    replace_token(plane.database, plane.settings.token_path, made + 60)
    fresh = plane.settings.token_path.read_text().strip()
    headers = {"Authorization": f"Bearer {fresh}"}
    response = plane.call("GET", "/v1/audit?act=token.replace", headers=headers)
    (entry,) = response.json()["items"]
    assert (entry["actor"], entry["object"], entry["time"]) == (
        "installation",
        "token/administrator",
        "2026-09-21T14:14:20Z",
    )
    assert (entry["before"], entry["after"]) == (
        {"created": "2026-09-21T14:13:20Z"},
        {"created": "2026-09-21T14:14:20Z"},
    )
    for token in (plane.token, fresh):
        assert token not in response.text
        assert digest(token) not in response.text
    assert plane.revision() == before == entry["revision"]
    assert plane.call("GET", "/readyz").status_code == 200


def test_a_token_that_could_not_be_written_is_not_recorded_as_replaced(plane: Plane) -> None:
    with pytest.raises(OSError, match="No such file"):
        replace_token(plane.database, plane.settings.state_dir / "absent" / "admin-token", START)
    assert plane.done("GET", "/v1/audit?act=token.replace")["items"] == []


def test_tokens_differ() -> None:
    assert len({new_token() for _ in range(100)}) == 100
