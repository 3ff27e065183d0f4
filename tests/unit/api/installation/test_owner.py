"""Root acts on an installation as the user that owns it, and leaves no file of root."""

import errno
import os
import pwd
import stat
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from api.files import write_secret
from api.installation import opening, owner
from api.settings import Settings, parse_settings
from dnsfilter.errors import UnavailableError
from dnsfilter.local.private_files import Owner, acting_as

NOBODY = pwd.getpwnam("nobody")
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can change the user")


@pytest.fixture(autouse=True)
def _packaged_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "USER", "daemon")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings as packaged: both programs use the state directory, only one the database."""
    tmp_path.chmod(0o755)
    state = tmp_path / "state"
    return parse_settings({"state_dir": str(state), "database": f"sqlite:///{state}/api/db.sqlite3"}, {})


def _name(settings: Settings) -> str | None:
    found = owner.owner_of(settings)
    return None if found is None else found.pw_name


def test_the_owner_is_that_of_the_snapshots_or_the_database(settings: Settings) -> None:
    settings.state_dir.mkdir()
    assert _name(settings) is None, "root keeps a directory that only root can write to"
    (settings.state_dir / "api").mkdir()
    os.chown(settings.state_dir / "api", NOBODY.pw_uid, NOBODY.pw_gid)
    assert _name(settings) == "nobody"
    settings.snapshot_dir.mkdir()
    os.chown(settings.snapshot_dir, pwd.getpwnam("daemon").pw_uid, 0)
    assert _name(settings) == "daemon"


def test_the_owner_is_the_packaged_user_by_default(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _name(settings) == "daemon"
    settings.state_dir.mkdir()
    settings.state_dir.chmod(0o3770)
    assert _name(settings) == "daemon"
    monkeypatch.setattr(owner, "USER", "no-such-user")
    assert _name(settings) is None


def test_only_root_s_links_are_followed(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    settings.state_dir.symlink_to("elsewhere")
    assert _name(settings) is None, "root keeps a directory that only root can write to"
    os.chown(tmp_path / "elsewhere", NOBODY.pw_uid, NOBODY.pw_gid)
    assert _name(settings) == "nobody"
    os.chown(settings.state_dir, pwd.getpwnam("bin").pw_uid, 0, follow_symlinks=False)
    assert _name(settings) == "bin"


def test_a_user_without_a_name_is_known_by_number(settings: Settings) -> None:
    settings.state_dir.mkdir()
    os.chown(settings.state_dir, 54_321, 54_322)
    found = owner.owner_of(settings)
    assert found is not None
    assert (found.pw_uid, found.pw_gid) == (54_321, 54_322)


def test_the_user_owns_a_new_state_directory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    become: list[str] = []
    monkeypatch.setattr(owner, "become", lambda found, capabilities: become.append(found.pw_name))
    owner.become_owner(settings, create=False)
    assert not settings.state_dir.exists()
    owner.become_owner(settings, create=True)
    assert settings.state_dir.owner() == "daemon"
    assert become == ["daemon", "daemon"]


def test_the_user_can_enter_new_parent_directories(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "become", lambda found, capabilities: None)
    deeper = settings.state_dir / "a" / "b"
    before = os.umask(0o027)
    try:
        owner.become_owner(parse_settings({"state_dir": str(deeper)}, {}), create=True)
    finally:
        os.umask(before)
    assert deeper.owner() == "daemon"
    made = (settings.state_dir, deeper.parent)
    assert [(path.owner(), stat.S_IMODE(path.stat().st_mode)) for path in made] == [("root", 0o755)] * 2


def test_no_directory_is_left_if_the_user_cannot_be_changed(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(found: object, capabilities: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(owner, "become", refuse)
    deeper = parse_settings({"state_dir": str(settings.state_dir / "a")}, {})
    with pytest.raises(UnavailableError, match="cannot become the user daemon: Operation not permitted"):
        owner.become_owner(deeper, create=True)
    assert not settings.state_dir.exists()


def test_a_program_that_the_user_may_not_run_is_reported(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner, "become", lambda found, capabilities: None)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(UnavailableError, match="the user daemon may not run /nowhere/python: install the program"):
        owner.become_owner(settings, create=True)


def test_a_file_of_root_is_to_be_removed_by_root() -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o1777)
        token = Path(name) / "admin-token"
        token.write_text("root's")
        with acting_as(Owner(NOBODY.pw_uid, NOBODY.pw_gid)), pytest.raises(PermissionError) as failed:
            write_secret(token, b"nobody's")
    message = f"cannot write {token}: Operation not permitted; it belongs to another user: remove it as root"
    assert str(opening.unreachable("write", failed.value)) == message
