"""An upstream on loopback that a test scripts: it answers, keeps silent, lies, or is absent.

Nothing runs by itself. `serve` handles the datagrams that have arrived, so that a test decides when an upstream acts.
`on_loop` does so on an event loop, over TCP too. To delay an answer, use a behaviour that returns nothing, and call
`say` later.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from types import TracebackType
from typing import Self, TypeAlias

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from dnsfilter.config.node_config import Endpoint
from tests.support.ports import free_port

LARGEST = 65535


@dataclass(frozen=True, slots=True)
class Asked:
    """One received query: the bytes, the question as text (lower-case name, no final dot), and its sender."""

    message: bytes
    name: str
    qtype: str
    by_stream: bool
    peer: tuple[str, int]

    @property
    def id(self) -> int:
        return int.from_bytes(self.message[:2], "big")


Behaviour: TypeAlias = Callable[[Asked], Iterable[bytes]]
"""A function that returns the messages to send back for one query, in order, perhaps none."""


class Scripted:
    """An upstream: `with Scripted(behaviour) as upstream:` listens at `upstream.endpoint`.

    `asked` has all its queries.
    """

    def __init__(self, behave: Behaviour, address: str = "127.0.0.1") -> None:
        self.behave = behave
        self.asked: list[Asked] = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.endpoint = Endpoint(ip_address(address), free_port(address))
        self._udp = socket.socket(family, socket.SOCK_DGRAM)
        self._unregistered = socket.socket(family, socket.SOCK_DGRAM)
        self._udp.bind((address, self.endpoint.port))
        self._unregistered.bind((address, 0))
        for sock in (self._udp, self._unregistered):
            sock.setblocking(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor of the UDP socket, for select, or -1 once closed."""
        return self._udp.fileno()

    def close(self) -> None:
        """Close the sockets. Later datagrams meet a closed port. A second call does nothing."""
        self._udp.close()
        self._unregistered.close()

    def serve(self) -> int:
        """Handle the datagrams that have arrived. Return their number."""
        count = 0
        while self._udp.fileno() >= 0:
            try:
                message, peer = self._udp.recvfrom(LARGEST)
            except BlockingIOError:
                break
            count += 1
            asked = self._note(message, by_stream=False, peer=(peer[0], peer[1]))
            for answer in self.behave(asked):
                self.say(asked, answer)
        return count

    def say(self, asked: Asked, message: bytes) -> None:
        """Send a datagram to the sender of a query. Ignore an error if its socket is gone."""
        with contextlib.suppress(ConnectionError):
            self._udp.sendto(message, asked.peer)

    def say_from_elsewhere(self, asked: Asked, message: bytes) -> None:
        """Send a datagram from another port than the one that was asked."""
        self._unregistered.sendto(message, asked.peer)

    def by_stream(self, message: bytes) -> bytes | None:
        """Return this upstream's answer to a query by stream, or None if the connection fails."""
        asked = self._note(message, by_stream=True, peer=("", 0))
        return next(iter(self.behave(asked)), None)

    @asynccontextmanager
    async def on_loop(self) -> AsyncIterator[Self]:
        """Serve UDP and TCP on the running loop until the context ends, then close."""
        loop = asyncio.get_running_loop()
        loop.add_reader(self._udp.fileno(), self.serve)
        server = await asyncio.start_server(self._stream, str(self.endpoint.address), self.endpoint.port)
        try:
            yield self
        finally:
            server.close()
            loop.remove_reader(self._udp.fileno())
            self.close()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                answer = self.by_stream(await reader.readexactly(size))
                if answer is None:
                    return
                writer.write(len(answer).to_bytes(2, "big") + answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    def _note(self, message: bytes, by_stream: bool, peer: tuple[str, int]) -> Asked:
        name, qtype = _question(message[2:])
        asked = Asked(message, name, qtype, by_stream, peer)
        self.asked.append(asked)
        return asked


def reply(
    asked: Asked,
    answer: Sequence[str] = (),
    authority: Sequence[str] = (),
    additional: Sequence[str] = (),
    *,
    rcode: int = 0,
    flags: int = 0,
) -> bytes:
    """Return a response made of zone text lines: owner, TTL, type, data.

    `flags` are set in addition to QR, RD and RA.
    """
    after_id = asked.message[2:]
    return asked.message[:2] + _reply(after_id, tuple(answer), tuple(authority), tuple(additional), rcode, flags)


@lru_cache(maxsize=512)
def _question(after_id: bytes) -> tuple[str, str]:
    """Return the name and type of a well-formed query, which is given without its varying id."""
    question = dns.message.from_wire(b"\0\0" + after_id).question[0]
    return question.name.to_text().rstrip(".").lower(), dns.rdatatype.to_text(question.rdtype)


@lru_cache(maxsize=512)
def _reply(
    after_id: bytes,
    answer: Sequence[str],
    authority: Sequence[str],
    additional: Sequence[str],
    rcode: int,
    flags: int,
) -> bytes:
    """Return the reply to a query. Both are without id."""
    response = dns.message.make_response(dns.message.from_wire(b"\0\0" + after_id), recursion_available=True)
    response.flags |= flags
    response.set_rcode(dns.rcode.Rcode.make(rcode))
    sections = ((response.answer, answer), (response.authority, authority), (response.additional, additional))
    for section, lines in sections:
        for line in lines:
            owner, ttl, rtype, rdata = line.split(" ", 3)
            section.append(dns.rrset.from_text(owner, int(ttl), "IN", rtype, rdata))
    return response.to_wire(max_size=LARGEST)[2:]


def truncated(asked: Asked) -> bytes:
    """Return a response without records and with TC=1."""
    return reply(asked, flags=int(dns.flags.TC))


def denial(asked: Asked, zone: str, *, rcode: int = 3, ttl: int = 60) -> bytes:
    """Return NXDOMAIN, or NODATA with `rcode` 0, with the SOA of `zone`."""
    soa = f"{zone}. {ttl} SOA ns.{zone}. hostmaster.{zone}. 1 3600 600 86400 {ttl}"
    return reply(asked, authority=(soa,), rcode=rcode)


def says(records: Mapping[tuple[str, str], Sequence[str]]) -> Behaviour:
    """Answer from a table by (name, type). Answer NXDOMAIN with the SOA of `example.org` to all other questions."""

    def behave(asked: Asked) -> Iterable[bytes]:
        lines = records.get((asked.name, asked.qtype))
        return (denial(asked, "example.org") if lines is None else reply(asked, lines),)

    return behave


def fails(rcode: int) -> Behaviour:
    """Answer everything with an rcode and nothing else."""
    return lambda asked: (reply(asked, rcode=rcode),)


def silent(_asked: Asked) -> Iterable[bytes]:
    """Answer nothing."""
    return ()


def lies(asked: Asked) -> tuple[bytes, ...]:
    """Return false answers to an A question that an attacker without knowledge of id, port or question could send."""
    forged = reply(asked, (f"{asked.name}. 300 A 203.0.113.66",))
    head, body = forged[:2], forged[2:]
    other_id = (asked.id ^ 0x5555).to_bytes(2, "big")
    other_name = forged[:13] + bytes([forged[13] ^ 1]) + forged[14:]
    end = asked.message.index(b"\0", 12) + 1
    return (
        b"",
        head,
        head + b"\x81\x80" + bytes(8),  # only a header
        head + bytes(10),  # only a header, and not a response
        other_id + body,
        other_id + b"\x83\x80" + body[2:],  # TC=1 with another id
        head + bytes([body[0] & 0x7F]) + body[1:],  # QR=0
        other_name,
        forged[:end] + b"\0\x1c" + forged[end + 2 :],  # another type
        forged[: end + 2] + b"\0\x03" + forged[end + 4 :],  # another class
        forged[:-1],
    )
