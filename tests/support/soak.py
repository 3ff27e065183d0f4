"""Whether tests that go on for long do so: `make soak` sets DNSFILTER_SOAK."""

import os
import secrets

SOAKING = os.environ.get("DNSFILTER_SOAK") == "1"
SEED = "DNSFILTER_SEED"
"""Set, what is drawn is drawn as in the run that printed it."""


def drawn_seed() -> int:
    """A seed of the environment, else a new one; a failing test shows it."""
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    print(f"{SEED}={seed}", flush=True)
    return seed


def say(text: str) -> None:
    """A line of progress; seen at once by `make soak`, and with a failure otherwise."""
    print(text, flush=True)
