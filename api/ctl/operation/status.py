"""dnsfilterctl version and status: of the control plane as a process. Neither needs a token; status uses one."""

from collections.abc import Iterator
from contextlib import suppress

from api.ctl.command import PROGRAM, Group, Options, Result, Verb, add_verb
from api.ctl.display.safe_text import columns, counted
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import DONE, FOUND, CtlError
from api.ctl.policy.suspensions import first_lines, holding
from api.ctl.remote.client import SOON_S, Client
from api.server.schemas import ReadinessRead, VersionRead
from dnsfilter import __version__


def add(groups: Group) -> None:
    """Add the commands."""
    add_verb(
        groups, "version", Verb(_version, needs_token=False), "tell both versions: this program's, the API's", "version"
    )
    add_verb(
        groups,
        "status",
        Verb(_status, needs_token=False, takes_token=True),
        "tell whether the control plane is ready; exit code 1 if it is not",
        "status",
    )


def _version(client: Client, _options: Options) -> Result:
    found = client.get(VersionRead, "/version", within_s=SOON_S)
    return Result(
        {"dnsfilterctl": __version__, "api": found.version, "url": client.url},
        lambda: columns([(PROGRAM, __version__), ("API", f"{found.version} at {client.url}")]),
    )


def _status(client: Client, _options: Options) -> Result:
    # 503 says that it is not ready, in the same words.
    found = client.get(ReadinessRead, "/readyz", accepted=(200, 503), within_s=SOON_S)
    return Result(found, lambda: _lines(found, client), DONE if found.ready else FOUND)


def _suspended(found: ReadinessRead, client: Client) -> Iterator[str]:
    """What stands first while somebody is suspended: whom, where a token is at hand that is told so."""
    if client.has_token:
        # A token that is not taken does not keep the number from being told.
        with suppress(CtlError):
            yield from first_lines(holding(client), Names(client))
            return
    if found.suspensions:
        yield f"SUSPENDED: {found.suspensions} in force, see {PROGRAM} suspension list"
        yield ""


def _lines(found: ReadinessRead, client: Client) -> Iterator[str]:
    yield from _suspended(found, client)
    yield from columns(
        [
            ("API", client.url),
            ("ready", "yes" if found.ready else f"no: {found.reason}" if found.reason else "no"),
            ("database", "reachable" if found.database else "not reachable"),
            ("recorded", "unknown" if found.revision is None else f"revision {found.revision}"),
            _reach(found),
        ]
    )


def _reach(found: ReadinessRead) -> tuple[str, str]:
    """Return the row about the published revision, and how many nodes have it in force."""
    if found.published is None:
        return "published", "nothing yet"
    revision, nodes, reached = f"revision {found.published}", found.nodes, found.nodes_in_force
    if nodes is None or reached is None:
        return "published", f"{revision}; how many nodes have it is unknown"
    if nodes == 0:
        return "published", f"{revision}; no node is enrolled: one that reads snapshots from the disk does not report"
    if reached == nodes:
        return "in force", f"{revision} on {counted(nodes, 'node')}"
    return "published", f"{revision}, in force on {reached} of {counted(nodes, 'node')}: see {PROGRAM} node list"
