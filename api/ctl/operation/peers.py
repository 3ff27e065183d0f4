"""dnsfilterctl peer: other installations whose checkpoints are held here."""

from collections.abc import Iterator

from api.chain.entry_hash import canonical
from api.ctl.command import Group, Options, Parser, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.remote.client import Client, path
from api.http.schemas import Page
from api.peers.schemas import HeldCheckpointRead, PeerRead

MAX_HELD = 1_000_000
_SIGNED = ("checkpoint", "installation", "seq", "hash", "time", "key", "signature")


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = groups.add_group("peer")
    setter = group.add_verb(
        "set",
        _set,
        "Hold the checkpoints that another installation publishes, or change its URL or key.",
        f"peer set harbour https://dns.example.org/v1/register/harbour --key {'0123456789abcdef' * 4}",
    )
    _add_name(setter)
    setter.add_argument("url", metavar="URL", help="https:// address of a register of it, as JSON")
    setter.add_argument(
        "--key", required=True, metavar="PUBLIC", help="public key of its checkpoints, in hexadecimal, as it gave it"
    )
    group.add_verb("list", _list, "List peers, and what is held of them.", "peer list")
    _add_name(group.add_verb("show", _show, "Show a peer, and how its last fetches went.", "peer show harbour"))
    lister = group.add_verb(
        "checkpoints", _checkpoints, "List the checkpoints that are held of a peer.", "peer checkpoints harbour --held"
    )
    _add_name(lister)
    lister.add_argument(
        "--held", action="store_true", help="print all as JSON lines, oldest first, for audit verify --checkpoint"
    )
    lister.add_limit()
    ender = group.add_verb(
        "end", _end, "Fetch no further checkpoints of a peer. The held ones stay.", "peer end harbour"
    )
    _add_name(ender)


def _add_name(parser: Parser) -> None:
    parser.add_slug("name", "name of the other installation here")


def _set(client: Client, options: Options) -> Result:
    return _result(client.send(PeerRead, "PUT", path("peers", options.name), given(options, "url", "key")))


def _list(client: Client, _options: Options) -> Result:
    page = client.get(Page[PeerRead], path("peers"))
    return listed(page, lambda: _table(page.items), "peers")


def _show(client: Client, options: Options) -> Result:
    return _result(client.get(PeerRead, path("peers", options.name)))


def _end(client: Client, options: Options) -> Result:
    client.delete(path("peers", options.name))
    return Result({"ended": options.name}, lambda: [f"ended {options.name}: its checkpoints stay"])


def _checkpoints(client: Client, options: Options) -> Result:
    where = path("peers", options.name, "checkpoints")
    page = client.list(HeldCheckpointRead, where, MAX_HELD if options.held else options.limit)
    if options.held:
        items = page.items[::-1]
        lines = [canonical({name: getattr(item, name) for name in _SIGNED}).decode() for item in items]
        return Result(Page(items=items, next=page.next), lambda: lines)
    header = ("checkpoint", "time", "entry", "hash", "seen", "")
    return listed(page, lambda: table(header, [_row(item) for item in page.items], ("hash",)), "checkpoints")


def _row(item: HeldCheckpointRead) -> tuple[str, ...]:
    mark = "does not continue the others" if item.contradicts else ""
    return str(item.checkpoint), at_words(item.time), str(item.seq), item.hash, at_words(item.seen), mark


def _table(items: list[PeerRead]) -> Iterator[str]:
    rows = [
        (item.name, item.state, str(item.checkpoints), str(item.checkpoint or ""), at_words(item.seen), item.url)
        if item.seen
        else (item.name, item.state, "0", "", "", item.url)
        for item in items
    ]
    yield from table(("peer", "state", "held", "last", "seen", "url"), rows, ("url",))


def _result(found: PeerRead) -> Result:
    return Result(found, lambda: _lines(found))


def _lines(found: PeerRead) -> Iterator[str]:
    rows = [
        ("peer", found.name),
        ("state", found.state),
        ("url", found.url),
        ("key", found.key),
        ("held", f"{found.checkpoints} checkpoints"),
    ]
    if found.seen:
        rows += [
            ("last", f"checkpoint {found.checkpoint}: entry {found.seq} has the hash {found.hash}"),
            ("seen", at_words(found.seen)),
        ]
    rows.append(("last fetch", at_words(found.fetched) if found.fetched else "none yet"))
    if found.next:
        rows.append(("next fetch", at_words(found.next)))
    if found.failures:
        rows.append(("problem", f"{found.failures} failures: {found.failure}"))
    if found.broken_since:
        rows.append(("broken", f"since {at_words(found.broken_since)}: {found.broken}"))
    yield from columns(rows)
