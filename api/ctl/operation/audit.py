"""dnsfilterctl audit: who did what, and the proof that the record of it is whole."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.audit.schemas import AuditRead, CheckpointRead
from api.chain.entry_hash import canonical
from api.ctl.command import (
    WHEN,
    Group,
    Options,
    Parser,
    Result,
    Verb,
    add_group,
    add_limit,
    add_verb,
    given,
    number,
    slug,
)
from api.ctl.display.account_names import Accounts, account
from api.ctl.display.act_lines import change_lines
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import lines_of, table
from api.ctl.display.shown_names import Names
from api.ctl.remote.client import Client, path
from api.http.schemas import Page

MAX_CHECKPOINTS = 1_000_000
"""Of a century, with one every hour."""


_BY_HAND = frozenset({"node.suspend", "node.end_suspension", "node.use_revision", "node.unquarantine"})
_TOLD = _BY_HAND | {"suspension.start"}
"""Acts that change nothing that was there before, and of which whom they concern stands in no other place."""


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = add_group(groups, "audit", "the record of acts")
    _add_list(group)
    exporter = add_verb(
        group,
        "export",
        _export,
        "print every entry as JSON lines, which `audit verify` reads",
        "audit export",
        "audit export --after 345",
    )
    exporter.add_argument(
        "--after", type=number, metavar="SEQ", help="begin with the entry after it: to add to an export that is there"
    )
    _add_verify(group)
    lister = add_verb(
        group,
        "checkpoints",
        _checkpoints,
        "list signed statements of the record's hash, newest first",
        "audit checkpoints",
        "audit checkpoints --held",
    )
    _add_held(lister, "print all of them as JSON lines, oldest first, to be kept elsewhere")
    add_limit(lister)
    maker = add_verb(group, "checkpoint", _checkpoint, "sign the record's hash now", "audit checkpoint --held")
    _add_held(maker, "print it as a JSON line, to be kept elsewhere")


def _add_list(group: Group) -> None:
    parser = add_verb(
        group,
        "list",
        _list,
        "list acts, newest first, with what they changed",
        "audit list --object ban/ghent/tiktok",
        "audit list --account ict-ghent --since 2026-11-01",
    )
    parser.add_argument("--act", metavar="ACT", help="those of one kind, for example ban.adopt; or of one family, ban")
    parser.add_argument("--object", metavar="OBJECT", help="those on one object, for example ban/ghent/tiktok")
    parser.add_argument("--account", type=account, metavar="ACCOUNT", help="those of one account, by number or login")
    parser.add_argument("--authority", type=slug, metavar="AUTHORITY", help="those that are a matter of one authority")
    parser.add_argument("--since", metavar="WHEN", help=f"{WHEN}: not before")
    parser.add_argument("--until", metavar="WHEN", help="before that time, or through that date")
    add_limit(parser)


def _add_held(parser: Parser, text: str) -> None:
    parser.add_argument("--held", action="store_true", help=text)


def _add_verify(group: Group) -> None:
    verifier = add_verb(
        group,
        "verify",
        Verb(_verify, needs_token=False, local=True),
        "tell whether an exported record is whole, without the control plane; exit code 1 if it is not",
        "audit verify record.jsonl --checkpoint held.jsonl",
    )
    verifier.add_argument(
        "file", nargs="+", metavar="FILE", help="what `audit export` printed, in parts or whole; - is standard input"
    )
    verifier.add_argument(
        "--checkpoint",
        action="append",
        metavar="HELD",
        help="a file with checkpoints that were kept elsewhere, or a saved mail or log with them; may be repeated",
    )
    verifier.add_argument(
        "--key",
        action="append",
        metavar="PUBLIC",
        help="the public key of checkpoints, in hexadecimal or as a file; may be repeated (what the record names)",
    )


def _list(client: Client, options: Options) -> Result:
    query = given(options, "act", "object", "authority", "since", "until")
    if options.account is not None:
        query["account"] = Accounts(client).number(options.account)
    page = client.list(AuditRead, path("audit"), options.limit, query)
    return listed(page, lambda: _lines(page.items, Accounts(client), _zone(client, options)), "acts")


def _zone(client: Client, options: Options) -> str | None:
    return Names(client).time_zone(options.authority)


def _lines(items: list[AuditRead], accounts: Accounts, zone: str | None) -> Iterator[str]:
    accounts.prepare({item.account for item in items})
    for item in items:
        when = at_words(item.time, zone)
        yield f"{item.seq}  {when}  {_who(item, accounts)}  {item.act}  {item.object}  revision {item.revision}"
        if item.before is not None and item.after is not None:
            yield from change_lines(item.before, item.after, zone)
        elif item.act in _TOLD and item.after is not None:
            yield f"    {_told(item.after, zone)}"


def _who(item: AuditRead, accounts: Accounts) -> str:
    """The account and its token; for what was done on a node by hand, who did it there."""
    uid = (item.after or {}).get("uid") if item.act in _BY_HAND else None
    if uid is not None:
        return f"user {uid} on the node"
    token = "" if item.token is None else f", token {item.token}"
    return f"{accounts.words(item.account)}{token}"


def _told(after: Mapping[str, Any], zone: str | None) -> str:
    """Whom an act of the emergency switch concerned, until when, why, and when it was done on a node."""
    until = after.get("until") or after.get("end")
    words = [f"for {after.get('authority') or 'everybody'}"]
    if after.get("revision") is not None:
        words = [f"revision {after['revision']}"]
    if until is not None:
        words.append(f"until {at_words(until, zone)}")
    if after.get("time") is not None:
        words.append(f"(done {at_words(after['time'], zone)})")
    said = " ".join(words)
    return f"{said}: {after['reason']}" if after.get("reason") else said


def _export(client: Client, options: Options) -> Result:
    pieces = client.pieces(path("audit", "export"), {"after": options.after})
    as_json = getattr(options, "json", False)
    return Result(None, list, stream=_array(lines_of(pieces)) if as_json else pieces)


def _array(lines: Iterable[bytes]) -> Iterator[bytes]:
    """JSON lines as one JSON array."""
    mark = b"["
    for line in lines:
        yield mark + b"\n" + line.removesuffix(b"\n")
        mark = b","
    yield b"[]\n" if mark == b"[" else b"\n]\n"


def _verify(_client: Client, options: Options) -> Result:
    # What it takes to verify a signature is not loaded for every other command.
    from api.ctl.operation.audit_verify import verified

    return verified(options.file, options.checkpoint, options.key or [])


def _checkpoints(client: Client, options: Options) -> Result:
    limit = MAX_CHECKPOINTS if options.held else options.limit
    page = client.list(CheckpointRead, path("audit", "checkpoints"), limit)
    if options.held:
        return _held(Page(items=page.items[::-1], next=page.next), page.items[::-1])
    return listed(
        page, lambda: table(_HEADER, [_row(item) for item in page.items], ("taken to", "hash")), "checkpoints"
    )


def _checkpoint(client: Client, options: Options) -> Result:
    made = client.send(CheckpointRead, "POST", path("audit", "checkpoints"))
    if options.held:
        return _held(made, [made])
    said = f"checkpoint {made.checkpoint}: entry {made.seq} has the hash {made.hash}"
    return Result(made, lambda: [said, f"signed with the key {made.key}"])


_HEADER = ("checkpoint", "time", "entry", "hash", "taken to")


def _row(item: CheckpointRead) -> tuple[str, ...]:
    places = ", ".join(item.delivered) or "no place"
    return str(item.checkpoint), at_words(item.time), str(item.seq), item.hash, places


def _held(data: object, items: Iterable[CheckpointRead]) -> Result:
    """Checkpoints as they are signed: without what is said about them besides."""
    signed = ("checkpoint", "installation", "seq", "hash", "time", "key", "signature")
    lines = [canonical({name: getattr(item, name) for name in signed}).decode() for item in items]
    return Result(data, lambda: lines)
