"""After an account is erased, the names of its person remain nowhere."""

import logging
from io import BytesIO
from zipfile import ZipFile, is_zipfile

import pytest

from api.db.models import NameRow
from tests.unit.api.conftest import Plane

BAN = "/v1/authorities/town/bans/alpha"
_LOGIN, _NAME = "erasable-login", "Erasable Name"


def _erasable(plane: Plane) -> int:
    """Create an account with those names that has acted. Its creation has a stored answer under an idempotency key."""
    body = {"kind": "user", "login": _LOGIN, "name": _NAME, "authority": "town"}
    headers = {"Authorization": f"Bearer {plane.token}", "Idempotency-Key": "made"}
    number: int = plane.done("POST", "/v1/accounts", body, headers=headers)["number"]
    grant = {"account": number, "role": "operator", "authority": "town", "reason": "for a test", "for": "1 year"}
    plane.done("POST", "/v1/grants", grant)
    token = plane.done("POST", f"/v1/accounts/{number}/tokens", {"label": "test", "for": "90 days"})["token"]
    plane.done("PATCH", BAN, {"mode": "off"}, token=token)
    return number


def _reported(plane: Plane) -> bytes:
    """Return an administrator's answers to GET of all paths without parameters, with backup and archive unpacked."""
    texts = []
    for path, methods in plane.app.openapi()["paths"].items():
        if "get" in methods and "{" not in path:
            answer = plane.call("GET", path, params={"names": "true"} if path == "/v1/archive" else None)
            content = answer.content
            if is_zipfile(BytesIO(content)):
                with ZipFile(BytesIO(content)) as file:
                    content = b"".join(map(file.read, file.namelist()))
            texts.append(content)
    return b"".join(texts)


def test_an_erased_name_is_in_no_answer_export_backup_or_log(town: Plane, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    number = _erasable(town)
    before = _reported(town)
    # The names occur in a list, a backup and an archive.
    assert before.count(_LOGIN.encode()) >= 3
    assert before.count(_NAME.encode()) >= 3
    town.done("DELETE", f"/v1/accounts/{number}/name")
    after = _reported(town) + town.call("GET", f"/v1/accounts/{number}").content
    assert (_LOGIN.encode() in after, _NAME.encode() in after) == (False, False)
    assert (_LOGIN in caplog.text, _NAME in caplog.text) == (False, False)


def _held(plane: Plane) -> bytes:
    """Return the content of all files in the state directory."""
    return b"".join(path.read_bytes() for path in plane.settings.state_dir.rglob("*") if path.is_file())


def test_an_erased_name_is_in_no_page_of_the_database(town: Plane) -> None:
    number = _erasable(town)
    assert (_LOGIN.encode() in _held(town), _NAME.encode() in _held(town)) == (True, True)
    town.done("DELETE", f"/v1/accounts/{number}/name")
    assert (_LOGIN.encode() in _held(town), _NAME.encode() in _held(town)) == (False, False)


def test_an_erased_name_leaves_the_log_with_the_next_act_after_whoever_read(town: Plane) -> None:
    number = _erasable(town)
    with town.database.reading() as reader:
        assert reader.get(NameRow, number) is not None
        town.done("DELETE", f"/v1/accounts/{number}/name")
        assert _LOGIN.encode() in _held(town)
    town.done("PATCH", BAN, {"mode": "monitor"})
    assert _LOGIN.encode() not in _held(town)
