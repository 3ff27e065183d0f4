"""The administrator's token: made once, kept secret."""

import stat

from api.auth.tokens import digest, holder, make_first_token, new_token, replace_token
from api.db.models import TokenRow
from tests.unit.api.conftest import Plane


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


def test_tokens_differ() -> None:
    assert len({new_token() for _ in range(100)}) == 100
