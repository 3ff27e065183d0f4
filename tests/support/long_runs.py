"""Random draws that can be repeated, and progress, of tests that run for minutes."""

import os
import secrets

SEED = "DNSFILTER_SEED"
"""The variable that repeats a run's random draws. Each run prints its value."""


def drawn_seed() -> int:
    """Return the seed from the environment, or else a new one. Print it, so that a failing test shows it."""
    seed = int(os.environ.get(SEED) or secrets.randbits(32))
    print(f"{SEED}={seed}", flush=True)
    return seed


def say(text: str) -> None:
    """Print a line of progress. `pytest -s` shows it at once, other runs show it with a failure."""
    print(text, flush=True)
