"""`dnsfilter snapshot`: list the snapshots on this node, use an older one, or end a quarantine."""

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from dnsfilter.cli.options import DONE, Commands, add_command, add_files, add_group, local_node
from dnsfilter.cli.suspend import published_text
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.instants import at_words
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.local.local_node import KeptSnapshot


def add(commands: Commands) -> None:
    """Add the command."""
    group = add_group(commands, "snapshot", "list the snapshots on this node, or use an older one")
    kept = add_command(group, "list", _list, "list the snapshots on this node")
    kept.add_argument("--json", action="store_true", help="print the list as JSON")
    use = add_command(group, "use", _use, "use an older snapshot until a higher revision arrives")
    again = "end the quarantine of a snapshot, so that the node may use it"
    unquarantine = add_command(group, "unquarantine", _unquarantine, again)
    for command in (kept, use, unquarantine):
        add_files(command)
    for command in (use, unquarantine):
        command.add_argument("revision", type=int, metavar="REVISION", help="a revision in `snapshot list`")
        command.add_argument("--reason", default="", help="the reason, for the node's journal (required)")


def _list(options: argparse.Namespace) -> int:
    kept = local_node(options).snapshots()
    if options.json:
        print(json.dumps([_value(each) for each in kept]))
    elif not kept:
        print("no snapshot on this node: start the control plane, or give --policy")
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


def _value(kept: "KeptSnapshot") -> dict[str, object]:
    value = asdict(kept)
    made_s, size = value.pop("made_s"), value.pop("size")
    return {**value, "bytes": size, "made": None if made_s is None else instant_text(made_s)}


def _kept_text(kept: "KeptSnapshot") -> str:
    """Return one line: the mark of the one in use, revision, making time, size, and problems."""
    made = kept.trouble if kept.made_s is None else f"made {at_words(kept.made_s)}, {kept.size} bytes"
    part = ", incomplete" if kept.made_s is not None and not kept.complete else ""
    if kept.copy_in_use:
        part = ", damaged: second copy in use"
    signed = ", signed" if kept.signed else ""
    quarantine = "" if kept.quarantined is None else f", quarantined: {kept.quarantined or 'no reason given'}"
    return f"{'*' if kept.in_use else ' '} {kept.revision}: {made}{part}{signed}{quarantine}"
