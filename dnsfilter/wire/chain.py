"""Follow the chain of aliases in an answer section: the records that the question reaches, and where it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dnsfilter.errors import MalformedData
from dnsfilter.wire.checker import ANSWER, AUTHORITY, Answer, Record
from dnsfilter.wire.iana import Class, Rcode, Type
from dnsfilter.wire.names import MAX_NAME, ROOT, is_at_or_below, parent
from dnsfilter.wire.query import Question
from dnsfilter.wire.rdata import covered_type, target_name

MAX_STEPS: Final = 16
"""Maximum number of aliases that are followed within one answer."""
TYPES_WITH_TARGET: Final = frozenset({int(Type.CNAME), int(Type.DNAME), int(Type.SVCB), int(Type.HTTPS)})
_CNAME: Final = int(Type.CNAME)
_DNAME: Final = int(Type.DNAME)
_RRSIG: Final = int(Type.RRSIG)
_SOA: Final = int(Type.SOA)
_ANY: Final = int(Type.ANY)


@dataclass(frozen=True, slots=True)
class Chain:
    """The part of an answer section that is reachable from the question.

    `targets`: the folded names that its CNAME, DNAME, SVCB and HTTPS records lead to, each once, in order, without the
    question's name. `end`: the last owner on the chain of aliases.

    `complete` is False if an alias leads to `end` and the message says nothing usable about `end`, or if `long`: there
    are more than MAX_STEPS aliases, and the rest was not followed. `loops`: an alias leads back to one before it.
    `made`: the CNAMEs that are missing next to a DNAME, each as the DNAME's start, the CNAME's owner and its target.
    `contradicts`: a CNAME leads elsewhere than the DNAME above it.
    """

    records: tuple[Record, ...]
    targets: tuple[bytes, ...]
    end: bytes
    complete: bool
    loops: bool = False
    long: bool = False
    made: tuple[tuple[int, bytes, bytes], ...] = ()
    contradicts: bool = False


def _stays(_name: bytes) -> bool:
    return False


class _Walk:
    """Follow the aliases of one answer section from one question."""

    __slots__ = ("_answer", "_contradicts", "_dnames", "_kept", "_leaves", "_made", "_owners", "_question", "_targets")

    def __init__(self, answer: Answer, question: Question, leaves: Callable[[bytes], bool]) -> None:
        self._answer = answer
        self._question = question
        self._leaves = leaves
        self._made: list[tuple[int, bytes, bytes]] = []
        self._contradicts = False
        self._owners: dict[bytes, list[Record]] = {}
        self._dnames = False
        for record in answer.records:
            if record.section == ANSWER and question.qclass in (record.rclass, Class.ANY):
                self._owners.setdefault(record.owner, []).append(record)
                self._dnames = self._dnames or record.rtype == _DNAME
        # In the order reached, each once: records by their start, targets as the keys.
        self._kept: dict[int, Record] = {}
        self._targets: dict[bytes, None] = {}

    def chain(self) -> Chain:
        """Follow aliases until data, nothing, a name that leaves, a loop, or MAX_STEPS aliases."""
        owner = self._question.name
        seen = {owner}
        found = False
        complete = loops = long = False
        for _ in range(MAX_STEPS + 1):
            found = self._keep_data(owner)
            following = None if found else self._keep_alias(owner)
            if following is None:
                complete = found or len(seen) == 1 or self._is_denied(owner)
                break
            if following in seen:
                complete = loops = True
                break
            owner = following
            seen.add(owner)
            if self._question.qtype == _CNAME or self._leaves(owner):
                complete = self._question.qtype == _CNAME  # A DNAME made the CNAME that was asked for.
                break
        else:
            long = True
        self._targets.pop(self._question.name, None)
        made = tuple(self._made)
        kept, targets = tuple(self._kept.values()), tuple(self._targets)
        return Chain(kept, targets, owner, complete, loops, long, made, self._contradicts)

    def _keep_data(self, owner: bytes) -> bool:
        """Keep the records of the queried type at `owner`. Return whether there are any."""
        qtype = self._question.qtype
        found = False
        for record in self._owners.get(owner, ()):
            if record.rtype == qtype or qtype == _ANY:
                found = True
                self._keep(record)
        if found and qtype not in (_ANY, _RRSIG):
            self._keep_signatures(owner, qtype)
        if found and self._dnames and qtype in (_CNAME, _ANY):
            # The CNAME that was asked for may be made from a DNAME, which proves it.
            self._compare(self._keep_dname(owner), self._alias(owner))
        return found

    def _keep_alias(self, owner: bytes) -> bytes | None:
        """Keep the CNAME at `owner`, the DNAME above it, and their signatures. Return the name they lead to."""
        dname = self._keep_dname(owner) if self._dnames else None
        alias = self._alias(owner)
        if alias is None:
            if dname is None:
                return None
            self._made.append((dname[0], owner, dname[1]))
            return dname[1]
        self._compare(dname, alias)
        self._keep(alias)
        self._keep_signatures(owner, _CNAME)
        return target_name(self._answer.message, _CNAME, alias.rdata)

    def _alias(self, owner: bytes) -> Record | None:
        """Return the first CNAME at `owner`. A second one violates RFC 2181 section 10.1, and clients pick either."""
        return next((record for record in self._owners.get(owner, ()) if record.rtype == _CNAME), None)

    def _compare(self, dname: tuple[int, bytes] | None, alias: Record | None) -> None:
        """Compare the CNAME at a name with the one that the DNAME above makes for it (RFC 6672 section 2.2)."""
        if dname is not None and alias is not None:
            target = target_name(self._answer.message, _CNAME, alias.rdata)
            self._contradicts = self._contradicts or target != dname[1]

    def _keep_dname(self, owner: bytes) -> tuple[int, bytes] | None:
        """Keep the nearest DNAME above `owner`. Return its start and the new name, or None if the name is too long.

        Also return None if there is no DNAME.
        """
        above = owner
        while above != ROOT:
            above = parent(above)
            dname = next((record for record in self._owners.get(above, ()) if record.rtype == _DNAME), None)
            if dname is None:
                continue
            self._keep(dname)
            self._keep_signatures(above, _DNAME)
            name = owner[: len(owner) - len(above)] + target_name(self._answer.message, _DNAME, dname.rdata)
            if len(name) > MAX_NAME:
                return None
            self._targets[name] = None
            return dname.start, name
        return None

    def _keep(self, record: Record) -> None:
        self._kept[record.start] = record
        if record.rtype in TYPES_WITH_TARGET:
            target = target_name(self._answer.message, record.rtype, record.rdata)
            # The root as TargetName means the owner (RFC 9460 section 2.5), which is on the chain already.
            if target != ROOT:
                self._targets[target] = None

    def _keep_signatures(self, owner: bytes, covered: int) -> None:
        message = self._answer.message
        for record in self._owners.get(owner, ()):
            if record.rtype == _RRSIG and covered_type(message, record.rdata) == covered:
                self._kept[record.start] = record

    def _is_denied(self, owner: bytes) -> bool:
        """Return whether the message denies `owner` or reports a failure, so that another query is useless."""
        if self._answer.rcode != Rcode.NOERROR:
            return True
        return any(
            record.section == AUTHORITY and record.rtype == _SOA and is_at_or_below(owner, record.owner)
            for record in self._answer.records
        )


def check_dnames(answer: Answer) -> None:
    """Raise MalformedData if an alias that the question reaches contradicts its DNAME."""
    if any(record.rtype == _DNAME for record in answer.section(ANSWER)) and follow(answer, answer.question).contradicts:
        raise MalformedData("read answer: an alias leads elsewhere than its dname")


def follow(answer: Answer, question: Question, leaves: Callable[[bytes], bool] = _stays) -> Chain:
    """Return the part of the answer section that the question reaches. Takes linear time in any order of records.

    At each owner, take the data of the queried type with its signatures, else the CNAME there, else the nearest DNAME
    above (RFC 1034 section 3.6.2, RFC 6672 section 2.3). A loop or more than MAX_STEPS aliases end the chain. An alias
    to a name for which `leaves` returns True ends it as not complete: other servers are asked for that name, and this
    message's data for it is ignored.
    """
    return _Walk(answer, question, leaves).chain()
