"""Audit log entries made up for tests: lines of an export, and checkpoints over them."""

from collections.abc import Sequence
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.chain.checkpoint import Checkpoint, Statement, public_text
from api.chain.entry_hash import GENESIS, canonical, entry_hash

INSTALLATION = "0123456789abcdef" * 2
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))

Entry = dict[str, Any]


def entries(count: int) -> list[Entry]:
    """Return `count` entries without hashes. The first entry names the key and the installation."""
    named = {"key": public_text(KEY), "installation": INSTALLATION}
    return [
        {
            "seq": seq,
            "time": f"2026-03-02T10:{seq // 60:02}:{seq % 60:02}Z",
            "account": seq % 3,
            "access": "token",
            **({"token": seq} if seq % 2 else {}),
            "request": f"{seq:016x}",
            "act": "ban.change" if seq > 1 else "checkpoint.key",
            "object": "ban/town/alpha" if seq > 1 else "installation",
            "authorities": ["town"] if seq > 1 else [],
            "before": {"mode": "off"} if seq > 1 else None,
            "after": {"mode": "enforce", "reason": f"besluit {seq} – “é”"} if seq > 1 else named,
            "revision": seq,
        }
        for seq in range(1, count + 1)
    ]


def chained(made: Sequence[Entry], after: str = GENESIS) -> list[Entry]:
    """Return the entries with `previous` and `hash`. The first entry follows on `after`."""
    found: list[Entry] = []
    for entry in made:
        following = {**entry, "previous": found[-1]["hash"] if found else after}
        found.append({**following, "hash": entry_hash(following)})
    return found


def record(count: int) -> list[Entry]:
    """Return a complete audit log of `count` entries."""
    return chained(entries(count))


def lines(made: Sequence[Entry]) -> list[bytes]:
    """Return the lines that an export has for the entries."""
    return [canonical(entry) + b"\n" for entry in made]


def held(made: Sequence[Entry], *numbers: int, key: Ed25519PrivateKey = KEY) -> list[Checkpoint]:
    """Return a signed checkpoint for each of the entries with these numbers."""
    return [
        Statement(count, INSTALLATION, seq, made[seq - 1]["hash"], made[seq - 1]["time"]).signed_by(key)
        for count, seq in enumerate(numbers, start=1)
    ]
