"""dnsfilterctl revision: list and compare revisions, and roll back."""

from collections.abc import Iterator, Sequence
from itertools import chain

from api.ctl.arguments import integer
from api.ctl.command import Group, Options, Parser, Result
from api.ctl.display.account_names import Accounts
from api.ctl.display.act_lines import act_lines, changed_lines
from api.ctl.display.listing import listed
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, table
from api.ctl.exit_codes import DONE, FOUND
from api.ctl.network.reached_nodes import exit_code, node_lines, nodes_of, notes
from api.ctl.remote.client import PAGE, Client, path
from api.policies.schemas import ActRead
from api.revisions.schemas import ChangeRead, NodeOfRevision, RevisionRead, RevisionSummary, RollbackRead
from api.trace.schemas import PublicationRead

MAX_NUMBER = 2**63 - 1


def add(groups: Group) -> None:
    """Add the commands of the group."""
    group = groups.add_group("revision")
    group.add_verb("list", _list, "List revisions, newest first.", "revision list --limit 20").add_limit()
    _add_number(group.add_verb("show", _show, "Show a revision and its publications.", "revision show 12"))
    diff = group.add_verb(
        "diff",
        _diff,
        "Show what a revision changed, object by object. Exit code 1 for differences.",
        "revision diff 12",
    )
    _add_number(diff)
    diff.add_limit()
    nodes = group.add_verb(
        "nodes",
        _nodes,
        "List which nodes have a revision or a later one. Exit code 1 if a node does not.",
        "revision nodes 12",
        "revision nodes 12 --wait",
    )
    _add_number(nodes)
    nodes.add_wait("the revision")
    nodes.add_limit()
    back = group.add_verb(
        "rollback",
        _rollback,
        "Restore ranges, modes, tiers and replies of a revision. Makes a new revision; never changes terms, bindings "
        "or exemptions.",
        "revision rollback 12 --dry-run --reason check",
        'revision rollback 12 --reason "ranges registered to the wrong authority"',
    )
    _add_number(back)
    back.add_argument("--dry-run", action="store_true", help="show what would be done, and do nothing")
    back.add_reason()


def _add_number(parser: Parser) -> None:
    parser.add_argument(
        "number",
        type=integer(0, MAX_NUMBER, "is not the number of a revision. Type `dnsfilterctl revision list` to see them"),
        metavar="REVISION",
    )


def _list(client: Client, options: Options) -> Result:
    page = client.list(RevisionSummary, path("revisions"), options.limit)
    return listed(page, lambda: _table(page.items, Accounts(client)), "revisions")


def _show(client: Client, options: Options) -> Result:
    found = client.get(RevisionRead, path("revisions", options.number), {"limit": 1})
    data = found.model_dump(mode="json")
    del data["changes"]
    return Result(data, lambda: _lines(found, Accounts(client)))


def _diff(client: Client, options: Options) -> Result:
    items: list[ChangeRead] = []
    cursor: str | None = None
    while True:
        query = {"limit": min(PAGE, options.limit - len(items)), "cursor": cursor}
        found = client.get(RevisionRead, path("revisions", options.number), query)
        items += found.changes.items
        cursor = found.changes.next
        if cursor is None or len(items) >= options.limit:
            break
    data = {"number": found.number, "items": [item.model_dump(mode="json") for item in items], "next": cursor}
    return Result(
        data,
        lambda: chain.from_iterable(map(changed_lines, items)),
        FOUND if items else DONE,
        _notes(found, items, cursor),
    )


def _nodes(client: Client, options: Options) -> Result:
    found = nodes_of(client, options.number, wait=options.wait)
    page = client.list(NodeOfRevision, path("revisions", options.number, "nodes"), options.limit)
    data = found.model_copy(update={"items": page.items, "next": page.next})
    return Result(data, lambda: node_lines(page.items), exit_code(found), notes(client, found))


def _rollback(client: Client, options: Options) -> Result:
    where = path("revisions", options.number, "rollback")
    query = {"dry_run": "true" if options.dry_run else "false"}
    done = client.send(RollbackRead, "POST", where, {"reason": options.reason}, query=query)
    return Result(done, lambda: _done(done))


def _table(items: list[RevisionSummary], accounts: Accounts) -> Iterator[str]:
    accounts.prepare({item.account for item in items})
    rows = [
        (
            str(item.number),
            at_words(item.time),
            accounts.words(item.account),
            str(item.acts),
            item.act,
            item.object,
            "no" if item.in_force is None else at_words(item.in_force),
        )
        for item in items
    ]
    yield from table(
        ("revision", "recorded", "by", "acts", "last act", "object", "in force since"),
        rows,
        ("acts", "in force since", "object"),
    )


def _lines(found: RevisionRead, accounts: Accounts) -> Iterator[str]:
    since = "no snapshot is known" if found.in_force is None else f"since {at_words(found.in_force)}"
    yield from columns(
        [
            ("revision", str(found.number)),
            ("recorded", at_words(found.time)),
            ("by", accounts.words(found.account)),
            ("acts", f"{found.acts}, audit entries {found.first_seq} to {found.last_seq}"),
            ("last act", f"{found.act}  {found.object}"),
            ("in force", since),
        ]
    )
    for publication in found.publications:
        yield ""
        yield from columns(_publication(publication))


def digest_rows(publication: PublicationRead) -> Sequence[tuple[str, str]]:
    """Return the program that compiled a publication, and the digests of its files."""
    return [
        ("compiled by", f"dnsfilter {publication.version}"),
        ("rules", publication.rules),
        ("ranges", publication.ranges),
        ("names", publication.names),
        ("catalogue", publication.catalogue),
    ]


def _publication(publication: PublicationRead) -> Sequence[tuple[str, str]]:
    until = "still in force" if publication.until is None else f"until {at_words(publication.until)}"
    return [
        ("publication", f"{publication.number}: {at_words(publication.since)}, {until}"),
        *digest_rows(publication),
    ]


def _notes(found: RevisionRead, items: list[ChangeRead], cursor: str | None) -> tuple[str, ...]:
    if cursor is not None:
        return (f"more changes follow the first {len(items)}. Raise --limit to see them.",)
    return () if items else (f"revision {found.number} changed no object",)


def _done(done: RollbackRead) -> Iterator[str]:
    acts: Sequence[ActRead] = done.acts
    for act in acts:
        yield from act_lines(act)
    if not acts:
        yield f"no changes: the policy already matches, revision {done.revision}"
    elif done.dry_run:
        yield f"dry run, nothing was done: revision {done.revision} stays"
    else:
        yield f"rolled back: revision {done.revision}"
