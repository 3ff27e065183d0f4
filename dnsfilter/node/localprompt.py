"""The commands `suspend` and `snapshot`: what is typed, and what is printed."""

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.instants import at_words
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.node.localcommands import Kept, LocalNode, Published
    from dnsfilter.policy.model import Suspension

    Commands: TypeAlias = argparse._SubParsersAction[argparse.ArgumentParser]
Opened: TypeAlias = "Callable[[argparse.Namespace], LocalNode]"

DONE = 0


def add_local_commands(commands: "Commands", opened: Opened) -> None:
    """Add both commands; `opened` gives the node that the files on the command line are of."""
    text = "have nothing refused on this node for a while, without the control plane"
    suspend = _command(commands, "suspend", text, partial(_suspend, opened))
    suspend.add_argument(
        "authority",
        nargs="?",
        metavar="AUTHORITY",
        help="for its clients alone (default: for all, unregistered clients too)",
    )
    suspend.add_argument("--reason", default="", help="why; it is kept in the node's journal")
    other = suspend.add_mutually_exclusive_group(required=True)
    other.add_argument("--for", dest="duration", metavar="TIME", help="30m, 1h30m …; at most 4h; it ends by itself")
    other.add_argument("--end", action="store_true", help="end it now")
    other.add_argument("--list", action="store_true", help="what is suspended on this node, also as it was published")
    suspend.add_argument("--json", action="store_true", help="print the list as JSON")
    snapshot = commands.add_parser("snapshot", help="the snapshots that this node has")
    acts = snapshot.add_subparsers(required=True, metavar="COMMAND")
    kept = _command(acts, "list", "list the snapshots that this node has", partial(_list, opened))
    kept.add_argument("--json", action="store_true", help="print the list as JSON")
    use = _command(acts, "use", "decide by an older snapshot until a higher one comes", partial(_use, opened))
    again = "let the node use a quarantined snapshot again"
    unquarantine = _command(acts, "unquarantine", again, partial(_unquarantine, opened))
    for command in (use, unquarantine):
        command.add_argument("revision", type=int, metavar="REVISION", help="one of `snapshot list`")
        command.add_argument("--reason", default="", help="why; it is kept in the node's journal")


def _command(commands: "Commands", name: str, text: str, run: object) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
    command.set_defaults(run=run)
    command.add_argument("--config", type=Path, help="configuration (TOML)")
    command.add_argument("--policy", type=Path, help="policy file, where the node decides by one")
    return command


def _suspend(opened: Opened, options: argparse.Namespace) -> int:
    if options.list:
        node = opened(options)
        _show_suspensions(node.suspensions(), node.published(), as_json=options.json)
        return DONE
    if options.end:
        opened(options).end_suspension(options.authority, options.reason)
        say(f"{options.authority or 'all'}: the suspension on this node has ended")
        return DONE
    say(suspension_text(opened(options).suspend(options.authority, options.duration, options.reason)))
    return DONE


def _list(opened: Opened, options: argparse.Namespace) -> int:
    kept = opened(options).snapshots()
    if options.json:
        print(json.dumps([_value(each) for each in kept]))
    elif not kept:
        print("there is no snapshot on this node")
    for each in () if options.json else kept:
        say(_kept_text(each))
    return DONE


def _use(opened: Opened, options: argparse.Namespace) -> int:
    node = opened(options)
    say(node.use_revision(options.revision, options.reason))
    for each in node.published():
        say(published_text(each.suspension, each.revision))
    return DONE


def _unquarantine(opened: Opened, options: argparse.Namespace) -> int:
    say(opened(options).unquarantine(options.revision, options.reason))
    return DONE


def suspension_text(suspension: "Suspension") -> str:
    """One line, for people."""
    return f"{_whom(suspension, ' on this node')}: {suspension.reason}"


def published_text(suspension: "Suspension", revision: int) -> str:
    """One line, for people, of one that the snapshot of that revision holds."""
    return f"{_whom(suspension)}: published in revision {revision}; only a later one ends it sooner"


def _whom(suspension: "Suspension", where: str = "") -> str:
    """Who is refused nothing, and until when."""
    too = "" if suspension.authority else ", and unregistered clients are answered too"
    return f"{suspension.authority or 'all'}: nothing is refused{where} until {at_words(suspension.end)}{too}"


def suspension_value(suspension: "Suspension", published: int | None = None) -> dict[str, str | int | None]:
    """For JSON; `published` is the revision that holds it, None for one that was given on this node."""
    return {
        "authority": suspension.authority,
        "start": instant_text(suspension.start),
        "until": instant_text(suspension.end),
        "reason": suspension.reason,
        "published": published,
    }


def _show_suspensions(
    suspensions: "tuple[Suspension, ...]", published: "tuple[Published, ...]", *, as_json: bool
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
