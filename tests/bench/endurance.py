"""Memory and descriptors under a long steady load: `python -m tests.bench.endurance [MINUTES]` (default: 30).

The load is 20,000 questions a second, one in twenty over TCP: 19 % for listed names, 76 % for cached ones, 5 % for
names that are new. Each minute prints a line. At the end the bench compares the median memory of the first minutes
after the warm-up with that of the last ones. Exit with 1 if memory grew by more than 2 %, if descriptors grew, or if an
answer was not right.
"""

import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from tests.bench.cases import Case
from tests.bench.large import name_of
from tests.bench.machine import family, pinned, resident_bytes, share_cores
from tests.bench.query_load import Asked, Target, ask, cached_name, write_cached, write_lines
from tests.bench.servers import CLIENT, OURS, Policies, authority, server
from tests.support.components import Component, component

RATE, MINUTE_S = 20_000, 60
LISTED, NEW = 19, 5
"""Of each hundred questions."""
PER_TCP = 20
"""Of so many questions, the last is asked over TCP."""
WARM_MINUTES, MOST_GROWTH = 14, 0.02
"""New names fill the worker's cache in four minutes, and the standby's, which follows more slowly, in thirteen."""
CASE = Case("endurance", "19 % refused, 76 % cached, 5 % new")


@dataclass(frozen=True, slots=True)
class Minute:
    """What a minute showed. `lost` counts questions without an answer or with a wrong one."""

    megabytes: float
    descriptors: int
    lost: int
    p99_ms: float

    def line(self, number: int) -> str:
        return (
            f"minute {number}: {self.megabytes:.1f} MB, {self.descriptors} descriptors, "
            f"{self.lost} lost or wrong, p99 {self.p99_ms:.2f} ms"
        )


def question(number: int) -> str:
    """Return the name of the question with this number. One in twenty is never asked again."""
    place, group = number % 100, number // 100
    if place < NEW:
        return f"new-{number}.plain.example"
    return name_of(group % CASE.names) if place < NEW + LISTED else cached_name(number % 1000)


def ask_minute(dnsperf: Component, made: Path, port: int, number: int) -> Asked:
    """Ask a minute's questions over UDP and TCP at once. Return the statistics of both together."""
    numbers = range(number * RATE * MINUTE_S, (number + 1) * RATE * MINUTE_S)
    over_tcp = range(numbers.start + PER_TCP - 1, numbers.stop, PER_TCP)
    parts = {
        False: (made / "udp", RATE * (PER_TCP - 1) // PER_TCP, (n for n in numbers if n not in over_tcp)),
        True: (made / "tcp", RATE // PER_TCP, over_tcp),
    }

    def ask_part(tcp: bool) -> Asked:
        path, rate, _ = parts[tcp]
        return ask(dnsperf, Target(port, CLIENT, tcp=tcp), path, seconds=MINUTE_S, rate=rate, once=True)

    for path, _, asked in parts.values():
        write_lines(path, map(question, asked))
    with ThreadPoolExecutor() as pool:
        udp, tcp = pool.map(ask_part, parts)
    return Asked(
        udp.sent + tcp.sent,
        udp.answered + tcp.answered,
        max(udp.took_s, tcp.took_s),
        Counter(udp.rcodes) + Counter(tcp.rcodes),
        tuple(sorted(udp.latencies + tcp.latencies)),
    )


def lost_of(asked: Asked) -> int:
    """Return how many questions got no answer, or one that the policy does not ask for."""
    counts = Counter(asked.rcodes)
    refusals_due = asked.sent * LISTED // 100
    # dnsperf may stop in the middle of a hundred.
    wrong = max(0, abs(counts["REFUSED"] - refusals_due) - 100)
    return asked.sent - counts["NOERROR"] - counts["REFUSED"] + wrong


def descriptors(pid: int) -> int:
    """Return the number of open descriptors of a process and its descendants."""
    return sum(len(os.listdir(f"/proc/{member}/fd")) for member in family(pid))


def verdict(minutes: list[Minute]) -> str | None:
    """Return what went wrong; None if memory and descriptors stayed and nothing was lost."""
    warm = minutes[min(WARM_MINUTES, len(minutes) // 2) :]
    half = max(1, len(warm) // 4)
    first, last = (median(minute.megabytes for minute in part) for part in (warm[:half], warm[-half:]))
    if last > first * (1 + MOST_GROWTH):
        return f"memory grew from {first:.1f} to {last:.1f} MB after the warm-up"
    if max(minute.descriptors for minute in warm[-half:]) > max(minute.descriptors for minute in warm[:half]):
        return "the number of descriptors grew after the warm-up"
    lost = sum(minute.lost for minute in minutes)
    return f"{lost} questions were lost or answered wrongly" if lost else None


def main() -> int:
    """Run the bench. Return its exit code."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    cores = share_cores(sorted(os.sched_getaffinity(0)), 1)
    dnsperf, minutes = component("dnsperf"), list[Minute]()
    with (
        TemporaryDirectory(prefix="endurance-") as made,
        authority(cores.load) as upstream,
        server(OURS, CASE, (upstream,), cores.server, Policies()) as running,
    ):
        path = Path(made) / "cached"
        write_cached(path)
        ask(dnsperf, Target(running.port, CLIENT), path, seconds=MINUTE_S, once=True)
        for number in range(count):
            with pinned(cores.load):
                asked = ask_minute(dnsperf, Path(made), running.port, number)
            megabytes, open_now = resident_bytes(running.pid) / 1e6, descriptors(running.pid)
            minutes.append(Minute(megabytes, open_now, lost_of(asked), 1e3 * asked.latency_s(0.99)))
            print(minutes[-1].line(number + 1), flush=True)
    wrong = verdict(minutes)
    print("memory and descriptors stayed, nothing was lost" if wrong is None else wrong)
    return 0 if wrong is None else 1


if __name__ == "__main__":
    sys.exit(main())
