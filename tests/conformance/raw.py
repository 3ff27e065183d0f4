"""What an upstream says byte by byte, where lines of zone text cannot say it."""

from tests.support.scripted import Asked

QUESTION = b"\xc0\x0c"
"""A pointer to the question's name."""


def answers(asked: Asked, *records: bytes) -> bytes:
    """A response with these records as its answer section, and without OPT."""
    head = asked.message[:2] + b"\x81\x80\0\1" + len(records).to_bytes(2, "big") + bytes(4)
    return head + question_of(asked) + b"".join(records)


def question_of(asked: Asked) -> bytes:
    """The question as it was asked: what stands between the header and our OPT."""
    return asked.message[12:-11]
