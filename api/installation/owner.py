"""Drop root's privileges to the user that owns the installation, so that root does not own new files."""

import os
import pwd
import stat
import sys
from pathlib import Path

from api.files import make_directories
from api.installation.opening import database_file
from api.settings import Settings
from dnsfilter.errors import UnavailableError
from dnsfilter.worker.privileges import become

USER = "dnsfilter-api"
"""The packaged user of the control plane."""
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def owner_of(settings: Settings) -> pwd.struct_passwd | None:
    """Return the user that shall own the installation's files. Return None for root, and if the caller is not root.

    That is the owner of the snapshot directory, else of the database's directory, else of the state directory. If root
    owns these, it is the packaged user, unless only root can write to the state directory. Raise UnavailableError.
    """
    if os.geteuid() != 0:
        return None
    file, state_dir = database_file(settings), _status(settings.state_dir)
    for path in (settings.snapshot_dir, settings.state_dir if file is None else file.parent, settings.state_dir):
        status = _status(path)
        if status is not None and status.st_uid != 0:
            return _user(status)
    if state_dir is not None and not state_dir.st_mode & _OTHERS:
        return None
    try:
        return pwd.getpwnam(USER)
    except KeyError:
        return None


def become_owner(settings: Settings, *, create: bool) -> None:
    """Switch to the user of `owner_of`. With `create`, make the state directory for it. Raise UnavailableError."""
    user = owner_of(settings)
    if user is None:
        return
    try:
        with make_directories({settings.state_dir: 0o750} if create else {}, user):
            become(user, ())
    except OSError as error:
        raise UnavailableError(f"cannot become the user {user.pw_name}: {error.strerror}") from error
    if not os.access(sys.executable, os.X_OK):
        message = f"the user {user.pw_name} may not run {sys.executable}: install the program where that user may"
        raise UnavailableError(message)


def _status(path: Path) -> os.stat_result | None:
    """Return the status of a path, or None. Follow only root's links: anybody may have made other ones."""
    try:
        status = path.lstat()
        return path.stat() if stat.S_ISLNK(status.st_mode) and status.st_uid == 0 else status
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise UnavailableError(f"cannot read {path}: {error.strerror}") from error


def _user(owner: os.stat_result) -> pwd.struct_passwd:
    """Return a file's owner, by number if this machine does not know the user, as in a container."""
    try:
        return pwd.getpwuid(owner.st_uid)
    except KeyError:
        return pwd.struct_passwd((f"#{owner.st_uid}", "x", owner.st_uid, owner.st_gid, "", "/", ""))
