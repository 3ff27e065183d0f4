"""Answer commands on this machine, of root and of the node's user: reload, and the configuration in force."""

import asyncio
import json
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from dnsfilter.local.running_node import (
    MOST_REQUEST_BYTES,
    READ_S,
    Request,
    RunningConfig,
    socket_address,
)
from dnsfilter.telemetry import logs
from dnsfilter.worker.abstract_sockets import peer_uid

AGAIN_S = 5.0
"""Seconds until a name that another process holds is tried again: the node before may be about to end."""
_LOG = logging.getLogger("dnsfilter.node")


async def answer_commands(
    path: Path, reload: Callable[[], Awaitable[str]], running: Callable[[], RunningConfig]
) -> None:
    """Answer until cancelled, at the socket of the node that reads this file.

    `reload` returns why the node does not answer by its files as they are now, empty if it does.
    """
    with await _bound(path) as sock:
        server = await asyncio.start_unix_server(partial(_answer, reload, running), sock=sock, limit=MOST_REQUEST_BYTES)
        try:
            await asyncio.Event().wait()
        finally:
            server.close()


async def _bound(path: Path) -> socket.socket:
    reported = False
    while True:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(socket_address(path))
        except OSError as error:
            sock.close()
            if not reported:
                reason = (error.strerror or str(error)).lower()
                logs.emit(_LOG, logging.ERROR, "commands cannot ask this node yet", file=path, reason=reason)
            reported = True
            await asyncio.sleep(AGAIN_S)
        else:
            return sock


async def _answer(
    reload: Callable[[], Awaitable[str]],
    running: Callable[[], RunningConfig],
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
) -> None:
    try:
        if peer_uid(writer.get_extra_info("socket")) not in (0, os.geteuid()):
            return
        async with asyncio.timeout(READ_S):
            line = await reader.readline()
        match line.decode("ascii", "replace").strip():
            case Request.RELOAD:
                value: object = await reload()
            case Request.CONFIGURATION:
                value = running().value()
            case _:
                return
        writer.write(json.dumps(value).encode() + b"\n")
        async with asyncio.timeout(READ_S):
            await writer.drain()
    except (OSError, TimeoutError, ValueError) as error:  # ValueError: the line is too long
        logs.emit(_LOG, logging.WARNING, "command not answered", reason=error)
    finally:
        writer.close()
