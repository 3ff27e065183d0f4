"""The load: files of questions, and dnsperf as the client that asks them."""

import random
import re
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

from tests.bench.cases import Encryption
from tests.bench.large import name_of
from tests.support.components import Component

MIXED_LINES, BLOCK = 100_000, 10
CACHED_NAMES = 1_000
OUTSTANDING = 100
"""The number of open questions at a time."""
PATIENCE_S = 60.0
"""Seconds beyond the configured duration."""
CHANCE = 0.01
"""The tolerance of the share of refusals: a run may end within ten questions, and lost ones are counted separately."""


class LoadError(Exception):
    """Raised if the load fails. The text gives the reason."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The statistics of a run of dnsperf. Latencies are in seconds with their numbers of answers, in rising order."""

    sent: int
    answered: int
    took_s: float
    rcodes: Mapping[str, int]
    latencies: tuple[tuple[float, int], ...]

    @property
    def per_second(self) -> float:
        """Return the answers a second."""
        return self.answered / self.took_s

    def latency_s(self, share: float) -> float:
        """Return the latency that this share of the answers did not exceed."""
        wanted, seen = share * sum(count for _, count in self.latencies), 0
        for latency, count in self.latencies:
            seen += count
            if seen >= wanted:
                return latency
        raise ValueError("find a latency: nothing was answered")


@dataclass(frozen=True, slots=True)
class Target:
    """The server's port, the client's address and sockets, and over TCP the questions of each connection; None: all."""

    port: int
    client: str
    tcp: bool = False
    encryption: Encryption = ""
    sockets: int = 20
    per_socket: int | None = None


def ask(
    dnsperf: Component, target: Target, questions: Path, *, seconds: float, rate: int | None = None, once: bool = False
) -> Asked:
    """Ask these questions for `seconds`, at most `rate` a second. Repeat them unless `once`.

    Raise LoadError if dnsperf fails, does not end, or prints unreadable statistics.
    """
    command = [
        *(str(dnsperf.path), "-s", "127.0.0.1", "-p", str(target.port), "-a", target.client, "-d", str(questions)),
        *(
            "-m",
            target.encryption or ("tcp" if target.tcp else "udp"),
            "-c",
            str(target.sockets),
            "-q",
            str(OUTSTANDING),
            "-t",
            "2",
        ),
        *("-l", str(seconds), "-O", "latency-histogram", "-O", "suppress=timeout"),
    ]
    command += (
        ["-O", "doh-uri=https://localhost/dns-query", "-O", "doh-method=POST"] if target.encryption == "doh" else []
    )
    command += [] if rate is None else ["-Q", str(rate)]
    command += [] if target.per_socket is None else ["-O", f"num-queries-per-conn={target.per_socket}"]
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
    """Return the statistics that dnsperf prints. Raise ValueError if they are not those of a run."""
    # dnsperf also prints the latencies of TCP connections.
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
    """Write questions for listed and cached names.

    The listed names are drawn from all of them. Every ten questions hold the same share of listed names, shuffled.
    """
    drawn = random.Random(20230310)
    listed = round(refused * BLOCK)

    def block() -> list[str]:
        chosen = [name_of(drawn.randrange(names)) for _ in range(listed)]
        chosen += [cached_name(drawn.randrange(CACHED_NAMES)) for _ in range(BLOCK - listed)]
        drawn.shuffle(chosen)
        return chosen

    write_lines(path, (name for _ in range(MIXED_LINES // BLOCK) for name in block()))


def write_cached(path: Path) -> None:
    """Write each cached name once."""
    write_lines(path, map(cached_name, range(CACHED_NAMES)))


def write_new(path: Path, first: int, count: int) -> None:
    """Write names that are asked for only once."""
    write_lines(path, (f"new-{number}.plain.example" for number in range(first, first + count)))


def cached_name(number: int) -> str:
    """Return the unlisted name with this number. Its letters vary, because some hashes spread serial numbers badly."""
    return f"{crc32(number.to_bytes(4)):08x}.plain.example"


def write_lines(path: Path, names: Iterable[str]) -> None:
    """Write a question for an address of each name."""
    with path.open("w") as file:
        file.writelines(f"{name} A\n" for name in names)


def wrong_share(asked: Asked, refused: float) -> float:
    """Return the share of questions with no answer, or with one that the policy does not ask for.

    A refused name may be REFUSED or NXDOMAIN, because not every server has a choice. `refused` is the share of listed
    names.
    """
    if asked.sent == 0:
        return 1.0
    counts = Counter(asked.rcodes)
    refusals = counts["REFUSED"] + counts["NXDOMAIN"]
    others = asked.sent - refusals - counts["NOERROR"]
    amiss = abs(refusals / asked.sent - refused)
    return others / asked.sent + (amiss if amiss > CHANCE else 0.0)
