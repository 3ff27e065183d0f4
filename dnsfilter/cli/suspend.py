"""`dnsfilter suspend`: suspend all, or an authority, on this node for a limited time, without the control plane."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from dnsfilter.cli.options import DONE, Commands, add_command, add_files, local_node
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.instants import at_words
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.local.local_node import LocalNode, PublishedSuspension
    from dnsfilter.policy.model import Suspension


def add(commands: Commands) -> None:
    """Add the command."""
    text = "suspend all, or an authority, on this node for a limited time, without the control plane"
    command = add_command(commands, "suspend", suspend, text)
    add_files(command)
    whom = command.add_mutually_exclusive_group()
    whom.add_argument(
        "authority",
        nargs="?",
        metavar="AUTHORITY",
        help="only for clients of this authority (default: for all, also unregistered clients)",
    )
    whom.add_argument("--all", action="store_true", help="for all, as without AUTHORITY")
    command.add_argument("--reason", default="", help="the reason, for the node's journal (required with --for)")
    other = command.add_mutually_exclusive_group(required=True)
    other.add_argument("--for", dest="duration", metavar="TIME", help="suspend for 30m, 1h30m …, at most 4h")
    other.add_argument("--end", action="store_true", help="end the suspension now")
    other.add_argument("--list", action="store_true", help="list local and published suspensions on this node")
    command.add_argument("--json", action="store_true", help="print the list as JSON")


def suspend(options: argparse.Namespace) -> int:
    """Suspend, end a suspension, or list the suspensions on this node."""
    if options.list:
        node = local_node(options)
        _show_suspensions(node.suspensions(), node.published(), as_json=options.json)
        return DONE
    if options.end:
        node = local_node(options)
        node.end_suspension(options.authority, options.reason)
        _warn_in_memory(node)
        say(f"{options.authority or 'all'}: the suspension on this node has ended")
        return DONE
    node = local_node(options)
    given = node.suspend(options.authority, options.duration, options.reason)
    _warn_in_memory(node)
    say(suspension_text(given))
    return DONE


def _warn_in_memory(node: "LocalNode") -> None:
    """Print a warning if the disk did not take the act."""
    if node.in_memory is not None:
        print(
            f"dnsfilter: the disk does not take this act ({node.in_memory}): it holds in memory, and the node writes "
            "it when there is room. A restart of the machine forgets it. Free some space",
            file=sys.stderr,
        )


def suspension_text(suspension: "Suspension") -> str:
    """Return a local suspension as one line of text."""
    return f"{_effect_text(suspension, ' on this node')}: {suspension.reason}"


def published_text(suspension: "Suspension", revision: int) -> str:
    """Return a suspension in the snapshot of that revision as one line of text."""
    return f"{_effect_text(suspension)}: published in revision {revision}; only a later revision ends it sooner"


def _effect_text(suspension: "Suspension", where: str = "") -> str:
    """Return for whom nothing is refused, and until when."""
    too = "" if suspension.authority else ", and unregistered clients are answered too"
    return f"{suspension.authority or 'all'}: nothing is refused{where} until {at_words(suspension.end)}{too}"


def suspension_value(suspension: "Suspension", published: int | None = None) -> dict[str, str | int | None]:
    """Return a suspension as a value for JSON. `published` is the revision that has it, None for a local one."""
    return {
        "authority": suspension.authority,
        "start": instant_text(suspension.start),
        "until": instant_text(suspension.end),
        "reason": suspension.reason,
        "published": published,
    }


def _show_suspensions(
    suspensions: "tuple[Suspension, ...]", published: "tuple[PublishedSuspension, ...]", *, as_json: bool
) -> None:
    if as_json:
        values = [suspension_value(suspension) for suspension in suspensions]
        print(json.dumps(values + [suspension_value(each.suspension, each.revision) for each in published]))
        return
    for suspension in suspensions:
        say(suspension_text(suspension))
    for each in published:
        say(published_text(each.suspension, each.revision))
    if not suspensions and not published:
        print("nothing is suspended on this node")
