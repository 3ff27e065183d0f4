"""Compare this project's resolver with others, one core each in turn: `make bench`, or this module with `-m`.

docs/explanation/performance.md describes the measurements and the method. A round of all cases and servers takes eight
minutes. `--cases`, `--servers`, `--rounds` and `--seconds` select others. The environment variable DNSFILTER_ENGINE
selects the engine. The load goes to loopback only.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from tests.bench import document
from tests.bench.cases import CASES, Case
from tests.bench.document import DOCUMENT
from tests.bench.machine import describe_machine, share_cores
from tests.bench.measure import Load, measure, questions_of
from tests.bench.picture import bars
from tests.bench.query_load import LoadError
from tests.bench.servers import (
    LIMIT,
    NAMES,
    OURS,
    Policies,
    Running,
    ServerError,
    authority,
    engine_of,
    server,
    takers,
    version_of,
)
from tests.bench.table import MEASURES, PARTS, Figures, case_table, medians, ratio
from tests.support.components import PROJECT, component

ROUNDS, SECONDS, RATE = 1, 2.0, 20_000
MOST = 1_000_000
"""The upper limit of rounds, seconds and queries a second."""
N = TypeVar("N", int, float)
PICTURE = PROJECT / "docs/pictures/performance.svg"


@dataclass(slots=True)
class Results:
    """The results: rounds by case and server, and the reason why a server is missing from a case."""

    machine: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    rounds: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    failures: dict[str, dict[str, str]] = field(default_factory=dict)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write the document if an option asks for it."""
    options = _parser().parse_args(arguments)
    results, policies = Results(describe_machine()), Policies()
    for case in _cases(options):
        _compare(case, options, policies, results)
        if not options.json:
            print(_case_text(case, options, results), flush=True)
    if options.json:
        print(json.dumps(_as_json(options, results), indent=2))
    else:
        print(_machine_text(options, results))
    if options.write:
        _write(options, results)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make bench", description="Compare this resolver with others on loopback.")
    slugs = [case.slug for case in CASES]
    parser.add_argument("--cases", type=_some_of(slugs), default=slugs, help=f"some of {','.join(slugs)}")
    parser.add_argument("--servers", type=_some_of(NAMES), default=list(NAMES), help=f"some of {','.join(NAMES)}")
    parser.add_argument(
        "--rounds", type=_positive(int), default=ROUNDS, help="of each server, in turn (default: %(default)s)"
    )
    parser.add_argument(
        "--seconds", type=_positive(float), default=SECONDS, help="of each measurement (default: %(default)s)"
    )
    parser.add_argument(
        "--rate", type=_positive(int), default=RATE, help="queries a second for latencies (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print every round as JSON instead of tables")
    parser.add_argument(
        "--write",
        action="store_true",
        help=f"put the figures into {DOCUMENT.relative_to(PROJECT)}, and draw its picture",
    )
    return parser


def _some_of(known: Sequence[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        words = text.split(",")
        unknown = [word for word in words if word not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"{unknown[0]!r} is none of {', '.join(known)}")
        return words

    return read


def _positive(kind: Callable[[str], N]) -> Callable[[str], N]:
    def read(text: str) -> N:
        value = kind(text)
        if not 0 < value <= MOST:
            raise argparse.ArgumentTypeError(f"{text} is not above 0 and at most {MOST:,}")
        return value

    return read


def _cases(options: argparse.Namespace) -> list[Case]:
    return [case for case in CASES if case.slug in options.cases]


def _compare(case: Case, options: argparse.Namespace, policies: Policies, results: Results) -> None:
    """Add the case's rounds to the results. Restart each server in each round."""
    cores = share_cores(sorted(os.sched_getaffinity(0)), case.workers)
    load = Load(component("dnsperf"), options.seconds, options.rate, cores.load)
    rounds = results.rounds.setdefault(case.slug, {})
    failures = results.failures.setdefault(case.slug, {})
    names = [name for name in takers(case) if name in options.servers]
    with questions_of(case, load) as questions, authority(cores.load) as upstream_port:
        for number in range(1, options.rounds + 1):
            for name in names:
                _progress(f"{case.slug}: round {number} of {options.rounds}, {name}")
                try:
                    with server(name, case, (upstream_port,), cores.server, policies) as running:
                        _note_version(name, running, results)
                        rounds.setdefault(name, []).append(measure(name, case, running, questions, load))
                except (ServerError, LoadError) as error:
                    failures[name] = str(error)
    _progress("")


def _note_version(name: str, running: Running, results: Results) -> None:
    if name == OURS:
        results.versions[name] = f"{engine_of(running)} engine"
    elif name != LIMIT and name not in results.versions:
        results.versions[name] = version_of(name)


def _progress(text: str) -> None:
    """Print one line on a terminal, which the next line replaces. Print nothing elsewhere."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)


def _case_text(case: Case, options: argparse.Namespace, results: Results) -> str:
    return case_table(case, options.rate, results.rounds[case.slug], results.failures[case.slug], OURS)


def _machine_text(options: argparse.Namespace, results: Results) -> str:
    """Return the conditions of the figures: machine, versions and rounds."""
    lines = [
        f"- measured: {datetime.now(UTC):%Y-%m-%d}",
        f"- values: medians of rounds, {options.rounds} of {options.seconds:g} s",
        *(f"- {key}: {value}" for key, value in (results.machine | results.versions).items()),
    ]
    return "\n".join(lines) + "\n"


def _as_json(options: argparse.Namespace, results: Results) -> dict[str, object]:
    return {
        "machine": results.machine,
        "versions": results.versions,
        "rounds": options.rounds,
        "seconds": options.seconds,
        "rate": options.rate,
        "cases": {
            slug: {
                "servers": {name: _server_json(found, servers.get(OURS)) for name, found in servers.items()},
                "failures": results.failures[slug],
            }
            for slug, servers in results.rounds.items()
        },
    }


def _server_json(rounds: Sequence[Figures], ours: Sequence[Figures] | None) -> dict[str, object]:
    middle = medians(rounds)
    reference = None if ours is None else medians(ours)
    ratios = {
        measured.key: ratio(measured.of(middle), None if reference is None else measured.of(reference))
        for measured in (*MEASURES, *PARTS)
    }
    return {"median": asdict(middle), "ratio": ratios, "rounds": [asdict(one) for one in rounds]}


def _write(options: argparse.Namespace, results: Results) -> None:
    tables = [_case_text(case, options, results) for case in _cases(options)]
    document.write("figures", "\n".join([_machine_text(options, results), *tables]))
    drawn = [
        (case.title, {name: medians(rounds).cpu_us for name, rounds in results.rounds[case.slug].items()})
        for case in _cases(options)
        if OURS in results.rounds[case.slug]
    ]
    PICTURE.write_text(bars("CPU time of a query in microseconds: less is better", drawn, OURS))


if __name__ == "__main__":
    main()
