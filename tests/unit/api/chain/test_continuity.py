"""What can be seen from outside of whether a checkpoint continues the held ones."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.chain.checkpoint import Checkpoint, Statement, public_text
from api.chain.continuity import break_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(31) + b"\1")
HELD = Statement(7, "a" * 32, 40, "b" * 64, "2026-11-25T10:00:00Z")
NEXT = replace(HELD, number=8, seq=44, hash="c" * 64)


def signed(**changes: object) -> Checkpoint:
    return replace(NEXT, **changes).signed_by(KEY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "found",
    [signed(), HELD.signed_by(KEY), signed(seq=HELD.seq, hash=HELD.hash)],
    ids=["later", "held", "made again without new entries"],
)
def test_a_checkpoint_that_continues_the_held_ones_is_in_order(found: Checkpoint) -> None:
    assert break_of(found, public_text(KEY), HELD, [HELD]) is None
    assert break_of(found, public_text(KEY), None, []) is None


@pytest.mark.parametrize(
    ("found", "reason", "is_proof"),
    [
        (NEXT.signed_by(OTHER), "another key", False),
        (replace(NEXT.signed_by(KEY), statement=HELD), "not valid", False),
        (signed(installation="d" * 32), "another installation", True),
        (signed(number=7), "checkpoint 7 was made twice, of entries 40 and 44", True),
        (signed(seq=40), "entry 40 has two hashes, in checkpoints 7 and 8", True),
        (signed(number=7, seq=40), "entry 40 has two hashes, in checkpoints 7 and 7", True),
        (signed(seq=39), "checkpoint 8 is of entry 39, but checkpoint 7 of entry 40", True),
        (signed(number=6, seq=30), "checkpoint 6 is shown, but 7 is held already", False),
    ],
)
def test_a_checkpoint_that_does_not_continue_says_why_and_whether_both_are_signed(
    found: Checkpoint, reason: str, is_proof: bool
) -> None:
    broken = break_of(found, public_text(KEY), HELD, [HELD])
    assert broken is not None
    assert reason in broken.reason
    assert broken.is_proof is is_proof
