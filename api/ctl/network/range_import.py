"""dnsfilterctl range import: register all ranges of a table, or of an export of a DHCP server or IPAM, or none."""

import csv
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

from api.ctl.arguments import AUDIENCE, FUNDING, integer
from api.ctl.command import Group, Options, Result, given
from api.ctl.display.act_lines import act_lines
from api.ctl.display.progress import Progress
from api.ctl.display.safe_text import counted
from api.ctl.exit_codes import DONE, FOUND, CtlError, WrongInput
from api.ctl.input_files import read_text
from api.ctl.remote.client import Client, path
from api.range_import.csv_table import LINE, MAX_BYTES, MAX_ROWS, MEDIA_TYPE, NEEDED
from api.range_import.exports import KINDS, UnreadableExport, read_export
from api.ranges.schemas import ImportProgressRead, ImportRead

CSV = "csv"
DEFAULT_REMOVALS = 10
_EVERY_S = 0.5
_STAGES = {
    "waiting": "waiting for its turn",
    "checking": "comparing",
    "recording": "recording",
    "publishing": "publishing",
    "done": "done",
    "failed": "refused",
}


def add_import(group: Group) -> None:
    """Add the verb to the group `range`."""
    parser = group.add_verb(
        "import",
        _import,
        "Register and change the ranges of a CSV table, or of an export. Does all or nothing.",
        "range import ranges.csv",
        "range import export.csv --sync --authority ghent --dry-run",
        "range import kea-dhcp4.conf --format kea --authority ghent --funding public --audience staff",
    )
    parser.add_argument(
        "file",
        metavar="FILE",
        help="CSV file with the columns prefix, authority, funding, audience, label, site; or an export",
    )
    parser.add_argument(
        "--format",
        choices=(CSV, *KINDS),
        default=CSV,
        help="kea: configuration or answer to config-get; windows: Export-DhcpServer, or Get-DhcpServerv4Scope | "
        "Export-Csv; netbox: table of prefixes as CSV (default: %(default)s)",
    )
    for name, words, text in (
        ("funding", FUNDING, "who paid for the devices of all networks"),
        ("audience", AUDIENCE, "who uses the devices of all networks"),
    ):
        parser.add_argument(
            f"--{name}", choices=words, metavar="WORD", help=f"with another format: {text}: {', '.join(words)}"
        )
    parser.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    parser.add_argument(
        "--sync", action="store_true", help="also remove ranges of the authority at the site that are not in the file"
    )
    parser.add_slug("--authority", "with --sync or another format: the authority of all ranges")
    parser.add_argument(
        "--max-removals",
        type=integer(0, MAX_ROWS),
        metavar="N",
        help="with --sync: if more than N ranges would be removed, do nothing and end with exit code 1 "
        f"(default: {DEFAULT_REMOVALS}); required for an empty file",
    )
    parser.add_site()
    parser.add_why()


def _import(client: Client, options: Options) -> Result:
    _check(options)
    text = read_text(options.file, MAX_BYTES, f". Save it as {'CSV ' if options.format == CSV else ''}UTF-8.")
    if options.format != CSV:
        text, client = _converted(client, options, text)
    with Progress() as progress:
        key = secrets.token_hex(16)
        query = {
            **given(options, "site", "max_removals", "reason"),
            "authority": options.authority if options.sync else None,
            "sync": "true" if options.sync else None,
            "dry_run": "true" if options.dry_run else None,
        }
        with _progress_shown(client, key, progress):
            done = client.send_text(
                ImportRead, path("ranges", "import"), text, MEDIA_TYPE, query, {"Idempotency-Key": key}
            )
    return Result(done, lambda: _lines(done), FOUND if done.withheld else DONE)


def _check(options: Options) -> None:
    """Raise WrongInput for options that do not go together."""
    if options.format == CSV:
        if options.sync != (options.authority is not None) or (options.max_removals is not None and not options.sync):
            raise WrongInput("--authority and --max-removals need --sync, and --sync needs --authority")
        if options.funding or options.audience:
            raise WrongInput("--funding and --audience need another --format: in a CSV table each row has its own")
        return
    if None in (options.authority, options.funding, options.audience):
        raise WrongInput(f"--format {options.format} needs --authority, --funding and --audience for all its networks")
    if options.max_removals is not None and not options.sync:
        raise WrongInput("--max-removals needs --sync")


def _converted(client: Client, options: Options, text: str) -> tuple[str, Client]:
    """Return the table of an export, and a client that names the file and its lines in faults.

    Raise WrongInput with every network that cannot be imported.
    """
    name = "standard input" if options.file == "-" else str(options.file)
    try:
        rows, faults = read_export(options.format, text)
    except UnreadableExport as error:
        raise WrongInput(f"{name}: {error}") from error
    if faults:
        raise WrongInput(*(f"{name} {fault.location}: {fault.message}" for fault in faults))
    table = StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow((*NEEDED, "label"))
    writer.writerows((prefix, options.authority, options.funding, options.audience, label) for _, prefix, label in rows)
    # The heading is line 1 of the table.
    lines = {f"{LINE}{number}": f"{name} {LINE}{line}" for number, (line, _, _) in enumerate(rows, 2)}
    return table.getvalue(), client.with_translator(lambda location: lines.get(location, location))


@contextmanager
def _progress_shown(client: Client, key: str, progress: Progress) -> Iterator[None]:
    """Show the progress of the import on a terminal while the block runs."""
    if not progress.shown:
        yield
        return
    ended = threading.Event()
    with client.another() as watcher:
        watching = threading.Thread(target=_watch, args=(watcher, key, progress, ended), daemon=True)
        watching.start()
        try:
            yield
        finally:
            ended.set()
            watching.join()


def _watch(client: Client, key: str, progress: Progress, ended: threading.Event) -> None:
    while not ended.wait(_EVERY_S):
        try:
            found = client.find(ImportProgressRead, path("ranges", "imports", key))
        except CtlError:
            return  # The request itself reports the error.
        if found is None:
            continue  # The table is still being uploaded.
        stage = _STAGES.get(found.stage, found.stage)
        if found.done:
            progress.say(f"{stage}: {found.done} of {counted(found.total, 'row')}", found.done, found.total)
        else:
            progress.say(stage)


def _lines(done: ImportRead) -> Iterator[str]:
    if done.dry_run:
        for change in done.changes:
            yield from act_lines(change)
        if done.more:
            yield f"and {done.more} more"
    counts = f"{done.registered} registered, {done.changed} changed, {done.removed} removed, {done.unchanged} unchanged"
    yield f"dry run, nothing was done: {counts}" if done.dry_run else f"{counts}: revision {done.revision}"
    if done.withheld:
        yield f"the import would be refused: {done.withheld}. Raise --max-removals to allow it."
