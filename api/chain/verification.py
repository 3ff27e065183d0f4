"""Verify an exported audit log: entry by entry, and against checkpoints that were kept elsewhere. Pure.

An export has one entry per line, as `canonical` in entry_hash.py writes it with its `hash`, from number 1 on without a
gap. The hash chain alone shows any entry that was changed, left out, added or moved, unless every later hash was
computed again. A checkpoint that was kept elsewhere shows that too.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from api.chain.checkpoint import Checkpoint, Statement
from api.chain.entry_hash import FIELDS, GENESIS, TOKEN
from api.chain.held_checkpoints import TextCheckpoint

MAX_LINE_BYTES = 4 * 1024 * 1024
"""More than an entry can have: a request body has at most a quarter of it."""
KEY_ACT, RESTORE_ACT = "checkpoint.key", "installation.restore"
MAX_RESTORES = 100
_KNOWN = {*FIELDS, "hash"}
# Writes as `canonical` in entry_hash.py does. Floats are refused while reading, which is faster.
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class Fault:
    """The first line that is not as it was written. `seq` is the number in it, if it has one."""

    line: int
    seq: int | None
    message: str


@dataclass(frozen=True, slots=True)
class Chain:
    """The part of an audit log that was read: number and hash of the last intact entry, and the fault after it."""

    seq: int
    hash: str
    fault: Fault | None
    keys: frozenset[str]
    """Public keys of checkpoints that the audit log itself names."""
    installations: frozenset[str]
    """Identities that the audit log gives the installation: one, if nothing is wrong."""
    restores: tuple[int, ...]
    """Numbers of the entries that record a restore from a backup."""


@dataclass(frozen=True, slots=True)
class CheckpointComparison:
    """The result of comparing checkpoints with the audit log. Each message in `faults` is one fault."""

    agreeing: Checkpoint | None
    """The last checkpoint that the audit log agrees with, of those made before `disagreeing`."""
    disagreeing: Checkpoint | None
    """The first checkpoint that the audit log does not agree with."""
    later: Checkpoint | None
    """The first agreeing checkpoint made after `disagreeing`. It is of the present audit log, and so proves nothing."""
    printed: TextCheckpoint | None
    """The last checkpoint as text that the audit log agrees with, before the first one that disagrees."""
    beyond: int
    """Number of checkpoints of entries after the last one that was read."""
    faults: tuple[str, ...]

    @property
    def covered(self) -> int:
        """Return the number of the last entry that a checkpoint confirms, or 0."""
        signed = 0 if self.agreeing is None else self.agreeing.statement.seq
        return max(signed, 0 if self.printed is None else self.printed.seq)


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a verification. `held` is None if no checkpoint was given."""

    chain: Chain
    held: CheckpointComparison | None

    @property
    def sound(self) -> bool:
        """Return whether nothing is wrong."""
        return self.chain.fault is None and (self.held is None or not self.held.faults)

    @property
    def uncovered(self) -> int:
        """Return how many entries come after the last one that a checkpoint confirms."""
        return self.chain.seq - (self.held.covered if self.held is not None else 0)


def verify(
    lines: Iterable[bytes],
    held: Sequence[Checkpoint] | None = None,
    keys: Set[str] = frozenset(),
    printed: Sequence[TextCheckpoint] = (),
) -> Report:
    """Verify the lines of an audit log, each with its line break. Read them once, and keep few in memory.

    `held` are checkpoints of the same installation, in any order. They are signed by one of `keys`. Without `keys`,
    they are signed by a key that the audit log itself names. `printed` are checkpoints as text, without signature.
    """
    wanted = {checkpoint.statement.seq for checkpoint in held or ()} | {one.seq for one in printed}
    reader = _Reader(frozenset(wanted))
    chain = reader.read(lines)
    if held is None:
        return Report(chain, None)
    return Report(chain, _compared(chain, reader.hashes, held, keys, printed))


