"""Ask the running node on this machine: have it reload, or learn by which configuration it answers.

The node has an abstract socket (unix(7)), named after the path of its configuration. So it is found also if that file
is damaged, and answers also if the disk is full. The kernel shows each side the user of the other (SO_PEERCRED).
A request is a line, the answer a line of JSON.
"""

import json
import os
import socket
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

from dnsfilter.errors import UnavailableError
from dnsfilter.worker.abstract_sockets import abstract_address, peer_uid

READ_S = 2.0
RELOAD_S = 120.0
"""Seconds to wait for a reload. The trial of an upgrade may come first."""
MOST_BYTES = 32 << 20
MOST_REQUEST_BYTES = 64


class Request(StrEnum):
    """What a command can ask of the running node."""

    RELOAD = "reload"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a reload or an upgrade changed nothing, and when."""

    at_s: int
    reason: str


@dataclass(frozen=True, slots=True)
class RunningConfig:
    """The configuration that a node answers by: its text, and since when it is in force.

    `reload` and `upgrade` are the last ones if they failed.
    """

    version: str
    text: str
    since_s: int
    reload: Failure | None = None
    upgrade: Failure | None = None

    def value(self) -> dict[str, object]:
        """Return a value for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, value: dict[str, Any]) -> Self:
        """Return what `value` wrote. Raise TypeError, KeyError or ValueError for another value."""
        failures = {
            key: None if value[key] is None else Failure(int(value[key]["at_s"]), str(value[key]["reason"]))
            for key in ("reload", "upgrade")
        }
        return cls(str(value["version"]), str(value["text"]), int(value["since_s"]), **failures)


def socket_address(path: Path) -> str:
    """Return the address of the socket of the node that reads this configuration."""
    return abstract_address("dnsfilter", path)


def reload_node(path: Path, *, node_uid: int | None = None) -> str:
    """Have the node read its files again. Return why it does not answer by them, empty if it does.

    Raise UnavailableError as `running_config` does.
    """
    return str(_ask(path, Request.RELOAD, node_uid, RELOAD_S))


def running_config(path: Path, *, node_uid: int | None = None) -> RunningConfig:
    """Return the configuration that the node with this file answers by. `node_uid` is the user that nodes run as.

    Raise UnavailableError if there is no such node, or if this user may not ask it.
    """
    value = _ask(path, Request.CONFIGURATION, node_uid, READ_S)
    try:
        return RunningConfig.of(value)
    except (TypeError, KeyError, ValueError) as error:
        raise UnavailableError(f"ask the node of {path}: its answer is of another version: {error}") from error


def _ask(path: Path, request: Request, node_uid: int | None, within_s: float) -> Any:
    what = f"ask the node of {path}"
    ended = f"{what}: it ended the connection: it restarts or ends, or this user is neither root nor the node's"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(within_s)
            sock.connect(socket_address(path))
            if peer_uid(sock) not in (0, os.geteuid(), node_uid):
                raise UnavailableError(f"{what}: user {peer_uid(sock)} answers, who is not the node's user")
            sock.sendall(f"{request}\n".encode())
            with sock.makefile("rb") as answer:
                line = answer.readline(MOST_BYTES)
    except ConnectionRefusedError as error:
        raise UnavailableError(f"{what}: no node runs with this file: type systemctl status dnsfilter") from error
    except (BrokenPipeError, ConnectionResetError) as error:
        raise UnavailableError(ended) from error
    except OSError as error:
        raise UnavailableError(f"{what}: {(error.strerror or str(error)).lower()}") from error
    if not line.endswith(b"\n"):
        raise UnavailableError(ended)
    try:
        return json.loads(line)
    except ValueError as error:
        raise UnavailableError(f"{what}: its answer is not JSON: {error}") from error
