"""Pass dynamic updates to the servers of their zone: unchanged, each over a TCP connection of its own.

Over TCP no answer can be forged, and the client's id can stay. A few updates are in flight at a time.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from dnsfilter.config.node_config import Endpoint
from dnsfilter.telemetry.metrics import Outcome
from dnsfilter.wire.names import HEADER_SIZE

MOST_OPEN: Final = 64
MOST_OF_CLIENT: Final = 4
TIMEOUT_S: Final = 4.0
"""Seconds until an update fails. Shorter than a worker waits for pending queries at its end."""
CONNECT_S: Final = 2.0
"""Seconds after which the next server is tried. No other server is tried once one has the update."""
_QR_OPCODE: Final = 0xF8
_UPDATE: Final = 0xA8
_SERVFAIL: Final = 2


class Updates:
    """Updates in flight on one event loop."""

    def __init__(self) -> None:
        self._open: Counter[bytes] = Counter()

    async def ask(self, servers: Sequence[Endpoint], message: bytes, client: bytes) -> tuple[Outcome, bytes]:
        """Return the outcome, and the answer of the first server that accepts a connection. `client` is its block.

        Without an answer return FAILED or LIMITED, with SERVFAIL.
        """
        if self._open.total() >= MOST_OPEN or self._open[client] >= MOST_OF_CLIENT:
            return Outcome.LIMITED, failed_update(message)
        self._open[client] += 1
        try:
            async with asyncio.timeout(TIMEOUT_S):
                answer = await _exchange(servers, message)
        except (TimeoutError, OSError, EOFError):
            answer = None
        finally:
            self._open -= Counter((client,))
        return (Outcome.FAILED, failed_update(message)) if answer is None else (Outcome.FORWARDED, answer)


def failed_update(message: bytes) -> bytes:
    """Return SERVFAIL for an update, without its sections (RFC 2136 section 3.8)."""
    return message[:2] + bytes((_UPDATE, _SERVFAIL)) + bytes(HEADER_SIZE - 4)


async def _exchange(servers: Sequence[Endpoint], message: bytes) -> bytes | None:
    for server in servers:
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(CONNECT_S):
                reader, writer = await asyncio.open_connection(str(server.address), server.port)
            break
    else:
        return None
    try:
        writer.write(len(message).to_bytes(2, "big") + message)
        answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.transport.abort()
    is_answer = len(answer) >= HEADER_SIZE and answer[:2] == message[:2] and answer[2] & _QR_OPCODE == _UPDATE
    return answer if is_answer else None
