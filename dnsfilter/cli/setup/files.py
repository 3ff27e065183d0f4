"""The files of /etc/dnsfilter: checked next to the ones in use, then put in their place all together."""

import grp
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dnsfilter.cli.options import program_path
from dnsfilter.disk import sync_directory, write_atomically
from dnsfilter.errors import ConfigError, Problem, UnavailableError
from dnsfilter.telemetry.terminal import say

STAGED = ".setup"
_MODE = 0o640


@dataclass(frozen=True, slots=True)
class Draft:
    """A file as it is, None if it is missing, and as it should be. `group` may read it."""

    path: Path
    before: str | None
    text: str
    group: str

    @property
    def is_changed(self) -> bool:
        """Return whether the file is to be written."""
        return self.before != self.text

    @property
    def staged(self) -> Path:
        """The path next to the file where it is checked."""
        return self.path.with_name(self.path.name + STAGED)


def read_text(path: Path) -> str | None:
    """Return the text of a file, None if it does not exist. Raise ConfigError if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError((Problem(str(path), f"cannot be read: {error}"),)) from error


@contextmanager
def staged(drafts: Sequence[Draft]) -> Iterator[None]:
    """Write the drafts next to their files during the block. Raise UnavailableError."""
    try:
        for draft in drafts:
            _stage(draft)
        yield
    finally:
        for draft in drafts:
            draft.staged.unlink(missing_ok=True)


def _stage(draft: Draft) -> None:
    try:
        group = grp.getgrnam(draft.group).gr_gid
        draft.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomically(draft.staged, draft.text.encode(), sync=True, mode=_MODE)
        os.chown(draft.staged, 0, group)
        draft.staged.chmod(_MODE)
    except KeyError as error:
        message = f"there is no group {draft.group}: install the package, or type systemd-sysusers"
        raise UnavailableError(message) from error
    except OSError as error:
        raise UnavailableError(f"write {draft.staged}: {(error.strerror or str(error)).lower()}") from error


def put_in_place(drafts: Sequence[Draft]) -> list[tuple[Path, Path | None]]:
    """Make staged drafts the files, and print each at once on standard error.

    Return each changed file with the copy of the one before, if there was one.
    """
    done = []
    for draft in drafts:
        if draft.is_changed:
            copy = _keep(draft)
            draft.staged.rename(draft.path)
            sync_directory(draft.path.parent)
            kept = "" if copy is None else f"; previous version: {copy}"
            say(f"wrote {draft.path}{kept}", file=sys.stderr)
            done.append((draft.path, copy))
    return done


def _keep(draft: Draft) -> Path | None:
    """Give the file in use a second name. Return that name."""
    if draft.before is None:
        return None
    copy = draft.path.with_name(f"{draft.path.name}.{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    os.link(draft.path, copy)  # the name in use is never missing
    return copy


def check_problems(arguments: Sequence[str], drafts: Sequence[Draft]) -> list[str]:
    """Return what `dnsfilter check` finds in staged drafts, as the node's user. Problems name the files in use."""
    done = subprocess.run(
        [program_path("dnsfilter"), "check", *arguments, "--json"], capture_output=True, text=True, check=False
    )
    try:
        problems: list[str] = json.loads(done.stdout)["problems"]
    except ValueError as error:
        raise UnavailableError(f"check the files: {done.stderr.strip() or done.stdout.strip()}") from error
    for draft in drafts:
        problems = [problem.replace(str(draft.staged), str(draft.path)) for problem in problems]
    return problems


def check_settings(environment: Draft) -> tuple[list[str], bool]:
    """Return what `dnsfilter-api check` finds in the staged settings, and whether there is no installation yet."""
    command = [program_path("dnsfilter-api"), "check", "--env-file", str(environment.staged)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("DNSFILTER_API_")}
    done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        lines = done.stderr.replace(str(environment.staged), str(environment.path)).splitlines()
        return [line.removeprefix("dnsfilter-api: ") for line in lines], False
    return [], "no installation" in done.stdout
