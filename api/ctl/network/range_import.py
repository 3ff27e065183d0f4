"""dnsfilterctl range import: a table of ranges, taken whole or not at all."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from api.ctl.command import Group, Options, Result, add_site, add_verb, given, integer, slug
from api.ctl.display.act_lines import act_lines
from api.ctl.display.progress import Progress
from api.ctl.display.safe_text import counted
from api.ctl.exit_codes import DONE, FOUND, CtlError, WrongInput
from api.ctl.input_files import read_text
from api.ctl.remote.client import Client, path
from api.range_import.csv_table import MAX_BYTES, MAX_ROWS, MEDIA_TYPE
from api.ranges.schemas import ImportProgressRead, ImportRead

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
    """Add the verb to those of ranges."""
    parser = add_verb(
        group,
        "import",
        _import,
        "register and change what a table has, all of it or nothing",
        "range import ranges.csv",
        "range import export.csv --sync --authority ghent --dry-run",
    )
    parser.add_argument(
        "file", metavar="FILE", help="CSV whose first row names prefix, authority, funding, audience, label, site"
    )
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    parser.add_argument(
        "--sync", action="store_true", help="also remove the authority's ranges at the site that the file has not"
    )
    parser.add_argument("--authority", type=slug, metavar="AUTHORITY", help="with --sync: whose ranges the file has")
    parser.add_argument(
        "--max-removals",
        type=integer(0, MAX_ROWS),
        metavar="N",
        help=f"with --sync: where more would be removed, nothing is done, and the exit code is 1 ({DEFAULT_REMOVALS}); "
        "needed for a file without rows",
    )
    add_site(parser)


def _import(client: Client, options: Options) -> Result:
    if options.sync != (options.authority is not None) or (options.max_removals is not None and not options.sync):
        raise WrongInput("--sync, --authority and --max-removals belong together: say whose ranges the file has")
    text = read_text(options.file, MAX_BYTES, "; save it as CSV UTF-8")
    with Progress() as progress:
        key = secrets.token_hex(16)
        query = {
            **given(options, "site", "authority", "max_removals"),
            "sync": "true" if options.sync else None,
            "dry_run": "true" if options.dry_run else None,
        }
        with _watched(client, key, progress):
            done = client.send_text(
                ImportRead, path("ranges", "import"), text, MEDIA_TYPE, query, {"Idempotency-Key": key}
            )
    return Result(done, lambda: _lines(done), FOUND if done.withheld else DONE)


@contextmanager
def _watched(client: Client, key: str, progress: Progress) -> Iterator[None]:
    """Show meanwhile how far the control plane is, where somebody looks."""
    if not progress.shown:
        yield
        return
    ended = threading.Event()
    watching = threading.Thread(target=_watch, args=(client, key, progress, ended), daemon=True)
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
            return  # The request itself tells what is wrong.
        if found is None:
            continue  # The table is still being sent.
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
    counts = (
        f"{done.registered} registered, {done.changed} changed, {done.removed} removed, {done.unchanged} as they were"
    )
    yield f"nothing was done: there would be {counts}" if done.dry_run else f"{counts}: revision {done.revision}"
    if done.withheld:
        yield f"it would be refused: {done.withheld}; --max-removals says how many"
