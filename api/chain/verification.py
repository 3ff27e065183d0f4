"""Whether an exported record is whole: entry by entry, and against checkpoints that were held elsewhere. Pure.

An export is one entry a line, as `canonical` in entry_hash.py writes it with its `hash`, from number 1 on without a
gap. The chain alone shows any entry that was changed, left out, added or moved, unless every later hash was computed
again. A checkpoint that was out of reach meanwhile shows that too.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from api.chain.checkpoint import Checkpoint, Statement
from api.chain.entry_hash import FIELDS, GENESIS, TOKEN

MAX_LINE_BYTES = 4 * 1024 * 1024
"""More than an entry can have: a request's body has at most a quarter of it."""
KEY_ACT, RESTORE_ACT = "checkpoint.key", "installation.restore"
MAX_RESTORES = 100
_KNOWN = {*FIELDS, "hash"}
# As `canonical` in entry_hash.py writes. That looks for numbers with a point; here reading does, which is faster.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first line that is not as it was written. `seq` is the number in it, where it has one."""

    line: int
    seq: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Chain:
    """What was read of a record: number and hash of the last whole entry, and what is wrong after it."""

    seq: int
    hash: str
    fault: Fault | None
    keys: frozenset[str]
    """Public keys of checkpoints that the record itself names."""
    installations: frozenset[str]
    """Identities that it gives the installation; one, as long as nothing is wrong."""
    restores: tuple[int, ...]
    """Entries by which the installation was restored from a backup."""


