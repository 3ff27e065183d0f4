"""A file of variables is read as systemd reads it, and used for the installation that it describes."""

from pathlib import Path

import pytest

from api.installation import environment, opening
from api.installation.environment import MAX_BYTES, parse_environment, read_environment
from api.settings import parse_settings
from dnsfilter.errors import ConfigError

STATE, LISTEN = "DNSFILTER_API_STATE_DIR", "DNSFILTER_API_LISTEN"


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the packaged file of an installation in `state`."""
    file = tmp_path / "api.env"
    file.write_text(f"{STATE}='{tmp_path}/state'\n{LISTEN}=127.0.0.1:8081\nPGPASSFILE=/etc/dnsfilter/pgpass\n")
    monkeypatch.setattr(environment, "PACKAGED", file)
    monkeypatch.setattr(opening, "PACKAGED", file)
    return file


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=b", {"A": "b"}),
        ("# A=1\n; B=2\n C = b c \nD=\n", {"C": "b c", "D": ""}),
        ('A="x y"\nB=\'x "y\\\'\n', {"A": "x y", "B": 'x "y\\'}),
        ('A="a\\"b\\$\\q\\\nc"\nB=1', {"A": 'a"b$\\qc', "B": "1"}),
        ("A=a\\ \nB=a\\\nb  \n", {"A": "a ", "B": "ab"}),
        ('A=a"b"\n', {"A": 'a"b"'}),
        ("A=\"a\" 'b' c d \n", {"A": "abc d"}),
        ("nothing\nA=b=c\r\nB=#1\r\n", {"A": "b=c", "B": "#1"}),
        ("1A=2\nB=3", {"B": "3"}),
        ("=1\n='x\nB=3", {"B": "3"}),
        ("A=1\nA=2", {"A": "2"}),
        ('A="x\ny"\nB="z', {"A": "x\ny", "B": "z"}),
        ("# c \\\nA=1\n", {"A": "1"}),
    ],
)
def test_the_file_is_read_as_systemd_reads_it(text: str, expected: dict[str, str]) -> None:
    assert parse_environment(text) == expected


def test_the_packaged_file_is_used_by_default(packaged: Path, tmp_path: Path) -> None:
    found = read_environment({"HOME": "/"})
    assert found == {**parse_environment(packaged.read_text()), "HOME": "/"}
    assert read_environment({}, f"{tmp_path}/state")[LISTEN] == "127.0.0.1:8081", "the file names this directory"


def test_the_packaged_file_is_not_used_for_another_installation(packaged: Path, tmp_path: Path) -> None:
    assert read_environment({}, str(tmp_path / "other")) == {}
    assert read_environment({LISTEN: "127.0.0.1:1"}) == {LISTEN: "127.0.0.1:1"}
    packaged.unlink()
    assert read_environment({}) == {}


def test_the_environment_overrides_a_named_file(packaged: Path, tmp_path: Path) -> None:
    named = tmp_path / "named"
    named.write_text(f"{STATE}=/srv/dnsfilter\n{LISTEN}=127.0.0.1:2\n")
    found = read_environment({LISTEN: "127.0.0.1:1"}, str(tmp_path), named)
    assert found == {STATE: "/srv/dnsfilter", LISTEN: "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "cannot read .*: Is a directory; run the command as root, or name another file"),
        (lambda path: path.write_bytes(b"A=1\n" * MAX_BYTES), f"more than {MAX_BYTES} bytes"),
        (lambda path: path.write_bytes(b"A=\xff\n"), "is not UTF-8 text"),
    ],
)
def test_an_unusable_named_file_is_an_error(tmp_path: Path, make: object, said: str) -> None:
    assert callable(make)
    make(tmp_path / "file")
    with pytest.raises(ConfigError, match=said):
        read_environment({}, None, tmp_path / "file")


def test_an_unreadable_packaged_file_is_an_error_unless_another_installation_is_named(
    packaged: Path, tmp_path: Path
) -> None:
    packaged.unlink()
    packaged.mkdir()  # root could read a file without permissions
    with pytest.raises(ConfigError, match="cannot read"):
        read_environment({})
    assert read_environment({}, str(tmp_path / "other")) == {}


def test_the_printed_command_omits_settings_of_the_packaged_file(packaged: Path, tmp_path: Path) -> None:
    settings = parse_settings({"state_dir": str(tmp_path / "state")}, {})
    assert opening.command("new-token", settings) == "dnsfilter-api new-token"
    assert opening.start_command(settings) == "systemctl start dnsfilter-api"
    other = parse_settings({"state_dir": str(tmp_path / "state"), "database": "sqlite:////srv/one"}, {})
    assert opening.command("", other) == f"dnsfilter-api --state-dir {tmp_path}/state --database sqlite:////srv/one"
    assert opening.start_command(other) == opening.command("", other)
