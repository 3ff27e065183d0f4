"""dnsfilterctl version and status. Neither needs a token; `status` uses one if present."""

from collections.abc import Iterator
from contextlib import suppress

from api.ctl.command import PROGRAM, Group, Options, Result, Verb
from api.ctl.display.local_times import at_words
from api.ctl.display.safe_text import columns, counted
from api.ctl.display.shown_names import Names
from api.ctl.exit_codes import DONE, FOUND, CtlError
from api.ctl.policy.suspensions import banner_lines, find_current
from api.ctl.remote.client import SOON_S, Client
from api.server.schemas import ReadinessRead, VersionRead
from dnsfilter import __version__


def add(groups: Group) -> None:
    """Add the commands."""
    groups.add_command("version", Verb(_version, needs_token=False), "version")
    groups.add_command("status", Verb(_status, needs_token=False, takes_token=True), "status")


def _version(client: Client, _options: Options) -> Result:
    found = client.get(VersionRead, "/version", within_s=SOON_S)
    return Result(
        {"dnsfilterctl": __version__, "api": found.version, "url": client.url},
        lambda: columns([(PROGRAM, __version__), ("API", f"{found.version} at {client.url}")]),
    )


def _status(client: Client, _options: Options) -> Result:
    # 503 means not ready, with the same fields.
    found = client.get(ReadinessRead, "/readyz", accepted=(200, 503), within_s=SOON_S)
    return Result(found, lambda: _lines(found, client), DONE if found.ready else FOUND)


def _suspended(found: ReadinessRead, client: Client) -> Iterator[str]:
    """Yield the lines about suspensions that come first: details with a token, else only their number."""
    if client.has_token:
        # With a rejected token, fall through and print the number.
        with suppress(CtlError):
            yield from banner_lines(find_current(client), Names(client))
            return
    if found.suspensions:
        yield f"SUSPENDED: {found.suspensions} in force. Type: {PROGRAM} suspend list"
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
            *_learning(found),
        ]
    )


def _learning(found: ReadinessRead) -> Iterator[tuple[str, str]]:
    """Yield the row about learning mode, if a node is in it."""
    if found.learning_until is not None:
        until = at_words(found.learning_until)
        yield "learning", f"unregistered clients get answers until {until}. Type: {PROGRAM} range check"


def _reach(found: ReadinessRead) -> tuple[str, str]:
    """Return the row about the published revision, and how many nodes have it in force."""
    if found.published is None:
        return "published", "nothing yet"
    revision, nodes, reached = f"revision {found.published}", found.nodes, found.nodes_in_force
    if nodes is None or reached is None:
        return "published", f"{revision}; number of nodes that have it unknown"
    if nodes == 0:
        return "published", f"{revision}; no node is enrolled (a node that reads snapshots from disk does not report)"
    if reached == nodes:
        return "in force", f"{revision} on {counted(nodes, 'node')}"
    return "published", f"{revision}, in force on {reached} of {counted(nodes, 'node')}. Type: {PROGRAM} node list"
