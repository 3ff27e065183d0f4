"""dnsfilterctl node: machines that answer queries."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from api.ctl.command import Group, Options, Parser, Result, given
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, counted, table
from api.ctl.display.shown_names import Names
from api.ctl.input_files import SECRET, write_atomically
from api.ctl.remote.client import Client, path
from api.nodes.schemas import LoadRead, NodeMade, NodeNameRead, NodeRead, NodeSuspensionRead, SnapshotKeyRead, State
from dnsfilter.policy.model import DAY_S
from dnsfilter.policy.single_names import NameVerdict

STATES = get_args(State)
CONFIGURATION = "/etc/dnsfilter/dnsfilter.toml"
TOKEN_FILE = "/etc/dnsfilter/enrolment-token"
_ONCE = "The token is shown only now, and can be used once"


def add(groups: Group) -> None:
    """Add the group's commands."""
    group = groups.add_group("node")
    register = group.add_verb(
        "register",
        _register,
        "Register a node. Prints its one-time enrolment token, and the commands to run on the node.",
        "node register office-1",
        "node register depot-1 --site depot --out enrolment-token",
    )
    register.add_slug("name", "name of the node")
    register.add_site()
    _add_out(register)
    lister = group.add_verb("list", _list, "List nodes.", "node list", "node list --behind", "node list --state silent")
    chosen = lister.add_mutually_exclusive_group()
    chosen.add_argument(
        "--behind",
        action="store_const",
        const="true",
        help="only nodes with an older policy: behind, or held by a local act",
    )
    chosen.add_argument("--state", choices=STATES, metavar="STATE", help=f"only this state: {', '.join(STATES)}")
    lister.add_slug("--site", "only nodes of this site")
    lister.add_limit()
    show = group.add_verb("show", _show, "Show a node and its last report.", "node show office-1")
    show.add_slug("name")
    token = group.add_verb(
        "token",
        _token,
        "Make a new enrolment token for a node, for example to move it to another machine.",
        "node token office-1",
        "node token office-1 --out enrolment-token",
    )
    token.add_slug("name")
    _add_out(token)
    remove = group.add_verb(
        "remove",
        _remove,
        "Remove a node. It keeps its last snapshot; the control plane sends none and accepts no reports.",
        "node remove office-1",
    )
    remove.add_slug("name")
    group.add_verb("key", _key, "Show the public key that verifies snapshots.", "node key")


def _add_out(parser: Parser) -> None:
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the token to this file instead of printing it")


def _register(client: Client, options: Options) -> Result:
    return _issue_token(client, options, path("nodes"), given(options, "name", "site"))


def _token(client: Client, options: Options) -> Result:
    return _issue_token(client, options, path("nodes", options.name, "enrolment"), None)


def _issue_token(client: Client, options: Options, where: str, body: dict[str, str] | None) -> Result:
    if options.out is None:
        made = client.send(NodeMade, "POST", where, body)
        once = _ONCE if made.enrolment_until is None else f"{_ONCE}, until {at_words(made.enrolment_until)}"
        return Result(made, lambda: _made(made, client), notes=(once,))
    # Open the file first, so that no token is made that cannot be written.
    with write_atomically(options.out, SECRET) as file:
        made = client.send(NodeMade, "POST", where, body)
        file.write(f"{made.enrolment_token}\n".encode())
    data = {**made.model_dump(mode="json", exclude={"enrolment_token"}), "file": str(options.out)}
    lines = [*_lines(made, Names(client)), f"written to {options.out}", "", *_steps(made, options.out)]
    return Result(data, lambda: lines)


def _made(made: NodeMade, client: Client) -> Iterator[str]:
    yield from _lines(made, Names(client), ("token", made.enrolment_token))
    yield ""
    yield from _steps(made, None)


def _list(client: Client, options: Options) -> Result:
    page = client.list(NodeRead, path("nodes"), options.limit, given(options, "state", "behind", "site"))
    what = "nodes behind or held" if options.behind else "nodes"
    return listed(page, lambda: _table(page.items, Names(client)), what)


def _show(client: Client, options: Options) -> Result:
    found = client.get(NodeRead, path("nodes", options.name))
    return Result(found, lambda: _lines(found, Names(client)))


def _remove(client: Client, options: Options) -> Result:
    client.delete(path("nodes", options.name))
    done = {"removed": options.name}
    return Result(done, lambda: [f"removed {options.name}: it keeps its last snapshot and gets no newer one"])


def _key(client: Client, _options: Options) -> Result:
    found = client.get(SnapshotKeyRead, path("snapshot-key"))
    rows = [("key", found.key), ("installation", found.installation)]
    return Result(found, lambda: columns(rows))


_HEADER = ("node", "site", "state", "revision", "behind", "last seen", "version", "trouble")


def _table(items: list[NodeRead], names: Names) -> Iterator[str]:
    suspended = {one.authority for item in items for one in item.suspended}
    named = {one.authority for item in items for one in item.names}
    names.prepare({slug for slug in suspended | named if slug is not None})
    yield from table(_HEADER, [_row(item, names) for item in items], ("version", "site", "last seen"))


