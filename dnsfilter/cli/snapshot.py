"""`dnsfilter snapshot`: list the snapshots that this node has, and use an older or a quarantined one."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from dnsfilter.cli.options import DONE, add_command, add_files, local_node
from dnsfilter.cli.suspend import published_text
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.instants import at_words
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.cli.options import Commands
    from dnsfilter.local.local_node import Kept


def add(commands: "Commands") -> None:
    """Add the command."""
    snapshot = commands.add_parser("snapshot", help="the snapshots that this node has")
    acts = snapshot.add_subparsers(required=True, metavar="COMMAND")
    kept = add_command(acts, "list", _list, "list the snapshots that this node has")
    kept.add_argument("--json", action="store_true", help="print the list as JSON")
    use = add_command(acts, "use", _use, "decide by an older snapshot until a higher one comes")
    again = "let the node use a quarantined snapshot again"
    unquarantine = add_command(acts, "unquarantine", _unquarantine, again)
    for command in (kept, use, unquarantine):
        add_files(command)
    for command in (use, unquarantine):
        command.add_argument("revision", type=int, metavar="REVISION", help="one of `snapshot list`")
        command.add_argument("--reason", default="", help="why; it is kept in the node's journal")


def _list(options: argparse.Namespace) -> int:
    kept = local_node(options).snapshots()
    if options.json:
        print(json.dumps([_value(each) for each in kept]))
    elif not kept:
        print("there is no snapshot on this node")
    for each in () if options.json else kept:
        say(_kept_text(each))
    return DONE


def _use(options: argparse.Namespace) -> int:
    node = local_node(options)
    say(node.use_revision(options.revision, options.reason))
    for each in node.published():
        say(published_text(each.suspension, each.revision))
    return DONE


def _unquarantine(options: argparse.Namespace) -> int:
    say(local_node(options).unquarantine(options.revision, options.reason))
    return DONE


def _value(kept: "Kept") -> dict[str, object]:
    value = asdict(kept)
    made_s = value.pop("made_s")
    return {**value, "made": None if made_s is None else instant_text(made_s)}


def _kept_text(kept: "Kept") -> str:
    """One line: the mark of the one in use, revision, making, size, and what is odd about it."""
    made = kept.trouble if kept.made_s is None else f"made {at_words(kept.made_s)}, {kept.octets} octets"
    part = ", not whole" if kept.made_s is not None and not kept.whole else ""
    if kept.copy_in_use:
        part = ", damaged: its second copy is in use"
    signed = ", signed" if kept.signed else ""
    aside = "" if kept.quarantined is None else f", quarantined: {kept.quarantined or 'no reason is noted'}"
    return f"{'*' if kept.in_use else ' '} {kept.revision}: {made}{part}{signed}{aside}"
