"""Whether a message from upstream is about the question that was asked."""

from dnsfilter.errors import MalformedMessage
from dnsfilter.wire.query import FLAG_QR, FLAG_TC, HEADER, OPCODE_BITS, Question, read_question


def cut_question(message: bytes) -> Question | None:
    """The question of a truncated answer whose records cannot be read, None if it is no such thing."""
    if len(message) < HEADER.size:
        return None
    _, flags, qdcount, *_ = HEADER.unpack_from(message)
    if flags & (FLAG_QR | OPCODE_BITS | FLAG_TC) != FLAG_QR | FLAG_TC or qdcount != 1:
        return None
    try:
        return read_question(message)[0]
    except MalformedMessage:
        return None


def same_question(answered: Question, asked: Question) -> bool:
    return (answered.name, answered.qtype, answered.qclass) == (asked.name, asked.qtype, asked.qclass)
