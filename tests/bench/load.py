"""The load: files of questions, and dnsperf that asks them."""

import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from tests.bench.large import name_of
from tests.support.components import Component

MIXED_LINES, BLOCK = 100_000, 10
CACHED_NAMES = 1_000
SOCKETS, OUTSTANDING = 20, 100
"""How many sockets or connections ask, and how many questions are open at a time."""
PATIENCE_S = 60.0
"""Time beyond the configured duration."""
CHANCE = 0.01
"""How far the share of refusals may be off: a run ends amid ten questions, and what is lost is counted for itself."""


class LoadError(Exception):
    """The load could not be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What dnsperf prints about a run. Latencies in seconds with their numbers of answers, in rising order."""

    sent: int
    answered: int
    took_s: float
    rcodes: Mapping[str, int]
    latencies: tuple[tuple[float, int], ...]

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.answered / self.took_s

    def latency_s(self, share: float) -> float:
        """The latency that this share of the answers did not exceed."""
        wanted, seen = share * sum(count for _, count in self.latencies), 0
        for latency, count in self.latencies:
            seen += count
            if seen >= wanted:
                return latency
        raise ValueError("find a latency: nothing was answered")


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask, how, and as which client."""

    port: int
    client: str
    tcp: bool


def ask(
    dnsperf: Component, target: Target, questions: Path, *, seconds: float, rate: int | None = None, once: bool = False
) -> Asked:
    """Ask these questions for so long, at most `rate` a second, again from the beginning unless `once`.

    Raises LoadError where dnsperf fails, does not end, or says what cannot be read.
    """
    command = [
        *(str(dnsperf.path), "-s", "127.0.0.1", "-p", str(target.port), "-a", target.client, "-d", str(questions)),
        *("-m", "tcp" if target.tcp else "udp", "-c", str(SOCKETS), "-q", str(OUTSTANDING), "-t", "2"),
        *("-l", str(seconds), "-O", "latency-histogram", "-O", "suppress=timeout"),
    ]
    command += [] if rate is None else ["-Q", str(rate)]
    command += ["-n", "1"] if once else []
    try:
        done = subprocess.run(command, env=dnsperf.env, capture_output=True, text=True, timeout=seconds + PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise LoadError(f"ask with dnsperf: no end after {error.timeout:.0f} s") from error
    if done.returncode != 0:
        raise LoadError(f"ask with dnsperf: {done.stderr}{done.stdout}")
    try:
        return parse_asked(done.stdout)
    except ValueError as error:
        raise LoadError(str(error)) from error


def parse_asked(text: str) -> Asked:
    """The statistics that dnsperf prints; raises ValueError where they are not those of a run."""
    # Of TCP's connections it prints latencies too.
    text = text.partition("Connection Statistics")[0]
    buckets = re.findall(r"^ +[\d.]+ - ([\d.]+): +(\d+)$", text, re.MULTILINE)
    return Asked(
        sent=int(_found(r"Queries sent: +(\d+)", text)),
        answered=int(_found(r"Queries completed: +(\d+)", text)),
        took_s=float(_found(r"Run time \(s\): +([\d.]+)", text)),
        rcodes={name: int(count) for name, count in re.findall(r"([A-Z]\w+) (\d+) \(", text)},
        latencies=tuple((float(latency), int(count)) for latency, count in buckets),
    )


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"read dnsperf's statistics: no {pattern!r} in {text!r}")
    return match[1]


def write_mixed(path: Path, names: int, refused: float) -> None:
    """Questions for listed names, drawn from all of them, and for cached ones: in each ten the same share, shuffled."""
    drawn = random.Random(20230310)
    listed = round(refused * BLOCK)

    def block() -> list[str]:
        chosen = [name_of(drawn.randrange(names)) for _ in range(listed)]
        chosen += [cached_name(drawn.randrange(CACHED_NAMES)) for _ in range(BLOCK - listed)]
        drawn.shuffle(chosen)
        return chosen

    _write(path, (name for _ in range(MIXED_LINES // BLOCK) for name in block()))


def write_cached(path: Path) -> None:
    """Each name that is to be cached, once."""
    _write(path, map(cached_name, range(CACHED_NAMES)))


def write_new(path: Path, first: int, count: int) -> None:
    """Return names that are asked for only once."""
    _write(path, (f"new-{number}.plain.example" for number in range(first, first + count)))


def cached_name(number: int) -> str:
    """The name of that number that no list holds; its letters vary, since some hashes like no running numbers."""
    return f"{crc32(number.to_bytes(4)):08x}.plain.example"


def _write(path: Path, names: Iterable[str]) -> None:
    with path.open("w") as file:
        file.writelines(f"{name} A\n" for name in names)


def wrong_share(asked: Asked, refused: float) -> float:
    """The share of the questions sent that had no answer, or not the one that the policy asks for.

    A refused name may be REFUSED or NXDOMAIN: not every server has a choice. `refused` is the share of listed names.
    """
    if asked.sent == 0:
        return 1.0
    counts = Counter(asked.rcodes)
    refusals = counts["REFUSED"] + counts["NXDOMAIN"]
    others = asked.sent - refusals - counts["NOERROR"]
    amiss = abs(refusals / asked.sent - refused)
    return others / asked.sent + (amiss if amiss > CHANCE else 0.0)
