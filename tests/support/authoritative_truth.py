"""The truth about questions: the authority's replies to each, and to the targets of aliases that it does not follow."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import dns.rdatatype

from tests.support.questions import Asked, Edns
from tests.support.reply_comparison import Seen, Truth, seen

LEGS: Final = 32
"""The maximum number of replies in a chain."""
_PAYLOAD: Final = 4096
_NOT_FOLLOWED: Final = frozenset({int(dns.rdatatype.CNAME), int(dns.rdatatype.ANY)})


def walked(ask: Callable[[Sequence[Asked]], Sequence[bytes]], questions: Sequence[Asked]) -> list[Truth]:
    """Return the truth of each question, according to an authority that follows aliases within one zone only.

    `ask` asks the authority over TCP. A chain ends at an answer, at a denial, at a name that it has visited, or after
    LEGS replies.
    """
    legs: list[list[Seen]] = [[] for _ in questions]
    met: list[set[bytes]] = [set() for _ in questions]
    waiting = {number: question.name for number, question in enumerate(questions)}
    for _ in range(LEGS):
        if not waiting:
            break
        asked = [_plain(questions[number], name) for number, name in waiting.items()]
        following: dict[int, bytes] = {}
        for (number, name), reply in zip(waiting.items(), ask(asked), strict=True):
            found = seen(reply)
            legs[number].append(found)
            target = left_open(found, name, questions[number].qtype, met[number])
            if target is not None:
                following[number] = target
        waiting = following
    return [Truth(tuple(replies)) for replies in legs]


def left_open(found: Seen, name: bytes, qtype: int, met: set[bytes]) -> bytes | None:
    """Return the name that a reply's aliases lead to if the reply does not cover it, else None.

    Add the names of the chain to `met`. Return None if the chain leads back to one of them.
    """
    if qtype in _NOT_FOLLOWED or found.denial:
        return None
    first = at = name.lower()
    while targets := found.answer.get((at, int(dns.rdatatype.CNAME), 0)):
        met.add(at)
        (at,) = targets
        if at in met:
            return None
    return None if at == first or (at, qtype, 0) in found.answer else at


def _plain(question: Asked, name: bytes) -> Asked:
    """Return the question about another name: over TCP, with EDNS, without RD and without oddities.

    In place of ANY it asks for CNAME, as the resolver does.
    """
    qtype = int(dns.rdatatype.CNAME) if question.qtype == dns.rdatatype.ANY else question.qtype
    plain = replace(question, qtype=qtype, flags=0, additional=(), behind=b"")
    return replace(plain, name=name, rd=False, edns=Edns(_PAYLOAD, do=question.do), stream=True)
