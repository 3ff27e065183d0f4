"""`dnsfilter top`: what the running node does now, again every few seconds."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from dnsfilter.cli.options import DONE, Commands, add_command, add_files
from dnsfilter.telemetry.terminal import escape, say

if TYPE_CHECKING:
    from rich.table import Table

    from dnsfilter.cli.running.figures import Figures
    from dnsfilter.cli.running.last_names import LastNames

LEAST_S, MOST_S = 0.1, 3600.0


class Reading(Protocol):
    """What is shown again every few seconds."""

    def value(self) -> dict[str, object]: ...
    def rows(self) -> Iterator[tuple[str, str]]: ...
    def on_a_screen(self) -> "Reading": ...


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "top", top, "show what the running node does now; Ctrl-C ends it")
    add_files(command)
    command.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="time between two readings (default: %(default)s)",
    )
    command.add_argument(
        "--names",
        action="store_true",
        help="show the names that were last refused, monitored or failed, without clients (as root)",
    )
    command.add_argument("--once", action="store_true", help="print one reading, and end")
    command.add_argument("--json", action="store_true", help="print each reading as a line of JSON")


def top(options: argparse.Namespace) -> int:
    """Show figures or names until Ctrl-C. Raise UnavailableError if the node does not answer."""
    readings: Iterator[Reading] = _names(options) if options.names else _figures(options)
    try:
        if options.json or options.once or not sys.stdout.isatty():
            for found in readings:
                _print(found, as_json=options.json)
                if options.once:
                    break
        else:
            _show_live(readings)
    except KeyboardInterrupt:
        print()
    return DONE


def _names(options: argparse.Namespace) -> "Iterator[LastNames]":
    from dnsfilter.cli.running.known_config import known_config
    from dnsfilter.cli.running.last_names import last_names

    while True:
        yield last_names(known_config(options).config)
        time.sleep(options.interval)


def _figures(options: argparse.Namespace) -> "Iterator[Figures]":
    from dnsfilter.cli.running.figures import figures
    from dnsfilter.cli.running.known_config import known_config
    from dnsfilter.cli.running.status_page import fetch_samples

    before, at_s = fetch_samples(known_config(options).config.metrics_listen), time.monotonic()
    while True:
        time.sleep(options.interval)
        known = known_config(options)
        now, now_s = fetch_samples(known.config.metrics_listen), time.monotonic()
        yield figures(before, now, now_s - at_s, known.trouble)
        before, at_s = now, now_s


def _print(found: Reading, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(found.value()), flush=True)
        return
    for label, text in found.rows():
        say(f"{label}: {text}", flush=True)


def _show_live(readings: Iterator[Reading]) -> None:
    from rich.live import Live

    with Live(screen=True, auto_refresh=False) as live:
        for found in readings:
            live.update(_table(found.on_a_screen()), refresh=True)


def _table(found: Reading) -> "Table":
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, show_header=False, padding=(0, 1))
    for label, text in found.rows():
        style = "bold red" if label.isupper() or text.startswith("FAILING") else ""
        table.add_row(Text(escape(label), style="bold"), Text(escape(text), style=style))
    return table


def _seconds(text: str) -> float:
    seconds = float(text)
    if not LEAST_S <= seconds <= MOST_S:
        raise ValueError(text)
    return seconds
