"""An installation is made once, by an explicit command, and only if there is no trace of one."""

import shutil
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from api.auth.tokens import Refused, authenticate, load_key
from api.db.session import Database
from api.installation import commands, opening
from api.settings import Settings, parse_settings
from dnsfilter.errors import ConfigError, UnavailableError
from tests.support.ports import free_port
from tests.support.postgresql import Server

pytestmark = pytest.mark.heavy


@pytest.fixture(params=["sqlite", "postgresql"])
def settings(tmp_path: Path, request: pytest.FixtureRequest) -> Settings:
    """Return settings of an installation that is not made yet."""
    url = request.getfixturevalue("server").make() if request.param == "postgresql" else None
    return parse_settings({"state_dir": str(tmp_path / "state"), "database": url}, {})


@pytest.fixture
def made(tmp_path: Path) -> Settings:
    """Return settings of an installation on SQLite."""
    found = parse_settings({"state_dir": str(tmp_path / "state")}, {})
    commands.create(found)
    return found


def _is_known(settings: Settings, token: str) -> bool:
    with closing(Database(settings.database)) as database, database.reading() as session:
        return not isinstance(authenticate(session, load_key(settings.token_key_path), token, 0, ""), Refused)


def _files(settings: Settings) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in settings.state_dir.rglob("*") if path.is_file()}


def test_an_installation_is_made_once(settings: Settings) -> None:
    with pytest.raises(ConfigError, match=r"does not exist, or is empty.*type: dnsfilter-api init --state-dir"):
        opening.demand_installation(settings)
    assert commands.is_first_start(settings)
    commands.create(settings)
    opening.demand_installation(settings)
    assert not commands.is_first_start(settings)
    token = settings.token_path.read_text().strip()
    with pytest.raises(ConfigError, match=r"already holds an installation\. To start it, type: dnsfilter-api --s"):
        commands.create(settings)
    assert _is_known(settings, token)


def test_check_says_that_an_installation_is_missing_and_which_addresses_are_in_use(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = {"state_dir": str(tmp_path), "listen": f"127.0.0.1:{taken.getsockname()[1]}"}
        given["metrics_listen"] = f"127.0.0.1:{free_port()}"
        settings = parse_settings(given, {})
        with pytest.raises(ConfigError, match=r"^DNSFILTER_API_LISTEN: .*in use") as raised:
            commands.check(settings)
        assert len(raised.value.problems) == 1
        commands.create(settings)
        assert commands.check(settings) == "the settings are valid"
    other = parse_settings({**given, "state_dir": str(tmp_path / "other")}, {})
    assert "there is no installation yet: dnsfilter-api init" in commands.check(other)


@pytest.mark.parametrize("left", ["token-key", "snapshot-key", "checkpoint-key", "admin-token"])
def test_nothing_is_made_if_only_the_database_is_missing(made: Settings, left: str) -> None:
    for path in made.state_dir.iterdir():
        if path.name != left:
            path.unlink()
    before = _files(made)
    assert not commands.is_first_start(made)
    for action in (commands.create, commands.make_token, commands.make_missing_keys, commands.accept):
        with pytest.raises(ConfigError, match=f"files of an installation do: .*{left}.*restore a backup"):
            action(made)
        assert _files(made) == before


def test_an_interrupted_init_can_be_finished(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(commands, "make_first_token", interrupted)
        with pytest.raises(KeyboardInterrupt):
            commands.make_installation(settings)
    assert settings.token_key_path.exists()
    assert commands.is_first_start(settings)
    commands.create(settings)
    assert _is_known(settings, settings.token_path.read_text().strip())


def test_missing_keys_are_made_only_by_a_command(made: Settings) -> None:
    assert commands.make_missing_keys(made) == "no key is missing"
    before, old = made.snapshot_key.read_bytes(), made.token_path.read_text().strip()
    made.token_key_path.unlink()
    with pytest.raises(UnavailableError, match=r"token-key does not exist: restore the key.*dnsfilter-api new-keys"):
        commands.make_token(made)
    assert made.token_path.read_text().strip() == old
    commands.make_missing_keys(made)
    assert made.snapshot_key.read_bytes() == before
    assert [_is_known(made, token) for token in (old, made.token_path.read_text().strip())] == [False, True]


def test_a_key_of_another_installation_is_refused(made: Settings, tmp_path: Path) -> None:
    other = parse_settings({"state_dir": str(tmp_path / "other")}, {})
    commands.create(other)
    shutil.copy(other.token_key_path, made.token_key_path)
    with pytest.raises(ConfigError, match="are of different installations"):
        commands.make_token(made)


def test_a_link_to_the_database_has_the_same_lock(made: Settings, tmp_path: Path) -> None:
    link = tmp_path / "link.sqlite3"
    link.symlink_to(made.state_dir / "dnsfilter.sqlite3")
    linked = parse_settings({"state_dir": str(made.state_dir), "database": f"sqlite:///{link}"}, {})
    with commands.exclusive_access(made), pytest.raises(UnavailableError, match=r"uses the database .*link.sqlite3"):
        commands.make_missing_keys(linked)


def test_nothing_is_made_on_postgresql_while_another_process_has_the_turn(server: Server, tmp_path: Path) -> None:
    url = server.make()
    settings = parse_settings({"state_dir": str(tmp_path / "state"), "database": url}, {})
    refused = pytest.raises(UnavailableError, match=r"another control plane uses the database .*: stop it first")
    with commands.exclusive_access(settings), refused:
        commands.create(settings)
    commands.create(settings)


def test_an_installation_that_appears_during_init_is_not_made_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands.make_installation(settings)
    before = _files(settings)
    looks = iter((lambda _settings: None, opening.demand_no_installation))
    monkeypatch.setattr(commands, "demand_no_installation", lambda given: next(looks)(given))
    with pytest.raises(ConfigError, match="already holds an installation"):
        commands.make_installation(settings)
    assert _files(settings) == before


def test_the_printed_command_names_keys_in_other_directories(tmp_path: Path) -> None:
    settings = parse_settings({"state_dir": str(tmp_path), "snapshot_key": "/keys/snapshot-key"}, {})
    assert opening.command("init", settings).endswith(
        f"dnsfilter-api init --state-dir {tmp_path} --snapshot-key /keys/snapshot-key"
    )


def test_a_file_that_is_not_a_database_is_reported_as_damaged(made: Settings) -> None:
    (made.state_dir / "dnsfilter.sqlite3").write_bytes(b"x" * 4096)
    with pytest.raises(UnavailableError, match=r"dnsfilter.sqlite3 is damaged: .*restore a backup"):
        opening.demand_installation(made)


def test_messages_hide_the_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://dnsfilter:secret@db.example.org/dnsfilter"
    settings = parse_settings({"state_dir": str(tmp_path), "database": url}, {})
    messages = opening.database_name(settings) + opening.command("init", settings)
    assert ("secret" in messages, messages.count("db.example.org")) == (False, 2)


def test_what_makes_an_installation_takes_no_memory_of_the_server(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from api.installation import commands\n"
        "from api.settings import parse_settings\n"
        f"print(commands.create(parse_settings({{'state_dir': {str(tmp_path / 'state')!r}}}, {{}})))\n"
        "print('alembic' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("made ")
    assert done.stdout.endswith("\nFalse\n")
