"""Ask one server one question over UDP or TCP, and wait for its answer."""

import secrets
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager

from dnsfilter.config.endpoint import endpoint_text, family_of
from dnsfilter.config.node_config import Clients, Endpoint
from dnsfilter.errors import MalformedMessage, UnavailableError
from dnsfilter.policy.model import Address
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.checker import Answer, check_message
from dnsfilter.wire.query import build_upstream_query, question_of

ANSWER_S = 2.0
_MOST_BYTES = 65_535


def ask(
    server: Endpoint,
    name: bytes,
    qtype: int,
    transport: Transport = Transport.UDP,
    *,
    clients: Clients | None = None,
    source: Address | None = None,
    within_s: float = ANSWER_S,
) -> Answer:
    """Return the server's answer. `source` is the address of this machine to ask from.

    `clients` is of the server's configuration, if that is known: it may take this machine for a proxy.

    Raise UnavailableError if there is no answer within `within_s` seconds, or none that is well-formed.
    """
    message = build_upstream_query(question_of(name, qtype), id=secrets.randbelow(1 << 16), cd=False, do=False)
    asked = f"ask {endpoint_text(server)} over {transport.upper()}"
    deadline = time.monotonic() + within_s
    kind = socket.SOCK_DGRAM if transport is Transport.UDP else socket.SOCK_STREAM
    with named_failures(asked, within_s), socket.socket(family_of(server.address), kind) as sock:
        sock.settimeout(within_s)
        if source is not None:
            sock.bind((str(source), 0))
        sock.connect((str(server.address), server.port))
        header = b"" if clients is None else clients.header_from(sock.getsockname()[0])
        sock.sendall(header + (b"" if transport is Transport.UDP else len(message).to_bytes(2, "big")) + message)
        while True:
            reply = sock.recv(_MOST_BYTES) if transport is Transport.UDP else _framed(sock, deadline)
            if reply[:2] == message[:2]:
                return check_message(reply)
            limit_wait(sock, deadline)


@contextmanager
def named_failures(asked: str, within_s: float) -> Iterator[None]:
    """Raise UnavailableError with `asked` at its beginning for each reason why no well-formed answer came."""
    try:
        yield
    except TimeoutError as error:
        raise UnavailableError(f"{asked}: no answer within {within_s:g} s") from error
    except ssl.SSLError as error:
        raise UnavailableError(f"{asked}: no TLS connection: {error.reason or error}") from error
    except OSError as error:
        raise UnavailableError(f"{asked}: {(error.strerror or str(error)).lower()}") from error
    except UnavailableError as error:
        raise UnavailableError(f"{asked}: {error}") from error
    except MalformedMessage as error:
        raise UnavailableError(f"{asked}: its answer is not well-formed: {error}") from error


def _framed(sock: socket.socket, deadline: float) -> bytes:
    """Return one message with its length in front (RFC 1035 section 4.2.2)."""
    return _exactly(sock, int.from_bytes(_exactly(sock, 2, deadline)), deadline)


def _exactly(sock: socket.socket, size: int, deadline: float) -> bytes:
    received = b""
    while len(received) < size:
        limit_wait(sock, deadline)
        piece = sock.recv(size - len(received))
        if not piece:
            raise ConnectionError("it closed the connection without an answer")
        received += piece
    return received


def limit_wait(sock: socket.socket, deadline: float) -> None:
    """Let the socket wait until the deadline at most. Raise TimeoutError after it."""
    left_s = deadline - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    sock.settimeout(left_s)
