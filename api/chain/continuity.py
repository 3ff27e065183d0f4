"""Whether a checkpoint of another audit log continues the ones that are held of it. Pure.

From outside, the entries between two checkpoints are unknown. What can be seen: signature, key and installation; that
a number, or an entry, never has two hashes; that both numbers only rise. The rest shows when the other installation
hands out its audit log: see `verification.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from api.chain.checkpoint import Checkpoint, Statement


@dataclass(frozen=True, slots=True)
class Break:
    """Why a checkpoint does not continue the held ones. With `is_proof`, both are signed: keep it as evidence."""

    reason: str
    is_proof: bool


def break_of(found: Checkpoint, key: str, last: Statement | None, equal: Sequence[Statement]) -> Break | None:
    """Return why a checkpoint does not continue the held ones, or None.

    `key` is the known public key. `last` is the held one with the highest number. `equal` are those with the number or
    the entry of the new one.
    """
    new = found.statement
    if found.key != key:
        return Break(f"checkpoint {new.number} is signed with another key: {found.key}", is_proof=False)
    if not found.genuine:
        return Break(f"checkpoint {new.number} has a signature that is not valid", is_proof=False)
    if last is None:
        return None
    if new.installation != last.installation:
        return Break(f"checkpoint {new.number} is of another installation: {new.installation}", is_proof=True)
    for held in equal:
        if held.seq == new.seq and held.hash != new.hash:
            return Break(
                f"entry {new.seq} has two hashes, in checkpoints {held.number} and {new.number}", is_proof=True
            )
        if held.number == new.number and held != new:
            return Break(f"checkpoint {new.number} was made twice, of entries {held.seq} and {new.seq}", is_proof=True)
    if new.number > last.number and new.seq < last.seq:
        reason = f"checkpoint {new.number} is of entry {new.seq}, but checkpoint {last.number} of entry {last.seq}"
        return Break(reason, is_proof=True)
    if new.number < last.number:
        return Break(f"checkpoint {new.number} is shown, but {last.number} is held already", is_proof=False)
    return None