def _row(item: NodeRead, names: Names) -> tuple[str, ...]:
    revision = "" if item.revision is None else str(item.revision)
    return (
        item.name,
        item.site,
        item.state,
        revision,
        _behind(item),
        _at(item.seen) or "never",
        _text(item.version),
        _attention(item, names),
    )


def _behind(item: NodeRead) -> str:
    """Return by how much the node is behind; empty if it is up to date."""
    if item.state in ("removed", "waiting") or not item.behind_for_s:
        return ""
    by = "" if item.behind_by is None else f"{counted(item.behind_by, 'revision')}, "
    return by + _span(item.behind_for_s)


def _attention(item: NodeRead, names: Names) -> str:
    """Return what needs attention: first suspensions and names, then why the node is not up to date."""
    suspended = [f"suspended: {_suspended(one, names)}" for one in item.suspended]
    set_here = [f"local name: {_local_name(one, names)}" for one in item.names]
    return "; ".join([*suspended, *set_here, *filter(None, (_learning(item), _held(item), item.trouble))])


def _learning(item: NodeRead) -> str:
    """Return that the node answers unregistered clients, and until when; empty if it does not."""
    return "" if item.learning_until is None else f"learning until {at_words(item.learning_until)}"


def _suspended(one: NodeSuspensionRead, names: Names) -> str:
    return f"{one.authority or 'all'} until {at_words(one.until, names.time_zone(one.authority))}"


def _local_name(one: NodeNameRead, names: Names) -> str:
    does, only = ("refuses" if one.verdict is NameVerdict.REFUSE else "allows"), " exactly" if one.exact else ""
    return f"{one.authority} {does}{only} {one.name} until {at_words(one.until, names.time_zone(one.authority))}"


def _at(timestamp: str | None) -> str | None:
    return None if timestamp is None else at_words(timestamp)


def _held(item: NodeRead) -> str:
    """Return the revision that a local act chose for the node, and for how long; empty if there is none."""
    if item.held_up_to is None or item.state == "removed":
        return ""
    return f"revision {_text(item.revision)} chosen by a local act, until a revision above {item.held_up_to}"


def _span(seconds: int) -> str:
    """Return a duration in the largest unit of which it has at least two."""
    for unit, size in (("d", DAY_S), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _lines(item: NodeRead, names: Names, *more: tuple[str, str]) -> Iterator[str]:
    rows = [
        *(("suspended", _suspended(one, names)) for one in item.suspended),
        *(("local name", _local_name(one, names)) for one in item.names),
        ("node", item.name),
        ("site", item.site),
        ("state", item.state),
        ("registered", at_words(item.recorded)),
        ("enrolled", _at(item.enrolled) or "not yet"),
        ("last seen", _at(item.seen) or "never"),
    ]
    optional = [
        ("removed", _at(item.removed)),
        (
            "enrolment",
            None if item.enrolment_until is None else f"token valid until {_at(item.enrolment_until)}",
        ),
        ("decides by", _revisions(item)),
        ("behind", _behind(item) or None),
        ("held", _held(item) or None),
        ("unregistered", None if item.learning_until is None else f"answered: {_learning(item)}"),
        ("trouble", item.trouble or None),
        ("version", None if item.version is None else _program(item)),
        ("up for", None if item.uptime_s is None else _span(item.uptime_s)),
        ("load", None if item.load is None else _load(item.load)),
        ("clock", None if not item.clock_off_s else f"{item.clock_off_s:+d} s from the control plane's"),
    ]
    yield from columns([*rows, *((name, value) for name, value in optional if value is not None), *more])


def _revisions(item: NodeRead) -> str | None:
    if item.revision is None:
        return None
    return f"revision {item.revision}, {_span(item.age_s or 0)} old; published is {_text(item.published) or 'none'}"


def _program(item: NodeRead) -> str:
    return f"{item.version}, engine {item.engine}, {counted(item.workers or 0, 'worker')}"


def _load(load: LoadRead) -> str:
    return (
        f"{load.queries_per_second:.0f} queries/s, {load.cpu_percent:.0f} % CPU, "
        f"{load.memory_bytes / 2**20:.0f} MiB, {counted(load.cache_entries, 'answer')} in the cache"
    )


def _steps(made: NodeMade, file: Path | None) -> Iterator[str]:
    """Yield the commands to run on the node. The token is in `file`, or was printed."""
    yield f"on {made.name}, after you set url and site of [control_plane] in {CONFIGURATION}:"
    if file is None:
        yield f"  install -m 600 /dev/stdin {TOKEN_FILE}    # then paste the token"
    else:
        yield f"  install -m 600 {file.name} {TOKEN_FILE}    # after you copy the file there"
    # Pass the key, so that nobody between the node and the control plane can substitute another.
    yield f"  dnsfilter enrol --config {CONFIGURATION} --token-file {TOKEN_FILE} \\"
    yield f"    --key {made.key}"
    yield "  systemctl restart dnsfilter    # a running node that was enrolled before goes on without it"
