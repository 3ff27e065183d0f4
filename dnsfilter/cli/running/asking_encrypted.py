"""Ask one encrypted server one question, as a worker does."""

import asyncio
import logging
from typing import Final

from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import MalformedMessage, UnavailableError
from dnsfilter.upstream.stream_pool import StreamPool
from dnsfilter.wire.checker import Answer, check_message
from dnsfilter.wire.query import build_upstream_query, question_of

ENCRYPTED_S: Final = 3.0
# Commands print the reason themselves. Without a handler Python prints the event of a log line alone.
logging.getLogger("dnsfilter.upstream").addHandler(logging.NullHandler())


def ask_encrypted(server: Endpoint, name: bytes, qtype: int, ca: str | None) -> Answer:
    """Return the server's answer. `ca` is that of the configuration.

    Raise TlsError without a TLS connection to the right server, UnavailableError without a well-formed answer.
    """
    message = build_upstream_query(question_of(name, qtype), id=0, cd=False, do=False, padded=True)
    try:
        return check_message(asyncio.run(_ask(server, message, ca)))
    except MalformedMessage as error:
        text = f"ask {endpoint_text(server)}: its answer is not well-formed: {error}"
        raise UnavailableError(text) from error


async def _ask(server: Endpoint, message: bytes, ca: str | None) -> bytes:
    pool = StreamPool(ca=ca)
    try:
        return await pool.ask(server, message, ENCRYPTED_S)
    finally:
        pool.close()
