"""The chain of aliases in an answer section: what of it the question reaches, and where it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dnsfilter.errors import MalformedData
from dnsfilter.wire.checker import ANSWER, AUTHORITY, Answer, Record
from dnsfilter.wire.iana import Class, Rcode, Type
from dnsfilter.wire.names import MAX_NAME, ROOT, is_at_or_below, parent
from dnsfilter.wire.query import Question
from dnsfilter.wire.rdata import target_name

MAX_STEPS: Final = 16
"""How many aliases are followed within one answer."""
TYPES_WITH_TARGET: Final = frozenset({int(Type.CNAME), int(Type.DNAME), int(Type.SVCB), int(Type.HTTPS)})
_CNAME: Final = int(Type.CNAME)
_DNAME: Final = int(Type.DNAME)
_RRSIG: Final = int(Type.RRSIG)
_SOA: Final = int(Type.SOA)
_ANY: Final = int(Type.ANY)


@dataclass(frozen=True, slots=True)
class Chain:
    """The part of an answer section that is reachable from the question.

    `targets` are the names that its CNAME, DNAME, SVCB and HTTPS records lead to, folded, in order, each once and
    without the question's own. `end` is the last owner on the chain of aliases. Not `complete`: an alias leads to
    `end`, about which the message says nothing, or nothing that counts. `endless`: the aliases loop, or are more than
    MAX_STEPS. `made`: CNAMEs that are missing beside a DNAME, each with the start of that, its owner and its target.
    `contradicts`: a CNAME leads elsewhere than the DNAME above it.
    """

    records: tuple[Record, ...]
    targets: tuple[bytes, ...]
    end: bytes
    complete: bool
    endless: bool
    made: tuple[tuple[int, bytes, bytes], ...] = ()
    contradicts: bool = False


def _stays(_name: bytes) -> bool:
    return False


class _Walk:
    """A walk along the aliases of one answer section, from one question."""

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
        # In the order reached, each once: records by where they start, targets as the keys.
        self._kept: dict[int, Record] = {}
        self._targets: dict[bytes, None] = {}

    def chain(self) -> Chain:
        """Walk until there is data, nothing, a name that leaves, a loop or MAX_STEPS aliases."""
        owner = self._question.name
        seen = {owner}
        found = False
        complete = endless = False
        for _ in range(MAX_STEPS + 1):
            found = self._keep_data(owner)
            following = None if found else self._keep_alias(owner)
            if following is None:
                complete = found or len(seen) == 1 or self._is_denied(owner)
                break
            if following in seen:
                complete = endless = True
                break
            owner = following
            seen.add(owner)
            if self._question.qtype == _CNAME or self._leaves(owner):
                complete = self._question.qtype == _CNAME  # which a DNAME gave
                break
        else:
            complete = endless = True
        self._targets.pop(self._question.name, None)
        made = tuple(self._made)
        kept, targets = tuple(self._kept.values()), tuple(self._targets)
        return Chain(kept, targets, owner, complete, endless, made, self._contradicts)

    def _keep_data(self, owner: bytes) -> bool:
        """Keep the records of the asked type at `owner`; whether there were any."""
        qtype = self._question.qtype
        found = False
        for record in self._owners.get(owner, ()):
            if record.rtype == qtype or qtype == _ANY:
                found = True
                self._keep(record)
        if found and qtype not in (_ANY, _RRSIG):
            self._keep_signatures(owner, qtype)
        if found and self._dnames and qtype in (_CNAME, _ANY):
            # The CNAME that was asked for may be one made from a DNAME, which proves it.
            self._compare(self._keep_dname(owner), self._alias(owner))
        return found

    def _keep_alias(self, owner: bytes) -> bytes | None:
        """Keep the CNAME at `owner`, the DNAME above it, and their signatures; the name they lead to."""
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
        """The CNAME at `owner`.

        One only: a second at the same name is against RFC 2181 section 10.1, and clients pick either.
        """
        return next((record for record in self._owners.get(owner, ()) if record.rtype == _CNAME), None)

    def _compare(self, dname: tuple[int, bytes] | None, alias: Record | None) -> None:
        """Hold the CNAME at a name against what the DNAME above makes of that name (RFC 6672 section 2.2)."""
        if dname is not None and alias is not None:
            target = target_name(self._answer.message, _CNAME, alias.rdata)
            self._contradicts = self._contradicts or target != dname[1]

    def _keep_dname(self, owner: bytes) -> tuple[int, bytes] | None:
        """Keep the nearest DNAME above `owner`; its start and the name that `owner` becomes, None where it is none."""
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
            # The root as TargetName stands for the owner (RFC 9460 section 2.5), which is on the chain already.
            if target != ROOT:
                self._targets[target] = None

    def _keep_signatures(self, owner: bytes, covered: int) -> None:
        message = self._answer.message
        for record in self._owners.get(owner, ()):
            if record.rtype == _RRSIG and int.from_bytes(message[record.rdata : record.rdata + 2], "big") == covered:
                self._kept[record.start] = record

    def _is_denied(self, owner: bytes) -> bool:
        """Whether the message says of `owner` that there is nothing, or failed, so that asking on is of no use."""
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
    """What of the answer section is reachable from the question; linear, however the records are ordered.

    At each owner: the data of the asked type with its signatures, else the CNAME there, else the nearest DNAME above
    (RFC 1034 section 3.6.2, RFC 6672 section 2.3). Loops and more than MAX_STEPS aliases end the walk as complete, and
    endless. An alias to a name that `leaves` ends it as not complete: others are asked for that, whatever is said here.
    """
    return _Walk(answer, question, leaves).chain()