@dataclass(slots=True)
class _Reader:
    """Read an audit log up to its first fault, and keep the hashes of the wanted entries."""

    wanted: frozenset[int]
    hashes: dict[int, str] = field(default_factory=dict)
    _seq: int = 0
    _hash: str = GENESIS
    _named: tuple[set[str], set[str]] = field(default_factory=lambda: (set(), set()))
    _restores: list[int] = field(default_factory=list)

    def read(self, lines: Iterable[bytes]) -> Chain:
        """Return the intact entries up to the first fault."""
        numbered = enumerate(lines, start=1)
        fault = next((found for number, line in numbered if (found := self._step(number, line)) is not None), None)
        if fault is None and self._seq == 0:
            fault = Fault(1, None, "there is no entry at all")
        elif fault is not None and fault.seq is not None and fault.seq > self._seq + 1:
            fault = self._missing_or_late(fault, numbered)
        keys, installations = map(frozenset, self._named)
        return Chain(self._seq, self._hash, fault, keys, installations, tuple(self._restores))

    def _step(self, number: int, line: bytes) -> Fault | None:
        """Read one line. Return its fault, or None."""
        try:
            entry = _parsed(line)
        except ValueError as error:
            return Fault(number, None, f"{error}; entry {self._seq + 1} is expected here")
        seq, expected = entry["seq"], self._seq + 1
        if _hash(entry) != entry["hash"]:
            return Fault(number, seq, f"entry {seq} was changed: its hash does not match its content")
        if seq < expected:
            return Fault(number, seq, f"entry {seq} is here a second time: it was added or moved")
        if seq > expected:
            return Fault(number, seq, _missing(expected, seq - 1))
        if entry["previous"] != self._hash:
            before = f"entry {seq - 1}" if seq > 1 else "the beginning"
            return Fault(number, seq, f"entry {seq} does not follow {before}: one of them was replaced")
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

    def _missing_or_late(self, fault: Fault, rest: Iterator[tuple[int, bytes]]) -> Fault:
        """Return a fault that says whether the expected entry is missing or comes later."""
        expected = self._seq + 1
        for number, line in rest:
            try:
                if _parsed(line)["seq"] == expected:
                    return Fault(fault.line, fault.seq, f"out of order: entry {expected} comes only in line {number}")
            except ValueError:
                continue
        return fault


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the entry of a line. Raise ValueError."""
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"not an entry: longer than {MAX_LINE_BYTES} bytes")
    text = line[:-1] if line.endswith(b"\n") else line
    try:
        entry = json.loads(text, parse_float=_refused, parse_constant=_refused)
        written = _ENCODER.encode(entry).encode(errors="replace")
    except (ValueError, RecursionError) as error:
        raise ValueError("not an entry: not JSON in UTF-8 with integers only") from error
    if not isinstance(entry, dict) or entry.keys() - {TOKEN} != _KNOWN:
        raise ValueError("not an entry: fields are missing or unknown")
    numbers, texts = ("seq", "account", "revision", TOKEN), ("act", "previous", "hash")
    typed = [type(entry.get(name, 0)) is int for name in numbers] + [type(entry[name]) is str for name in texts]
    if not all(typed):
        raise ValueError("not an entry: a field has a wrong type")
    # A reader would see spaces, other spellings and repeated fields, but the hash does not cover them.
    if written != text:
        raise ValueError("not an exported entry: it was reformatted")
    return entry


def _refused(number: str) -> None:
    raise ValueError(f"{number} is not an integer")


def _hash(entry: dict[str, Any]) -> str:
    """Return the hash of an entry's other fields, as `api.chain.entry_hash.entry_hash` does."""
    hashed = {name: value for name, value in entry.items() if name != "hash"}
    return hashlib.sha256(_ENCODER.encode(hashed).encode(errors="replace")).hexdigest()


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _compared(
    chain: Chain, hashes: dict[int, str], held: Sequence[Checkpoint], keys: Set[str], printed: Sequence[TextCheckpoint]
) -> CheckpointComparison:
    faults: list[str] = []
    sound = list(_genuine(chain, held, keys, faults))
    # Anybody can sign with their own key: such a checkpoint locates a fault only if no other one does. A truncated
    # audit log may name its key in the part that was not read.
    named = [one for one in sound if keys or chain.fault is not None or one.key in chain.keys] or sound
    disagreeing = _first_other(named, hashes) or _first_other(sound, hashes)
    ends = [one.statement.seq for one in (disagreeing,) if one is not None]
    text = _compared_text(hashes, printed, min(ends, default=chain.seq + 1))
    agreeing = later = None
    for checkpoint in named:
        statement = checkpoint.statement
        if hashes.get(statement.seq) != statement.hash or _is_at_or_after(statement, text.disagreeing):
            continue
        if disagreeing is None or _before(statement, disagreeing.statement):
            agreeing = checkpoint
        else:
            later = later or checkpoint
    if disagreeing is not None:
        faults.append(_rebuilt(chain, agreeing, disagreeing, later))
    faults.extend(text.faults)
    beyond = [one for one in named if one.statement.seq not in hashes]
    if beyond and chain.fault is None:
        faults.append(_cut_off(chain, _words(beyond[-1]), beyond[-1].statement.seq))
    elif text.beyond and chain.fault is None:
        faults.append(_cut_off(chain, _words(text.beyond[-1]), text.beyond[-1].seq))
    return CheckpointComparison(
        agreeing, disagreeing, later, text.agreeing, len(beyond) + len(text.beyond), tuple(faults)
    )


@dataclass(frozen=True, slots=True)
class _Text:
    """The result of comparing checkpoints as text. `disagreeing` is the first whose hash the audit log has not."""

    agreeing: TextCheckpoint | None
    disagreeing: TextCheckpoint | None
    beyond: Sequence[TextCheckpoint]
    faults: Sequence[str]


