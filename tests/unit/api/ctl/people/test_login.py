"""login, logout and whoami: a token is checked before it is kept, and repeated by nothing."""

import io
import json
import stat
from pathlib import Path

import pytest

from api.ctl.remote.token_file import VARIABLE, kept_path
from tests.unit.api.ctl.conftest import TOKEN, Ctl, Scripted, Served


class Terminal(io.TextIOWrapper):
    """Standard input that is somebody's keyboard."""

    def isatty(self) -> bool:
        return True


def _piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


@pytest.fixture
def desk(served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The token of an operator of Ghent, in a directory where there is no other."""
    _, token = served.plane.account("desk", ("operator", "ghent"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return token


def _kept(tmp_path: Path, url: str) -> Path:
    path = kept_path({"XDG_CONFIG_HOME": str(tmp_path / "configuration")}, url)
    assert path is not None
    return path


def test_a_token_is_kept_used_and_forgotten(
    served: Served, ctl: Ctl, desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ctl("ban", "list").code == 3
    _piped(monkeypatch, f"{desk}\n")
    done = ctl("login")
    file = _kept(tmp_path, served.url)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(
        f"logged in at {served.url} as desk (account 2); the token lasts through 20 December 2026\n"
    )
    assert f"it is kept in {file}" in done.out
    assert desk not in done.out
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == (f"{desk}\n", 0o600)
    assert "role       operator of ghent  Stad Gent" in ctl("whoami").out
    assert ctl("logout").out == f"removed {file}\n"
    assert ctl("whoami").code == 3
    assert ctl("logout").out == f"no token was kept for {served.url}\n"
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


def test_a_token_comes_from_a_file_with_a_warning_where_others_read_it(
    served: Served, ctl: Ctl, desk: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = tmp_path / "given"
    given.write_text(desk)
    given.chmod(0o644)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "other"))
    done = ctl("login", "--token-file", str(given), "--json")
    assert done.code == 0
    told = json.loads(done.out)
    assert (told["account"]["login"], told["file"]) == ("desk", str(_kept(tmp_path, served.url)))
    assert "can be read by others (mode 0644)" in done.err
    assert "DNSFILTER_TOKEN_FILE is set, and its file comes before what is kept" in done.err
    assert desk not in done.out + done.err


@pytest.mark.parametrize("typed", [TOKEN, "", "two words", "x" * 2000])
def test_a_token_that_is_not_taken_is_not_kept(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str
) -> None:
    _piped(monkeypatch, typed)
    done = ctl("login")
    assert (done.code, done.out) == (3, "")
    assert not _kept(tmp_path, served.url).exists()
    assert not typed or typed not in done.err


def test_where_there_is_no_home_nothing_is_asked(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.delenv("HOME", raising=False)
    done = ctl("login")
    assert (done.code, "set HOME or XDG_CONFIG_HOME" in done.err) == (2, True)
    assert ctl("logout").code == 0


def test_a_token_is_sent_to_the_control_plane_that_it_was_kept_for_alone(
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


def test_before_a_token_is_asked_for_it_is_said_that_it_goes_unencrypted(
    ctl: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    _piped(monkeypatch, TOKEN)
    done = ctl("--api", "http://0.0.0.0:1", "login")
    assert done.code == 4
    assert done.err.startswith("dnsfilterctl: warning: the token goes to http://0.0.0.0:1 unencrypted: use https\n")