@dataclass(frozen=True, slots=True)
class Held:
    """What became of the checkpoints. Each message in `faults` is one thing that does not hold."""

    agreeing: Checkpoint | None
    """The last one that the record agrees with, of those made before the first that it does not agree with."""
    disagreeing: Checkpoint | None
    """The first one that it does not agree with."""
    later: Checkpoint | None
    """The first one made after that which it agrees with: made of the record as it is now, it vouches for nothing."""
    beyond: int
    """How many are of entries that come after what was read."""
    faults: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a verification found; `held` is None where no checkpoint was given."""

    chain: Chain
    held: Held | None

    @property
    def sound(self) -> bool:
        """Whether all holds."""
        return self.chain.fault is None and (self.held is None or not self.held.faults)

    @property
    def uncovered(self) -> int:
        """How many entries come after the last one that a held checkpoint agrees with."""
        agreeing = self.held.agreeing if self.held is not None else None
        return self.chain.seq - (agreeing.statement.seq if agreeing is not None else 0)


def verify(lines: Iterable[bytes], held: Sequence[Checkpoint] | None = None, keys: Set[str] = frozenset()) -> Report:
    """The report on a record's lines, each with its end; read once, whatever their number.

    `held` are checkpoints of the same installation, in any order; signed by one of `keys`, or, where none are given,
    by a key that the record itself names.
    """
    of_seq: dict[int, list[Checkpoint]] = {}
    for checkpoint in held or ():
        of_seq.setdefault(checkpoint.statement.seq, []).append(checkpoint)
    reader = _Reader(frozenset(of_seq))
    chain = reader.read(lines)
    if held is None:
        return Report(chain, None)
    return Report(chain, _compared(chain, reader.hashes, held, keys))


@dataclass(slots=True)
class _Reader:
    """Reads a record as far as it is whole, and keeps the hashes of the numbers that are asked for."""

    wanted: frozenset[int]
    hashes: dict[int, str] = field(default_factory=dict)
    _seq: int = 0
    _hash: str = GENESIS
    _named: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    _restores: list[int] = field(default_factory=list)

    def read(self, lines: Iterable[bytes]) -> Chain:
        """The whole entries, up to the first fault."""
        numbered = enumerate(lines, start=1)
        fault = next((found for number, line in numbered if (found := self._step(number, line)) is not None), None)
        if fault is None and self._seq == 0:
            fault = Fault(1, None, "there is no entry at all")
        elif fault is not None and fault.seq is not None and fault.seq > self._seq + 1:
            fault = self._told_apart(fault, numbered)
        keys, installations = map(frozenset, self._named)
        return Chain(self._seq, self._hash, fault, keys, installations, tuple(self._restores))

    def _step(self, number: int, line: bytes) -> Fault | None:
        """Take one line; the fault that it has, else None."""
        try:
            entry = _parsed(line)
        except ValueError as error:
            return Fault(number, None, f"{error}; entry {self._seq + 1} is expected here")
        seq, expected = entry["seq"], self._seq + 1
        if _hash(entry) != entry["hash"]:
            return Fault(number, seq, f"entry {seq} was changed: its hash is not that of its content")
        if seq < expected:
            return Fault(number, seq, f"entry {seq} stands here once more: it was added or moved")
        if seq > expected:
            return Fault(number, seq, _missing(expected, seq - 1))
        if entry["previous"] != self._hash:
            before = f"entry {seq - 1}" if seq > 1 else "the beginning"
            return Fault(number, seq, f"entry {seq} does not follow {before} as it stands: one of them was replaced")
        self._seq, self._hash = seq, entry["hash"]
        if seq in self.wanted:
            self.hashes[seq] = self._hash
        self._remember(entry)
        return None

    def _remember(self, entry: dict[str, Any]) -> None:
        if entry["act"] == KEY_ACT and isinstance(entry["after"], dict):
            for names, name in zip(self._named, ("key", "installation"), strict=True):
                names.add(str(entry["after"].get(name)))
        elif entry["act"] == RESTORE_ACT and len(self._restores) < MAX_RESTORES:
            self._restores.append(entry["seq"])

    def _told_apart(self, fault: Fault, rest: Iterator[tuple[int, bytes]]) -> Fault:
        """Whether the entry that is expected is missing, or comes only later."""
        expected = self._seq + 1
        for number, line in rest:
            try:
                if _parsed(line)["seq"] == expected:
                    return Fault(fault.line, fault.seq, f"out of order: entry {expected} comes only in line {number}")
            except ValueError:
                continue
        return fault


def _parsed(line: bytes) -> dict[str, Any]:
    """The entry of a line; raises ValueError."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"not an entry: longer than {MAX_LINE_BYTES} octets")
    text = line[:-1] if line.endswith(b"\n") else line
    try:
        entry = json.loads(text, parse_float=_refused, parse_constant=_refused)
        written = _ENCODER.encode(entry).encode(errors="replace")
    except (ValueError, RecursionError) as error:
        raise ValueError("not an entry: no JSON in UTF-8 with whole numbers") from error
    if not isinstance(entry, dict) or entry.keys() - {TOKEN} != _KNOWN:
        raise ValueError("not an entry: other fields than one has")
    numbers, texts = ("seq", "account", "revision", TOKEN), ("act", "previous", "hash")
    typed = [type(entry.get(name, 0)) is int for name in numbers] + [type(entry[name]) is str for name in texts]
    if not all(typed):
        raise ValueError("not an entry: a field is of another type")
    # Spaces, other spellings and fields that stand twice would be seen by a reader and not by the hash.
    if written != text:
        raise ValueError("not an entry as it is exported: it was written anew")
    return entry


def _refused(number: str) -> None:
    raise ValueError(f"{number} is no whole number")