def _compared_text(hashes: dict[int, str], printed: Sequence[TextCheckpoint], ends: int) -> _Text:
    in_order = sorted(printed, key=lambda one: (one.seq, one.number))
    other = next((one for one in in_order if hashes.get(one.seq, one.hash) != one.hash), None)
    ends = ends if other is None else min(ends, other.seq)
    agreeing = [one for one in in_order if one.seq in hashes and one.seq < ends]
    beyond = [one for one in in_order if one.seq not in hashes]
    faults = [] if other is None else [_other_text(other, hashes[other.seq])]
    return _Text(agreeing[-1] if agreeing else None, other, beyond, faults)


def _other_text(printed: TextCheckpoint, found: str) -> str:
    return (
        f"entry {printed.seq} has the hash {found}, but {_words(printed)} says {printed.hash}. The text is not signed: "
        f"check that it is of this installation"
    )


def _cut_off(chain: Chain, checkpoint: str, seq: int) -> str:
    return (
        f"entries were cut off at the end: the audit log ends with entry {chain.seq}, but {checkpoint} "
        f"is of entry {seq}"
    )


def _is_at_or_after(one: Statement, other: TextCheckpoint | None) -> bool:
    return other is not None and one.seq >= other.seq


def _before(one: Statement, other: Statement) -> bool:
    # An audit log that was rebuilt or restored from a backup may have been shorter than before.
    return one.seq < other.seq and one.time <= other.time


def _first_other(checkpoints: Sequence[Checkpoint], hashes: dict[int, str]) -> Checkpoint | None:
    """Return the first checkpoint of an entry that was read with another hash."""
    stated = ((one, one.statement) for one in checkpoints)
    return next((one for one, of in stated if hashes.get(of.seq, of.hash) != of.hash), None)


def _genuine(chain: Chain, held: Sequence[Checkpoint], keys: Set[str], faults: list[str]) -> Iterator[Checkpoint]:
    """Return the checkpoints that can be compared, in the order of their entries. Add faults to `faults`."""
    genuine: list[Checkpoint] = []
    for checkpoint in sorted(held, key=lambda one: (one.statement.seq, one.statement.number)):
        if not checkpoint.genuine:
            faults.append(f"{_words(checkpoint)}: its key did not make the signature")
        elif keys and checkpoint.key not in keys:
            faults.append(f"{_words(checkpoint)}: it is signed with another key, {checkpoint.key}")
        else:
            genuine.append(checkpoint)
    installation = _installation(chain, genuine)
    unnamed: set[str] = set()
    for checkpoint in genuine:
        statement = checkpoint.statement
        if statement.installation != installation:
            faults.append(f"{_words(checkpoint)}: it is of another installation, {statement.installation}")
            continue
        # A truncated audit log may name them in the part that was not read.
        if chain.fault is None and statement.installation not in chain.installations | unnamed:
            unnamed.add(statement.installation)
            faults.append(
                f"{_words(checkpoint)}: the audit log does not name its installation, {statement.installation}"
            )
        elif chain.fault is None and not keys and checkpoint.key not in chain.keys | unnamed:
            unnamed.add(checkpoint.key)
            faults.append(f"{_words(checkpoint)}: the audit log does not name its key, {checkpoint.key}")
        yield checkpoint


def _installation(chain: Chain, genuine: Sequence[Checkpoint]) -> str | None:
    """Return the installation that checkpoints must have: the audit log's if any has it, else that of the first."""
    found = [checkpoint.statement.installation for checkpoint in genuine]
    named = [name for name in found if chain.installations == {name}]
    return next(iter(named or found), None)


def _rebuilt(chain: Chain, agreeing: Checkpoint | None, disagreeing: Checkpoint, later: Checkpoint | None) -> str:
    first = agreeing.statement.seq + 1 if agreeing is not None else 1
    last = disagreeing.statement.seq
    between = f"between {_words(agreeing)} and" if agreeing is not None else "before the first checkpoint,"
    other = f"at least one of the entries {first} to {last}" if first < last else f"entry {last}"
    restored = [seq for seq in chain.restores if first <= seq <= last]
    hint = f"; entry {restored[0]} records the restore of a backup" if restored else ""
    since = f"; {_words(later)} was made of the present audit log" if later is not None else ""
    return f"the audit log was rebuilt {between} {_words(disagreeing)}: {other} is different{hint}{since}"


def _words(checkpoint: Checkpoint | TextCheckpoint) -> str:
    if isinstance(checkpoint, TextCheckpoint):
        return f"checkpoint {checkpoint.number} as text"
    statement = checkpoint.statement
    return f"checkpoint {statement.number} ({statement.time}, entry {statement.seq})"
