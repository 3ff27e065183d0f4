"""dnsfilterctl audit: list acts, export the audit log, and verify it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.audit.schemas import AuditRead, CheckpointRead
from api.chain.entry_hash import canonical
from api.ctl.arguments import number
from api.ctl.command import WHEN, Group, Options, Parser, Result, Verb, given
from api.ctl.display.account_names import Accounts, account
from api.ctl.display.act_lines import change_lines
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import lines_of, table
from api.ctl.display.shown_names import Names
from api.ctl.remote.client import Client, path
from api.http.schemas import Page

MAX_CHECKPOINTS = 1_000_000
"""One every hour for a century."""


_LOCAL_ACTS = frozenset(
    f"node.{act}"
    for act in (
        *("suspend", "end_suspension", "use_revision", "unquarantine", "flush_cache"),
        *("refuse_name", "allow_name", "end_name"),
    )
)
_DETAILED_ACTS = _LOCAL_ACTS | {"suspension.start"}
"""Acts without an earlier state to compare, whose line needs the authority, the end and the reason."""


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("audit")
    _add_list(group)
    exporter = group.add_verb(
        "export",
        _export,
        "Print every entry as JSON lines, for `audit verify`.",
        "audit export",
        "audit export --after 345",
    )
    exporter.add_argument(
        "--after", type=number, metavar="SEQ", help="start after this entry, to continue an earlier export"
    )
    _add_verify(group)
    lister = group.add_verb(
        "checkpoints",
        _checkpoints,
        "List checkpoints, the signed hashes of the audit log, newest first.",
        "audit checkpoints",
        "audit checkpoints --held",
    )
    _add_held(lister, "print all as JSON lines, oldest first, to store elsewhere")
    lister.add_limit()
    maker = group.add_verb(
        "checkpoint", _checkpoint, "Sign the current hash of the audit log.", "audit checkpoint --held"
    )
    _add_held(maker, "print the checkpoint as a JSON line, to store elsewhere")


def _add_list(group: Group) -> None:
    parser = group.add_verb(
        "list",
        _list,
        "List acts and what they changed, newest first. With --after, oldest first.",
        "audit list --object ban/ghent/tiktok",
        "audit list --account ict-ghent --since 2026-11-01",
        "audit list --after 345",
    )
    parser.add_argument(
        "--act", metavar="ACT", help="only this act, for example ban.adopt, or this family of acts, for example ban"
    )
    parser.add_argument("--object", metavar="OBJECT", help="only this object, for example ban/ghent/tiktok")
    parser.add_argument("--account", type=account, metavar="ACCOUNT", help="only this account: its number or login")
    parser.add_slug("--authority", "only acts that concern this authority")
    parser.add_argument("--since", metavar="WHEN", help=f"only acts from then on: {WHEN}")
    parser.add_argument("--until", metavar="WHEN", help="only acts before this time, or up to and including this date")
    parser.add_argument(
        "--after", type=number, metavar="SEQ", help="only acts after this entry, oldest first: to follow the audit log"
    )
    parser.add_limit()


def _add_held(parser: Parser, text: str) -> None:
    parser.add_argument("--held", action="store_true", help=text)


def _add_verify(group: Group) -> None:
    verifier = group.add_verb(
        "verify",
        Verb(_verify, needs_token=False, local=True),
        "Verify exported audit log files, without the control plane. Exit code 1 if they are not intact, 2 if a "
        "checkpoint cannot be read.",
        "audit verify record.jsonl --checkpoint held.jsonl",
    )
    verifier.add_argument(
        "file", nargs="+", metavar="FILE", help="output of `audit export`, in one file or in parts; - is standard input"
    )
    verifier.add_argument(
        "--checkpoint",
        action="append",
        metavar="HELD",
        help="file with checkpoints that were stored elsewhere, as JSON or as text, or a saved mail or log with them; "
        "may be repeated",
    )
    verifier.add_argument(
        "--key",
        action="append",
        metavar="PUBLIC",
        help="public key of checkpoints, in hexadecimal or as a file; may be repeated (default: keys in the audit log)",
    )


def _list(client: Client, options: Options) -> Result:
    query = given(options, "act", "object", "authority", "since", "until", "after")
    if options.after is not None:
        query["sort"] = "seq"
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
        elif item.act in _DETAILED_ACTS and item.after is not None:
            yield f"    {_detail(item.after, zone)}"


def _who(item: AuditRead, accounts: Accounts) -> str:
    """Return the account and its token; for a local act, the user on the node."""
    uid = (item.after or {}).get("uid") if item.act in _LOCAL_ACTS else None
    if uid is not None:
        return f"user {uid} on the node"
    token = "" if item.token is None else f", token {item.token}"
    return f"{accounts.words(item.account)}{token}"


def _detail(after: Mapping[str, Any], zone: str | None) -> str:
    """Return the name, authority or revision of the act, its end, its reason, and when it was done on a node."""
    until = after.get("until") or after.get("end")
    words = [f"for {after.get('authority') or 'everybody'}"]
    if after.get("revision") is not None:
        words = [f"revision {after['revision']}"]
    if after.get("name") is not None:
        exactly = "exactly " if after.get("exact") else ""
        words.insert(0, f"{exactly}{after['name']}")
    if until is not None:
        words.append(f"until {at_words(until, zone)}")
    if after.get("time") is not None:
        words.append(f"(done {at_words(after['time'], zone)})")
    text = " ".join(words)
    return f"{text}: {after['reason']}" if after.get("reason") else text


def _export(client: Client, options: Options) -> Result:
    pieces = client.pieces(path("audit", "export"), {"after": options.after})
    as_json = getattr(options, "json", False)
    return Result(None, list, stream=_array(lines_of(pieces)) if as_json else pieces)


def _array(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Turn JSON lines into one JSON array."""
    mark = b"["
    for line in lines:
        yield mark + b"\n" + line.removesuffix(b"\n")
        mark = b","
    yield b"[]\n" if mark == b"[" else b"\n]\n"


def _verify(_client: Client, options: Options) -> Result:
    # Imported here, because no other command needs to verify signatures.
    from api.ctl.operation.audit_verify import verify_files

    return verify_files(options.file, options.checkpoint, options.key or [])


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
    line = f"checkpoint {made.checkpoint}: entry {made.seq} has the hash {made.hash}"
    return Result(made, lambda: [line, f"signed with the key {made.key}"])


_HEADER = ("checkpoint", "time", "entry", "hash", "taken to")


def _row(item: CheckpointRead) -> tuple[str, ...]:
    destinations = ", ".join(item.delivered) or "nowhere yet"
    return str(item.checkpoint), at_words(item.time), str(item.seq), item.hash, destinations


def _held(data: object, items: Iterable[CheckpointRead]) -> Result:
    """Return checkpoints as they were signed, without unsigned fields."""
    signed = ("checkpoint", "installation", "seq", "hash", "time", "key", "signature")
    lines = [canonical({name: getattr(item, name) for name in signed}).decode() for item in items]
    return Result(data, lambda: lines)
