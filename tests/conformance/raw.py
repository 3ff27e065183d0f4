"""Responses of an upstream made from bytes, for what zone text cannot express."""

from tests.support.scripted import Asked

QUESTION = b"\xc0\x0c"
"""A pointer to the question's name."""


def answers(asked: Asked, *records: bytes) -> bytes:
    """Return a response to `asked` with `records` as its answer section and without OPT."""
    head = asked.message[:2] + b"\x81\x80\0\1" + len(records).to_bytes(2, "big") + bytes(4)
    return head + question_of(asked) + b"".join(records)


def question_of(asked: Asked) -> bytes:
    """Return the question of `asked` as bytes: everything between the header and our OPT."""
    return asked.message[12:-11]
