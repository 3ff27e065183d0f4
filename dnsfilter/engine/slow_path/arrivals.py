"""Parse an upstream's message before the exchange judges it."""

from dnsfilter.errors import MalformedMessage
from dnsfilter.upstream.attempt import FAIL_OVER_RCODES
from dnsfilter.wire.answer import Answer, check_dnames, parse_answer
from dnsfilter.wire.query import FLAG_QR, FLAG_TC, HEADER, OPCODE_BITS, Question, read_question


def parse_checked(message: bytes) -> Answer:
    """Return the answer in a message. Raise MalformedMessage if it cannot be read or its data breaks a rule."""
    answer = parse_answer(message)
    check_dnames(answer)
    return answer


def cut_question(message: bytes) -> Question | None:
    """Return the question of a truncated answer whose records cannot be read, None for any other message."""
    if len(message) < HEADER.size:
        return None
    _, flags, qdcount, *_ = HEADER.unpack_from(message)
    if flags & (FLAG_QR | OPCODE_BITS | FLAG_TC) != FLAG_QR | FLAG_TC or qdcount != 1:
        return None
    try:
        return read_question(message)[0]
    except MalformedMessage:
        return None


def bare_failure(message: bytes) -> int | None:
    """Return the rcode of a failure that is only a header, as some servers answer EDNS; None for other messages."""
    if len(message) != HEADER.size:
        return None
    _, flags, *counts = HEADER.unpack(message)
    rcode = flags & 15
    is_bare = flags & (FLAG_QR | OPCODE_BITS) == FLAG_QR and not any(counts)
    return rcode if is_bare and rcode in FAIL_OVER_RCODES else None


def same_question(answered: Question, asked: Question) -> bool:
    """Return whether an answer is about the question that was asked."""
    return (answered.name, answered.qtype, answered.qclass) == (asked.name, asked.qtype, asked.qclass)
