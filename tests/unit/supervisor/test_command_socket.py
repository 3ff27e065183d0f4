"""Commands on this machine ask the running node at its socket."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.local import running_node
from dnsfilter.local.running_node import Failure, RunningConfig, reload_node, running_config, socket_address
from dnsfilter.supervisor import command_socket
from dnsfilter.supervisor.command_socket import answer_commands
from tests.support.nodes import eventually
from tests.support.on_a_loop import on_a_loop

Answer = TypeVar("Answer")

RUNNING = RunningConfig("0.0.1", 'listen = ["192.0.2.53"]\n', 1_700_000_000, Failure(1_700_000_100, "no such address"))


@asynccontextmanager
async def answering(path: Path, reason: str = "") -> AsyncIterator[None]:
    async def reload() -> str:
        return reason

    task = asyncio.create_task(answer_commands(path, reload, lambda: RUNNING))
    await asyncio.sleep(0)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def asked(question: Callable[[], Answer]) -> Answer:
    return await asyncio.to_thread(question)


@on_a_loop
async def test_a_command_learns_the_result_of_a_reload_and_the_configuration_in_force(tmp_path: Path) -> None:
    path = tmp_path / "dnsfilter.toml"
    async with answering(path, "listen: it is wrong"):
        assert await asked(lambda: reload_node(path)) == "listen: it is wrong"
        assert await asked(lambda: running_config(path)) == RUNNING
        # Another path to the same file is the same file.
        assert await asked(lambda: running_config(tmp_path / "other" / ".." / path.name)) == RUNNING


@on_a_loop
async def test_without_a_node_the_command_says_so(tmp_path: Path) -> None:
    path = tmp_path / "dnsfilter.toml"
    with pytest.raises(UnavailableError, match=f"{path}: no node runs with this file"):
        await asked(lambda: reload_node(path))


@pytest.mark.parametrize("side", ["node", "command"])
@on_a_loop
async def test_other_users_are_not_answered_and_their_answers_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, side: str
) -> None:
    path = tmp_path / "dnsfilter.toml"
    another = os.geteuid() + 1
    module = command_socket if side == "node" else running_node
    monkeypatch.setattr(module, "peer_uid", lambda sock: another)
    said = "neither root nor the node's" if side == "node" else f"user {another} answers"
    async with answering(path):
        with pytest.raises(UnavailableError, match=said):
            await asked(lambda: running_config(path))


@on_a_loop
async def test_requests_that_it_does_not_know_end_the_connection_and_not_the_node(tmp_path: Path) -> None:
    path = tmp_path / "dnsfilter.toml"

    def send(line: bytes) -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.connect(socket_address(path))
            sock.sendall(line)
            sock.settimeout(30)
            with suppress(ConnectionResetError):
                return sock.recv(1)
            return b""

    async with answering(path):
        for line in (b"restart\n", b"x" * 10_000, b"\xff\n"):
            assert await asked(partial(send, line)) == b""
        assert await asked(lambda: running_config(path)) == RUNNING


@on_a_loop
async def test_a_name_that_another_process_holds_is_taken_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(command_socket, "AGAIN_S", 0.01)
    path = tmp_path / "dnsfilter.toml"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as before:
        before.bind(socket_address(path))
        async with answering(path):
            assert "commands cannot ask this node yet" in caplog.text
            before.close()

            def answered() -> bool:
                with suppress(UnavailableError):
                    return running_config(path) == RUNNING
                return False

            assert await asked(lambda: eventually(answered, 30))


@on_a_loop
async def test_another_user_is_dismissed_without_waiting_for_a_request(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dnsfilter.toml"
    monkeypatch.setattr(command_socket, "peer_uid", lambda sock: os.geteuid() + 1)
    monkeypatch.setattr(command_socket, "READ_S", 3600)

    def connect() -> bytes:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
            sock.settimeout(30)
            sock.connect(socket_address(path))
            return sock.recv(1)

    async with answering(path):
        assert await asked(connect) == b""
