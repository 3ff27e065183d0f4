"""One server, one case, one round: first at full load, then at a fixed rate."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.cases import Case
from tests.bench.machine import busiest_child, cpu_s, peak_bytes, pinned, private_bytes, sealed_bytes
from tests.bench.query_load import Target, ask, write_cached, write_mixed, write_new, wrong_share
from tests.bench.servers import CLIENT, LIMIT, OURS, Running, samples_of
from tests.bench.table import Figures
from tests.support.components import Component

HELD = 0.95
"""The share of the fixed rate that a run must reach for its latencies to count."""
NEW_PER_SECOND = 250_000
"""A number of new questions a second that one core cannot ask and answer."""


@dataclass(frozen=True, slots=True)
class Load:
    """The duration, the rate and the cores of the load."""

    dnsperf: Component
    seconds: float
    rate: int
    cores: frozenset[int]


@dataclass(frozen=True, slots=True)
class Questions:
    """A case's files: unmeasured questions to begin with, questions at full load, and questions at the fixed rate."""

    before: Path
    flat_out: Path
    at_rate: Path


@contextmanager
def questions_of(case: Case, load: Load) -> Iterator[Questions]:
    """Write the case's questions to files. Yield their paths."""
    with TemporaryDirectory(prefix="questions-") as made:
        directory = Path(made)
        before, flat_out, at_rate = (directory / name for name in ("before", "flat-out", "at-rate"))
        write_cached(before)
        if case.fresh:
            flat_out_count, at_rate_count = int(load.seconds * NEW_PER_SECOND), int(load.seconds * load.rate)
            write_new(flat_out, 0, flat_out_count)
            write_new(at_rate, flat_out_count, at_rate_count)
        else:
            at_rate = flat_out
            write_mixed(flat_out, case.names, case.refused)
        yield Questions(before, flat_out, at_rate)


def measure(name: str, case: Case, running: Running, questions: Questions, load: Load) -> Figures:
    """Return the figures of this server, which must have been started for this measurement only.

    The processor time is that of all the server's processes from before the first question to after the last answer.
    """
    port = running.tls_port if case.encryption else running.port
    target = Target(port, CLIENT, case.tcp, case.encryption, case.connections, case.per_connection)
    with pinned(load.cores):
        ask(load.dnsperf, target, questions.before, seconds=load.seconds + 10, once=True)
        used_before = cpu_s(running.pid)
        flat_out = ask(load.dnsperf, target, questions.flat_out, seconds=load.seconds, once=case.fresh)
        used = cpu_s(running.pid) - used_before
        at_rate = ask(load.dnsperf, target, questions.at_rate, seconds=load.seconds, rate=load.rate, once=case.fresh)
    held = at_rate.per_second >= HELD * load.rate
    # The answers of the echo do not depend on a policy.
    wrong = 0.0 if name == LIMIT else max(wrong_share(asked, case.refused) for asked in (flat_out, at_rate))
    shared_mb, worker_mb = _parts(case, running) if name == OURS and case.parts else (None, None)
    return Figures(
        cpu_us=1e6 * used / max(flat_out.answered, 1),
        per_second=flat_out.per_second,
        p50_ms=1e3 * at_rate.latency_s(0.5) if held else None,
        p99_ms=1e3 * at_rate.latency_s(0.99) if held else None,
        peak_mb=peak_bytes(running.pid) / 1e6,
        wrong=wrong,
        shared_mb=shared_mb,
        worker_mb=worker_mb,
    )


def _parts(case: Case, running: Running) -> tuple[float, float]:
    """Return in MB what all workers share, and what each one takes without its answers, as its metrics count them."""
    answers = samples_of(running)["dnsfilter_cache_bytes"] / case.workers
    return sealed_bytes(running.pid) / 1e6, (private_bytes(busiest_child(running.pid)) - answers) / 1e6
