"""dnsfilterctl authority close and merge: the end of an authority."""

from collections.abc import Iterator

from api.ctl.arguments import slug
from api.ctl.command import (
    Group,
    Options,
    Parser,
    Result,
    decision_body,
    given,
    with_decision,
)
from api.ctl.display.local_times import at_words, usable_zone
from api.ctl.display.shown_names import name_of
from api.ctl.network.changed_bans import acted, add_rehearsal, change_lines
from api.ctl.remote.client import Client, path
from api.succession.schemas import ClosedRead, DoneRead, MergedRead


def add_ends(group: Group) -> None:
    """Add the verbs to the group `authority`."""
    close = group.add_verb(
        "close",
        _close,
        "Close an authority on a date. Ends its bans, bindings, exemptions and roles; its ranges stay registered. "
        "Cannot be undone.",
        'authority close harbour --at 2027-01-01 --reason "its tasks go to others"',
    )
    close.add_slug("authority")
    close.add_at()
    close.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    _add_common(close, "decision to close it")
    merge = group.add_verb(
        "merge",
        _merge,
        "Merge an authority into another now. Its ranges, its space and what applies there move to the successor.",
        'authority merge village --into ghent --reason merger --legal-basis "decree 343" --reference 2026/4 --dry-run',
    )
    merge.add_slug("authority")
    merge.add_argument("--into", type=slug, required=True, metavar="AUTHORITY", help="successor")
    add_rehearsal(merge)
    _add_common(
        merge,
        "decision, also for bans that continue; needs at least reference and legal basis",
    )


def _add_common(parser: Parser, what: str) -> None:
    parser.add_reason()
    parser.add_decision(what, of_ban=False)


def _close(client: Client, options: Options) -> Result:
    body = with_decision(options, given(options, "at", "reason", "dry_run"))
    done = client.send(ClosedRead, "POST", path("authorities", options.authority, "close"), body)
    return Result(done, lambda: _closed(done))


def _merge(client: Client, options: Options) -> Result:
    body = {**given(options, "into", "reason"), "decision": decision_body(options)}
    where = path("authorities", options.authority, "merge")
    done = acted(lambda dry_run: client.send(MergedRead, "POST", where, {**body, "dry_run": dry_run}), options)
    return Result(done, lambda: _merged(done))


def _closed(done: ClosedRead) -> Iterator[str]:
    row = done.authority
    zone = usable_zone(row.time_zone)
    when = "now" if row.closes is None else at_words(row.closes, zone)
    verb = "closed" if row.state == "closed" else "closes"
    yield from _heading(done.dry_run)
    yield f"{row.slug}  {name_of(row)} {verb} {when}; its ranges and space stay registered"
    yield from _acts(done.acts)


def _merged(done: MergedRead) -> Iterator[str]:
    yield from _heading(done.dry_run)
    yield f"{done.authority.slug}  {name_of(done.authority)} is part of {done.into.slug}  {name_of(done.into)}"
    for item in done.continued:
        yield f"  {item.object} continues as {item.by}"
    for item in done.covered:
        yield f"  {item.object} ends: {item.by} applies"
    for item in done.overruled:
        yield f"  {item.object} had another mode or scope than {item.by}, which DECIDES from now on"
    for ended in done.ended:
        yield f"  {ended} ends, and nothing replaces it"
    yield from change_lines(done.changes)
    yield from _acts(done.acts)


def _heading(dry_run: bool) -> Iterator[str]:
    if dry_run:
        yield "dry run, nothing was done; this would happen:"


def _acts(acts: list[DoneRead]) -> Iterator[str]:
    yield ""
    yield "acts:"
    yield from (f"  {act.object}  {act.act}" for act in acts)
