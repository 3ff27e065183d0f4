"""Settings of long-running tests: `make soak` sets DNSFILTER_SOAK."""

import os
import secrets

SOAKING = os.environ.get("DNSFILTER_SOAK") == "1"
SEED = "DNSFILTER_SEED"
"""The variable that repeats a run's random draws. Each run prints its value."""


def drawn_seed() -> int:
    """Return the seed from the environment, or else a new one. Print it, so that a failing test shows it."""
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    print(f"{SEED}={seed}", flush=True)
    return seed


def say(text: str) -> None:
    """Print a line of progress. `make soak` shows it at once, other runs show it with a failure."""
    print(text, flush=True)
