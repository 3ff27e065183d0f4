"""The case of letters in questions over UDP: a forger must guess it too (draft-vixie-dnsext-dns0x20).

`letters` has a bit for each of the first bytes of a name. Set means that a letter there is in upper case.
"""

from typing import Final

from dnsfilter.wire.iana import Type
from dnsfilter.wire.query import FLAG_QR, HEADER, OPCODE_BITS, Question

VARIED_BYTES: Final = 64
"""Bytes at the start of a name whose case varies. Letters behind them stay in lower case."""

_NAMES_AT: Final = {int(Type.CNAME): 0, int(Type.NS): 0, int(Type.SOA): 0, int(Type.MX): 2, int(Type.SRV): 6}
"""Where names begin in the data of these types."""


def vary(name: bytes, letters: int) -> bytes:
    """Return a folded wire name with these letters in upper case."""
    return bytes(
        byte - 32 if ord("a") <= byte <= ord("z") and letters >> at & 1 else byte for at, byte in enumerate(name)
    )


def with_letters(message: bytes, question: Question, letters: int) -> bytes:
    """Return a query about a folded question with these letters of its name in upper case."""
    return message[: HEADER.size] + vary(question.name, letters) + message[HEADER.size + len(question.name) :]


def repeats(message: bytes, name: bytes) -> bool:
    """Return whether the question of a message begins with a wire name, in the same case."""
    return message[HEADER.size : HEADER.size + len(name)] == name


def repeats_in_other_case(message: bytes, asked: Question) -> bool:
    """Return whether a response has one question, which equals `asked` if case is ignored."""
    if len(message) < HEADER.size:
        return False
    _, flags, questions, *_ = HEADER.unpack_from(message)
    found = message[HEADER.size : HEADER.size + len(asked.wire)]
    name, tail = found[:-4].lower(), found[-4:]
    is_answer = flags & (FLAG_QR | OPCODE_BITS) == FLAG_QR and questions == 1
    return is_answer and name == asked.name and tail == asked.wire[-4:]


def fold_answer(message: bytes, name_size: int) -> bytes:
    """Return an answer with question, owners and names in data in lower case: clients must not see our letters.

    Some servers repeat the question's name in records, or in the CNAME that they make from a DNAME. Others keep the end
    of a name in NS, SOA and MX as an earlier question spelled it. Leave what follows a malformed record as it is.
    """
    if len(message) < HEADER.size:
        return message
    folded = bytearray(message)
    _, _, _, *counts = HEADER.unpack_from(message)
    position = HEADER.size + name_size
    folded[HEADER.size : position] = folded[HEADER.size : position].lower()
    position += 4
    for _ in range(sum(counts)):
        position = _fold_labels(folded, position, len(folded))
        end = position + 10
        if end > len(folded):
            break
        end += int.from_bytes(folded[end - 2 : end], "big")
        rtype = int.from_bytes(folded[position : position + 2], "big")
        _fold_data(folded, rtype, position + 10, min(end, len(folded)))
        position = end
    return bytes(folded)


def _fold_data(message: bytearray, rtype: int, position: int, end: int) -> None:
    """Fold the names in the data of a record. The first label of a PTR stays: people read it (RFC 6763 section 4.1)."""
    if rtype == Type.PTR:
        position += 1 + message[position] if position < end else 0
    elif rtype in _NAMES_AT:
        position += _NAMES_AT[rtype]
    else:
        return
    position = _fold_labels(message, position, end)
    if rtype == Type.SOA:
        _fold_labels(message, position, end)


def _fold_labels(message: bytearray, position: int, end: int) -> int:
    """Fold the labels of a name up to its root, its pointer or `end`. Return where the name ends, or a later offset."""
    while position < end and message[position]:
        if message[position] > 63:
            return position + 2
        label_end = min(position + 1 + message[position], end)
        message[position + 1 : label_end] = message[position + 1 : label_end].lower()
        position = label_end
    return position + 1
