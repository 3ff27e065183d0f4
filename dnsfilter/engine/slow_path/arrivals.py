"""Parse an upstream's message, and say what is wrong with it, before the exchange judges it."""

from dnsfilter.errors import MalformedMessage
from dnsfilter.telemetry.metrics import Failure
from dnsfilter.upstream.attempt import FAIL_OVER_RCODES
from dnsfilter.upstream.recursion import is_unresolved
from dnsfilter.wire.answer import Answer, check_dnames, parse_answer
from dnsfilter.wire.iana import Rcode
from dnsfilter.wire.query import FLAG_QR, FLAG_TC, HEADER, OPCODE_BITS, Question, read_question


def parse_checked(message: bytes) -> Answer:
    """Return the answer in a message. Raise MalformedMessage if it cannot be read or its data breaks a rule."""
    answer = parse_answer(message)
    check_dnames(answer)
    return answer


def parsed(message: bytes) -> Answer | None:
    """Return the answer in a message as `parse_checked` does, None if it raises."""
    try:
        return parse_checked(message)
    except MalformedMessage:
        return None


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


def read_partly(message: bytes, asked: Question) -> tuple[Question, int, bool] | None:
    """Return question, rcode and whether it is cut, of an answer that cannot be parsed; None if it says too little.

    A bare failure is an answer to `asked`. Some servers cut within a record: the complete answer comes over TCP.
    """
    bare, cut = bare_failure(message), cut_question(message)
    if bare is not None:
        return asked, bare, False
    return None if cut is None else (cut, int(Rcode.NOERROR), True)


def same_question(answered: Question, asked: Question) -> bool:
    """Return whether an answer is about the question that was asked."""
    return (answered.name, answered.qtype, answered.qclass) == (asked.name, asked.qtype, asked.qclass)


def failure_of(rcode: int, answer: Answer | None) -> Failure | None:
    """Return what makes an answer useless. None: it is useful, or truncated. Without `answer`, it was not readable."""
    if rcode in FAIL_OVER_RCODES:
        return Failure.SERVFAIL if rcode == Rcode.SERVFAIL else Failure.REFUSED
    if answer is not None and not answer.tc and is_unresolved(answer):
        return Failure.NO_RECURSION
    return None


def failed_as(failure: Failure | None, rcode: int) -> int:
    """Return the rcode by which an attempt judges an answer: who does not recurse refuses."""
    return int(Rcode.REFUSED) if failure is Failure.NO_RECURSION else rcode
