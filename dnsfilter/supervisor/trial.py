"""A trial of the program that an upgrade would run: a second node that no client reaches.

It listens on free ports on loopback, answers its own queries twice, and ends. It writes no policy. It contacts the
control plane only if it has no other snapshot.
"""

import asyncio
import secrets
import socket
from importlib import import_module
from typing import TYPE_CHECKING

from dnsfilter.config.endpoint import family_of
from dnsfilter.config.node_config import Clients, Config, Endpoint
from dnsfilter.engine.slow_path.local import HEALTH_NAME
from dnsfilter.errors import UnavailableError
from dnsfilter.supervisor.sockets import TCP, Listening, check_free, open_private, open_tcp
from dnsfilter.supervisor.upgrade import ANSWERED, Handover
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import HEADER_SIZE
from dnsfilter.wire.query import build_upstream_query, question_of

if TYPE_CHECKING:
    from dnsfilter.supervisor.supervisor import Supervisor

STEADY_S = 1.0
"""Seconds after which a program that has answered must answer again."""
_MOST_BYTES = 4096


def open_trial(config: Config, handover: Handover) -> tuple[Listening, socket.socket]:
    """Return listening sockets and one for metrics, all on loopback.

    Raise UnavailableError if a configured address is not held by the running node and cannot be bound.
    """
    held = [address for address, _ in handover.sockets]
    check_free(config.listen, held)
    check_free(config.encrypted.endpoints, held, kinds=TCP)
    if handover.status is None or handover.status[0] != config.metrics_listen:
        check_free([config.metrics_listen], kinds=TCP)
    listening = open_private(config.workers)
    return listening, open_tcp(Endpoint(listening.endpoints[0].address, 0))


async def run_trial(supervisor: "Supervisor", endpoint: Endpoint, clients: Clients) -> None:
    """Run the node until it has proved that it answers at `endpoint`, then print `ANSWERED` on standard output.

    Raise UnavailableError, or the error of `run`, if it does not answer.
    """
    import_module("dnsfilter.control.link")  # a serving node imports it too
    running = asyncio.create_task(supervisor.run())
    proving = asyncio.create_task(_prove(supervisor, endpoint, clients))
    await asyncio.wait((running, proving), return_when=asyncio.FIRST_COMPLETED)
    if not proving.done():
        proving.cancel()
        await running
        raise UnavailableError("it ended before it answered")
    supervisor.stop()
    await running
    await proving
    print(ANSWERED, flush=True)


async def _prove(supervisor: "Supervisor", endpoint: Endpoint, clients: Clients) -> None:
    await _ask(endpoint, clients)
    await asyncio.sleep(STEADY_S)
    await _ask(endpoint, clients)
    reason = supervisor.unready()
    if reason is not None:
        raise UnavailableError(f"it answered, but then: {reason}")


async def _ask(endpoint: Endpoint, clients: Clients) -> None:
    """Return once a query over UDP and one over TCP are answered."""
    question = question_of(HEALTH_NAME, Type.TXT)
    message = build_upstream_query(question, id=secrets.randbelow(1 << 16), cd=False, do=False)
    await _exchange(endpoint, socket.SOCK_DGRAM, clients, message, b"")
    await _exchange(endpoint, socket.SOCK_STREAM, clients, message, len(message).to_bytes(2, "big"))


async def _exchange(
    endpoint: Endpoint, kind: socket.SocketKind, clients: Clients, message: bytes, prefix: bytes
) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(family_of(endpoint.address), kind) as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, (str(endpoint.address), endpoint.port))
        await loop.sock_sendall(sock, clients.header_from(sock.getsockname()[0]) + prefix + message)
        reply = b""
        while len(reply) < len(prefix) + HEADER_SIZE:
            more = await loop.sock_recv(sock, _MOST_BYTES)
            if not more:
                raise UnavailableError("it closed a connection without an answer")
            reply += more
    if reply[len(prefix) : len(prefix) + 2] != message[:2]:
        raise UnavailableError("it gave an answer to another query")
