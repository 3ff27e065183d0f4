"""login, logout and whoami: a token is checked before it is stored, and never printed."""

import io
import json
import stat
from pathlib import Path

import pytest

from api.ctl.remote.token_file import VARIABLE, stored_path
from tests.unit.api.ctl.conftest import TOKEN, Ctl, Scripted, Served


class Terminal(io.TextIOWrapper):
    """Standard input that is a terminal."""

    def isatty(self) -> bool:
        return True


def _piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.fixture
def desk(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the token of an operator of Ghent; the working directory has no token file."""
    _, token = served.plane.account("desk", ("operator", "ghent"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return token


def _kept(tmp_path: Path, url: str) -> Path:
    path = stored_path({"XDG_CONFIG_HOME": str(tmp_path / "configuration")}, url)
    assert path is not None
    return path


def test_token_is_stored_used_and_removed(
    served: Served, ctl: Ctl, desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ctl("ban", "list").code == 3
    _piped(monkeypatch, f"{desk}\n")
    done = ctl("login")
    file = _kept(tmp_path, served.url)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"logged in at {served.url} as desk (account 2); token valid through 20 December 2026\n")
    assert f"stored in {file}" in done.out
    assert desk not in done.out
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (f"{desk}\n", 0o600)
    assert "role       operator of ghent  Stad Gent" in ctl("whoami").out
    assert ctl("logout").out == f"removed {file}\n"
    assert ctl("whoami").code == 3
    assert ctl("logout").out == f"no token is stored for {served.url}\n"
    assert served.plane.call("GET", "/v1/self", token=desk).status_code == 200


def test_a_token_is_asked_for_without_echo(
    served: Served, ctl: Ctl, desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return desk

    monkeypatch.setattr("sys.stdin", Terminal(io.BytesIO()))
    monkeypatch.setattr("getpass.getpass", typed)
    assert ctl("login").code == 0
    assert asked == ["token: "]
    assert _kept(tmp_path, served.url).read_text() == f"{desk}\n"


def test_token_from_a_file_that_others_can_read_gives_a_warning(
    served: Served, ctl: Ctl, desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    given.write_text(desk)
    given.chmod(0o644)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other"))
    done = ctl("login", "--token-file", str(given), "--json")
    assert done.code == 0
    found = json.loads(done.out)
    assert (found["account"]["login"], found["file"]) == ("desk", str(_kept(tmp_path, served.url)))
    assert f"others can read the token file {given} (mode 0644)" in done.err
    assert "DNSFILTER_TOKEN_FILE is set, and its file is used instead of the stored token" in done.err
    assert desk not in done.out + done.err


@pytest.mark.parametrize("typed", [TOKEN, "", "two words", "x" * 2000])
def test_rejected_token_is_not_stored(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    _piped(monkeypatch, typed)
    done = ctl("login")
    assert (done.code, done.out) == (3, "")
    assert not _kept(tmp_path, served.url).exists()
    assert not typed or typed not in done.err


def test_login_without_a_home_directory_asks_nothing(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME", raising=False)
    done = ctl("login")
    assert (done.code, "Set HOME or XDG_CONFIG_HOME" in done.err) == (2, True)
    assert ctl("logout").code == 0


def test_stored_token_is_sent_only_to_its_control_plane(
    scripted: Scripted, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "admin-token").unlink()
    kept = _kept(tmp_path, "http://127.0.0.1:1")
    kept.parent.mkdir(parents=True)
    kept.write_text(TOKEN)
    kept.chmod(0o600)
    assert ctl("ban", "list").code == 3
    assert scripted.spoken == []
    assert ctl("ban", "list", "--api", "http://127.0.0.1:1/").code == 4


def test_login_warns_before_it_asks_that_the_token_goes_unencrypted(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    _piped(monkeypatch, TOKEN)
    done = ctl("--api", "http://0.0.0.0:1", "login")
    assert done.code == 4
    assert done.err.startswith("dnsfilterctl: warning: the token goes to http://0.0.0.0:1 unencrypted. Use https.\n")
