"""The token comes from the first file found, and is never printed."""

import os
from pathlib import Path

import pytest

from api.ctl.exit_codes import Denied, WrongInput
from api.ctl.remote import token_file
from api.ctl.remote.token_file import load_token, store_token, stored_path

URL = "https://dns.example.org"
SECRET = "dnsf_abcdefghijklmnopqrstuvwxyz"


def _write(path: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return path


def test_order_is_option_environment_stored_token_working_directory(
    tmp_path: Path,
) -> None:
    environ = {"DNSFILTER_TOKEN_FILE": str(_write(tmp_path / "of-environment", "environment\n"))}
    option = str(_write(tmp_path / "of-option", "option"))
    of_login = {"HOME": str(tmp_path / "home")}
    _write(tmp_path / "admin-token", "plain")
    assert load_token(None, of_login, URL).value == "plain"
    _write(tmp_path / ".run" / "admin-token", "run")
    assert load_token(None, of_login, URL).value == "run"
    store_token(tmp_path / "home" / ".config" / "dnsfilter" / "tokens" / "https%3A%2F%2Fdns.example.org", "kept")
    assert load_token(None, of_login, URL).value == "kept"
    environ |= of_login
    assert load_token(None, environ, URL).value == "environment"
    assert load_token(option, environ, URL).value == "option"


def test_message_without_a_token_says_what_to_do() -> None:
    with pytest.raises(Denied, match=r"\./\.run/admin-token and \./admin-token do not exist here.*--token-file"):
        load_token(None, {}, URL)


def test_token_of_the_installed_control_plane_goes_only_to_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_file, "INSTALLED", _write(tmp_path / "state" / "admin-token"))
    assert load_token(None, {}, token_file.DEFAULT_URL).value == SECRET
    with pytest.raises(Denied):
        load_token(None, {}, URL)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        (0o700, r"admin-token does not exist\. If it is lost, type as root: dnsfilter-api new-token --keep\. Or name"),
        (0o300, r"only root can read .*/admin-token\. Type the command as root\. Or name"),
    ],
)
def test_lost_token_of_the_installed_control_plane_is_named_with_the_command_that_writes_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, expected: str
) -> None:
    monkeypatch.setattr(token_file, "INSTALLED", tmp_path / "state" / "admin-token")
    (tmp_path / "state").mkdir()
    # Root may read everything.
    monkeypatch.setattr("os.access", lambda path, wanted: mode >> 6 & wanted == wanted and Path(path).exists())
    named = {token_file.VARIABLE: str(token_file.INSTALLED)}
    for environ, url in (({}, token_file.DEFAULT_URL), (named, URL)):
        with pytest.raises(Denied, match=expected):
            load_token(None, environ, url)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("token", "Type `dnsfilterctl login` to store another."),
        (
            "admin-token",
            "If it is the installation's own, `dnsfilter-api new-token --keep --state-dir {state}` on its machine",
        ),
        ("installed/admin-token", "If it is the installation's own, `dnsfilter-api new-token --keep` on its machine"),
    ],
)
def test_remedy_for_a_token_that_is_not_accepted_depends_on_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, expected: str
) -> None:
    monkeypatch.setattr(token_file, "INSTALLED", tmp_path / "installed" / "admin-token")
    remedy = load_token(str(_write(tmp_path / file)), {}, URL).remedy
    assert remedy.startswith(expected.format(state=tmp_path))


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o660, 0o622])
def test_file_that_others_can_access_is_used_with_a_warning(tmp_path: Path, mode: int) -> None:
    path = _write(tmp_path / "token", mode=mode)
    found = load_token(str(path), {}, URL)
    assert found.value == SECRET
    assert found.warning is not None
    assert f"mode {mode:04o}" in found.warning
    assert SECRET not in found.warning


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_private_file_is_used_without_a_warning(tmp_path: Path, mode: int) -> None:
    assert load_token(str(_write(tmp_path / "token", mode=mode)), {}, URL).warning is None


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.write(writing, f"{SECRET}\n".encode())
    os.close(writing)
    found = load_token(f"/dev/fd/{reading}", {}, URL)
    os.close(reading)
    assert (found.value, found.warning) == (SECRET, None)


@pytest.mark.parametrize("text", ["", "\n", f"{SECRET} x", f"{SECRET}\r\nX-Other: 1", "é" + SECRET, SECRET * 100])
def test_a_file_that_holds_no_token_is_refused_without_repeating_it(tmp_path: Path, text: str) -> None:
    with pytest.raises(Denied, match="holds no token") as caught:
        load_token(str(_write(tmp_path / "token", text)), {}, URL)
    assert SECRET not in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(Denied, match=r"cannot read the token file .*: Is a directory"):
        load_token(str(tmp_path), {}, URL)


def test_repr_of_a_token_hides_it(tmp_path: Path) -> None:
    assert SECRET not in repr(load_token(str(_write(tmp_path / "token")), {}, URL))


@pytest.mark.parametrize(
    ("environ", "directory"),
    [
        ({"XDG_CONFIG_HOME": "/etc/one", "HOME": "/srv/one"}, "/etc/one"),
        ({"XDG_CONFIG_HOME": "relative", "HOME": "/srv/one"}, "/srv/one/.config"),
        ({"XDG_CONFIG_HOME": "", "HOME": "/srv/one"}, "/srv/one/.config"),
        ({"HOME": "relative"}, None),
        ({}, None),
    ],
)
def test_stored_token_is_in_the_users_configuration(environ: dict[str, str], directory: str | None) -> None:
    found = stored_path(environ, URL)
    assert found == (directory and Path(directory) / "dnsfilter" / "tokens" / "https%3A%2F%2Fdns.example.org")


def test_stored_token_is_for_one_control_plane_and_one_user(tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "configuration")}
    path = stored_path(environ, URL)
    assert path is not None
    store_token(path, SECRET)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    found = load_token(None, environ, URL)
    assert (found.value, found.warning) == (SECRET, None)
    for other in ("http://dns.example.org", "https://dns.example.org:8443", "unix:/run/api.sock"):
        with pytest.raises(Denied, match="dnsfilterctl login"):
            load_token(None, environ, other)


def test_error_of_storing_a_token_hides_it(tmp_path: Path) -> None:
    _write(tmp_path / "file")
    with pytest.raises(WrongInput, match=r"cannot create .*: (Not a directory|File exists)") as caught:
        store_token(tmp_path / "file" / "token", SECRET)
    assert SECRET not in str(caught.value)
