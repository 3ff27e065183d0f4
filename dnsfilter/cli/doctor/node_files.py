"""The disk, and what the node cannot read, write or bind as its user. This writes nothing and leaves no file."""

import errno
import os
import pwd
import re
import shutil
import socket
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from dnsfilter.cli.doctor.findings import Finding, Outcome, Subject
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Config, Endpoint
from dnsfilter.config.own_addresses import has_address
from dnsfilter.config.resolved import STATE_FILE
from dnsfilter.control.identity import load_identity, load_token
from dnsfilter.errors import UnavailableError
from dnsfilter.supervisor.sockets import BOTH, TCP, check_free, is_shared
from dnsfilter.supervisor.start import become_node_user
from dnsfilter.worker.privileges import CAP_NET_BIND_SERVICE, holds, node_user, unprivileged_user

LEAST_BYTES = 256 << 20
LEAST_SHARE = 0.05

PAGE_S = 1.0
MAX_PAGE_BYTES = 1 << 20
_OF_SNAPSHOTS = re.compile(r"current|.*\.(manifest|names|ranges|rules)")


def disk(subject: Subject) -> Outcome:
    """Find a disk with no room for snapshots and the journal."""
    directory = subject.config.state_dir
    try:
        use, files = shutil.disk_usage(directory), os.statvfs(directory)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        return Outcome((Finding(f"{directory}: {reason}", f"type {subject.command('check')}"),))
    room = f"{use.free >> 20} MiB of {use.total >> 20} MiB are free at {directory}"
    findings = []
    if use.free < min(LEAST_BYTES, LEAST_SHARE * use.total):
        findings.append(
            Finding(room, f"remove or move other files; to see what is large: du -xh {directory} | sort -h")
        )
    if files.f_files and files.f_favail < LEAST_SHARE * files.f_files:
        text = f"{files.f_favail} of {files.f_files} inodes are free at {directory}"
        findings.append(Finding(text, f"remove small files; to count them: du --inodes -x {directory} | sort -n"))
    return Outcome(tuple(findings), room)


@dataclass(frozen=True, slots=True)
class Checkup:
    """The problems of the node's user, and the ports that this process may not try."""

    user: str
    problems: tuple[str, ...]
    not_tried: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Caller:
    """The user that the check runs as, and the node's user if that needs root."""

    name: str
    instead_of: str | None

    def advice(self, command: str) -> str:
        """Return what to do. For another user than the node's, the command would give that user the node's files."""
        if self.instead_of is None:
            return f"type {command}"
        return f"run the check as root, to check as user {self.instead_of}"


def check_up(
    config: Config, files: Iterable[Path], store: Path, *, by_policy: bool, with_ports: bool = True
) -> Checkup:
    """Become the user that `serve` would become, and try everything that it needs. This process stays that user.

    `files` are those named on the command line, `store` is the directory of snapshots. A port that a running node holds
    is not a problem.
    """
    problems: list[str] = []
    try:
        user = unprivileged_user(config.user)
        if user is not None:
            problems += become_node_user(user)
    except UnavailableError as error:
        return Checkup(config.user or "", (str(error),))
    caller = _caller(config)
    own = [store, *((config.state_dir / STATE_FILE,) if by_policy else ())]
    written = [config.node_dir, *((config.state_dir, store) if by_policy else ())]
    if store.is_relative_to(config.node_dir):
        written.append(store)
    encrypted = config.encrypted
    given = [encrypted.certificate, encrypted.key, encrypted.client_ca] if encrypted.endpoints else []
    named = [path for path in (config.control_plane.ca, *given) if path is not None]
    problems += _unreadable([*files, *named, *_own_files(own)], caller)
    problems += () if by_policy else _identity_problems(config)
    problems += (text for directory in dict.fromkeys(written) for text in _unwritable(directory, caller))
    refused, not_tried = _ports(config) if with_ports else ([], ())
    return Checkup(caller.name, (*problems, *refused), not_tried)


def _caller(config: Config) -> _Caller:
    own, user = os.geteuid(), node_user(config.user)
    try:
        name = pwd.getpwuid(own).pw_name
    except KeyError:
        name = str(own)
    return _Caller(name, None if user is None or own in (0, user.pw_uid) else user.pw_name)


def _identity_problems(config: Config) -> Iterator[str]:
    """Yield a problem if the node cannot read its identity, or if it has none, its one-time token."""
    control = config.control_plane
    if control.url is None:
        return
    try:
        if load_identity(config.node_dir) is None and control.token is not None:
            load_token(control.token)
    except UnavailableError as error:
        yield str(error)


