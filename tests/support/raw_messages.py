"""Messages about one allowed name, byte by byte, and an engine's results for them."""

from dnsfilter.engine.interface import Reply
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.wire.answer import follow, parse_answer, prune_answer
from dnsfilter.wire.reply import relay
from tests.support.engines import GHENT, Rig
from tests.support.scripted import Asked
from tests.unit.wire.build import QR, asked, message, question, record

PTR = b"\xc0\x0c"
A = record(PTR, 1, b"\xc6\x33\x64\x63")
ALLOWED, BANNED = "www.example.org", "www.tiktok.com"


def pointer(offset: int) -> bytes:
    return (0xC000 | offset).to_bytes(2, "big")


def outcome_of(rig: Rig, data: bytes, transport: Transport) -> bytes:
    outcome = rig.judge(data, GHENT, transport)
    assert isinstance(outcome, Reply), outcome
    return outcome.message


def response(*records: bytes, counts: tuple[int, int, int] | None = None) -> bytes:
    """Return a response about ALLOWED with these records, all in the answer section unless `counts` differs."""
    return message(question(ALLOWED), *records, flags=QR | 0x0180, counts=(1, *(counts or (len(records), 0, 0))))


def answer_to(query_asked: Asked, data: bytes) -> bytes:
    return query_asked.message[:2] + data[2:]


def relayed(data: bytes) -> bytes:
    """Return an answer after all steps of its way to the client."""
    answer = parse_answer(data)
    chain = follow(answer, answer.question)
    return relay(asked(ALLOWED), prune_answer(answer, chain, False), limit=65535)
