"""`dnsfilter doctor`: check a running node and its machine. It changes nothing.

Exit codes: 0 nothing found, 1 findings, 2 wrong input.
"""

import argparse
import json
import shlex
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from dnsfilter.cli.options import DONE, FOUND, Commands, add_command, add_files, store_of
from dnsfilter.errors import DnsfilterError, UnavailableError
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.cli.doctor.findings import Outcome, Subject
    from dnsfilter.telemetry.scraped import Samples

MOST_COUNT_S = 600.0


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "doctor", doctor, "look for what is wrong with this node and its machine")
    add_files(command)
    command.add_argument(
        "--count-clients",
        type=_seconds,
        default=0.0,
        metavar="SECONDS",
        help="count the queries of each client for this time, in memory only, to find one that sends too many",
    )
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def doctor(options: argparse.Namespace) -> int:
    """Print the result of each check. Return exit code 1 if there are findings."""
    results: dict[str, Outcome] = {}
    for name, outcome in _results(options):
        results[name] = outcome
        if not options.json:
            _print(name, outcome)
    count = sum(len(outcome.findings) for outcome in results.values())
    if options.json:
        print(json.dumps({"findings": count, "checks": [_value(*result) for result in results.items()]}))
    else:
        say(f"{count} findings" if count != 1 else "1 finding")
    return FOUND if count else DONE


def _results(options: argparse.Namespace) -> Iterator[tuple[str, "Outcome"]]:
    from dnsfilter.cli.doctor.node_files import node_files
    from dnsfilter.cli.doctor.table import CHECKS

    subject = _subject(options)
    for name, check in CHECKS.items():
        yield name, _attempt(partial(check, subject))
    named = tuple(path for path in (options.config, options.policy) if path is not None)
    yield "files", _attempt(partial(node_files, subject, named))


def _subject(options: argparse.Namespace) -> "Subject":
    from dnsfilter.cli.doctor.contact import contact
    from dnsfilter.cli.doctor.findings import Subject
    from dnsfilter.cli.running.known_config import known_config
    from dnsfilter.cli.running.status_page import fetch_samples

    known = known_config(options)
    config = known.config
    page: Samples | str
    try:
        page = fetch_samples(config.metrics_listen)
    except UnavailableError as error:
        page = str(error)
    written = [f"--{key} {shlex.quote(str(path))}" for key in ("config", "policy") if (path := getattr(options, key))]
    return Subject(
        config,
        store_of(options, config),
        page,
        None if options.policy is not None else contact(config),
        known,
        time.time(),
        " ".join(written),
        by_policy=options.policy is not None,
        count_s=options.count_clients,
    )


def _attempt(check: "Callable[[], Outcome]") -> "Outcome":
    """Return the result of a check. One that fails must not hide what the others find."""
    from dnsfilter.cli.doctor.findings import Outcome

    try:
        return check()
    except (DnsfilterError, OSError, ValueError) as error:  # ValueError: files of others may hold anything
        return Outcome(unseen=f"the check failed: {error}")


def _print(name: str, outcome: "Outcome") -> None:
    for finding in outcome.findings:
        say(f"FOUND    {name}: {finding.text}")
        say(f"         {finding.advice}")
    if outcome.unseen:
        say(f"unknown  {name}: {outcome.unseen}")
    elif not outcome.findings:
        say(f"ok       {name}: {outcome.seen}", flush=True)


def _value(name: str, outcome: "Outcome") -> dict[str, object]:
    findings = [{"finding": each.text, "advice": each.advice} for each in outcome.findings]
    seen = "" if findings or outcome.unseen else outcome.seen
    return {"check": name, "findings": findings, "seen": seen, "unknown": outcome.unseen}


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds <= MOST_COUNT_S:
        raise ValueError(text)
    return seconds