def _own_files(paths: Iterable[Path]) -> Iterator[Path]:
    """Yield the node's own files: the given ones, and in directories the snapshots with their second copies."""
    for path in paths:
        try:
            names = os.listdir(path)
        except NotADirectoryError:
            yield path
        except FileNotFoundError:
            continue
        except OSError:
            yield path
        else:
            yield from (path / name for name in sorted(names) if _OF_SNAPSHOTS.fullmatch(name))
            if "copy" in names:
                yield from _own_files([path / "copy"])


def _unreadable(paths: Iterable[Path], caller: _Caller) -> Iterator[str]:
    for path in paths:
        try:
            os.close(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        except PermissionError:
            yield f"{path}: user {caller.name} may not read it: {caller.advice(_opening_command(path))}"
        except OSError as error:
            yield f"{path}: user {caller.name} cannot read it: {(error.strerror or str(error)).lower()}"


def _opening_command(path: Path) -> str:
    """Return the command with which root lets this user read a path, or enter the outermost closed directory above."""
    closed = next((above for above in reversed(path.parents) if not os.access(above, os.X_OK)), path)
    return f"chgrp {os.getegid()} {closed} && chmod g+rX {closed}"


def _unwritable(directory: Path, caller: _Caller) -> Iterator[str]:
    """Yield a problem if files cannot be written into a directory, which need not exist yet."""
    there = directory
    try:
        while not there.exists() and there != there.parent:
            there = there.parent
    except PermissionError:
        yield f"{directory}: user {caller.name} cannot reach it: {caller.advice(_opening_command(directory))}"
        return
    except OSError as error:
        yield f"{directory}: user {caller.name} cannot reach it: {(error.strerror or str(error)).lower()}"
        return
    if not there.is_dir():
        yield f"{there}: is not a directory; remove it, or change state_dir"
    elif not os.access(there, os.W_OK | os.X_OK):
        doing, command = "write to", f"chown {caller.name} {directory}"
        if there != directory:
            doing, command = "create", f"install -d -o {caller.name} {directory}"
        yield f"{directory}: user {caller.name} cannot {doing} it: {caller.advice(command)}"


def _ports(config: Config) -> tuple[list[str], tuple[str, ...]]:
    """Return a problem for each port that cannot be bound, and the ports that need the unit's capability."""
    problems, not_tried = [], []
    wanted: list[tuple[Endpoint, Sequence[socket.SocketKind], bool]] = [
        *((endpoint, BOTH, True) for endpoint in config.listen),
        *((endpoint, TCP, True) for endpoint in config.encrypted.endpoints),
        (config.metrics_listen, TCP, False),
    ]
    for endpoint, kinds, shared in wanted:
        if not has_address(endpoint.address):
            continue
        try:
            check_free([endpoint], kinds=kinds)
        except UnavailableError as error:
            number = error.__cause__.errno if isinstance(error.__cause__, OSError) else None
            if number == errno.EACCES and not holds(CAP_NET_BIND_SERVICE):
                not_tried.append(f"{endpoint_text(endpoint)} needs CAP_NET_BIND_SERVICE, which the unit has")
            elif number != errno.EADDRINUSE or not _is_held_by_node(endpoint, shared):
                problems.append(str(error))
    return problems, tuple(not_tried)


def _is_held_by_node(endpoint: Endpoint, shared: bool) -> bool:
    """Return whether a running node holds the port: it shares ports for queries, and its metrics identify it."""
    if shared:
        return is_shared(endpoint)
    page = HTTPConnection(str(endpoint.address), endpoint.port, timeout=PAGE_S)
    try:
        page.request("GET", "/metrics")
        return b"dnsfilter_build_info" in page.getresponse().read(MAX_PAGE_BYTES)
    except (OSError, HTTPException):
        return False
    finally:
        page.close()


def node_files(subject: Subject, named: tuple[Path, ...]) -> Outcome:
    """Find files that the node cannot use. `named` are those on the command line."""
    found = check_up(subject.config, named, subject.store.directory, by_policy=subject.by_policy, with_ports=False)
    advice = f"type what it says, then {subject.command('check')}"
    return Outcome(
        tuple(Finding(problem, advice) for problem in found.problems),
        f"user {found.user} can use all files of the node",
    )