def _hash(entry: dict[str, Any]) -> str:
    """The hash of an entry's other fields, as `api.chain.entry_hash.entry_hash` makes it."""
    hashed = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(_ENCODER.encode(hashed).encode(errors="replace")).hexdigest()


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _compared(chain: Chain, hashes: dict[int, str], held: Sequence[Checkpoint], keys: Set[str]) -> Held:
    faults: list[str] = []
    sound = list(_genuine(chain, held, keys, faults))
    # Anybody can sign with a key of their own: such a one tells where only if no other does. A record that breaks off
    # may name its key in what was not read.
    named = [one for one in sound if keys or chain.fault is not None or one.key in chain.keys] or sound
    disagreeing = _first_other(named, hashes) or _first_other(sound, hashes)
    agreeing = later = None
    for checkpoint in named:
        said = checkpoint.statement
        if hashes.get(said.seq) != said.hash:
            continue
        if disagreeing is None or _before(said, disagreeing.statement):
            agreeing = checkpoint
        else:
            later = later or checkpoint
    beyond = [one for one in named if one.statement.seq not in hashes]
    if disagreeing is not None:
        faults.append(_rebuilt(chain, agreeing, disagreeing, later))
    if beyond and chain.fault is None:
        last = beyond[-1]
        faults.append(
            f"entries were cut off at the end: the record ends with entry {chain.seq}, and {_words(last)} "
            f"is of entry {last.statement.seq}"
        )
    return Held(agreeing, disagreeing, later, len(beyond), tuple(faults))


def _before(one: Statement, other: Statement) -> bool:
    # A record that was made anew, or of which a backup was restored, may have been shorter than before.
    return one.seq < other.seq and one.time <= other.time


def _first_other(checkpoints: Sequence[Checkpoint], hashes: dict[int, str]) -> Checkpoint | None:
    """The first one of an entry that was read with another hash."""
    said = ((one, one.statement) for one in checkpoints)
    return next((one for one, of in said if hashes.get(of.seq, of.hash) != of.hash), None)


def _genuine(chain: Chain, held: Sequence[Checkpoint], keys: Set[str], faults: list[str]) -> Iterator[Checkpoint]:
    """The checkpoints that can be compared, in the order of their entries; what is wrong with any is added."""
    genuine: list[Checkpoint] = []
    for checkpoint in sorted(held, key=lambda one: (one.statement.seq, one.statement.number)):
        if not checkpoint.genuine:
            faults.append(f"{_words(checkpoint)}: the signature is not that of its key")
        elif keys and checkpoint.key not in keys:
            faults.append(f"{_words(checkpoint)}: it is signed with another key, {checkpoint.key}")
        else:
            genuine.append(checkpoint)
    installation = _installation(chain, genuine)
    unnamed: set[str] = set()
    for checkpoint in genuine:
        said = checkpoint.statement
        if said.installation != installation:
            faults.append(f"{_words(checkpoint)}: it is of another installation, {said.installation}")
            continue
        # A record that breaks off may name them in what was not read.
        if chain.fault is None and said.installation not in chain.installations | unnamed:
            unnamed.add(said.installation)
            faults.append(f"{_words(checkpoint)}: the record does not name its installation, {said.installation}")
        elif chain.fault is None and not keys and checkpoint.key not in chain.keys | unnamed:
            unnamed.add(checkpoint.key)
            faults.append(f"{_words(checkpoint)}: the record does not name its key, {checkpoint.key}")
        yield checkpoint


def _installation(chain: Chain, genuine: Sequence[Checkpoint]) -> str | None:
    """Of which installation the checkpoints are to be: the record's, where any is of it; else that of the first."""
    found = [checkpoint.statement.installation for checkpoint in genuine]
    named = [name for name in found if chain.installations == {name}]
    return next(iter(named or found), None)


def _rebuilt(chain: Chain, agreeing: Checkpoint | None, disagreeing: Checkpoint, later: Checkpoint | None) -> str:
    first = agreeing.statement.seq + 1 if agreeing is not None else 1
    last = disagreeing.statement.seq
    between = f"between {_words(agreeing)} and" if agreeing is not None else "before the first one held,"
    other = f"of the entries {first} to {last} at least one is" if first < last else f"entry {last} is"
    restored = [seq for seq in chain.restores if first <= seq <= last]
    hint = f"; entry {restored[0]} says that a backup was restored" if restored else ""
    since = f"; {_words(later)} was made of the record as it is now" if later is not None else ""
    return f"the record was made anew {between} {_words(disagreeing)}: {other} another{hint}{since}"


def _words(checkpoint: Checkpoint) -> str:
    said = checkpoint.statement
    return f"checkpoint {said.number} ({said.time}, entry {said.seq})"
