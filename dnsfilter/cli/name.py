"""`dnsfilter name`: refuse or allow one name on this node for a limited time, without the control plane."""

import argparse
import json
from typing import TYPE_CHECKING

from dnsfilter.cli.options import DONE, Commands, add_command, add_files, add_group, store_of
from dnsfilter.cli.publishing import NodeNames
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.bounds import MAX_LOCAL_NAME_S
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import DAY_S, WireName
from dnsfilter.policy.single_names import NameVerdict, parse_single_name
from dnsfilter.telemetry.terminal import say
from dnsfilter.wire.names import name_text

if TYPE_CHECKING:
    from dnsfilter.config.node_config import Config
    from dnsfilter.local.node_names import NameActs, WantedName
    from dnsfilter.policy.single_names import LocalName

_DONE_SO = {NameVerdict.REFUSE: "refused", NameVerdict.ALLOW: "allowed"}


def add(commands: Commands) -> None:
    """Add the command."""
    text = "refuse or allow one name on this node for a limited time, without the control plane"
    acts = add_group(commands, "name", text)
    refusing = add_command(acts, "refuse", refuse, "refuse a name for the clients of an authority")
    allowing = add_command(acts, "allow", allow, "free a name from the bans of an authority itself")
    most = f"{MAX_LOCAL_NAME_S // DAY_S} days"
    for each in (refusing, allowing):
        _add_name(each)
        each.add_argument("--exact", action="store_true", help="only this name, without the names below it")
        each.add_argument("--for", dest="duration", metavar="TIME", help=f"1h30m, 2d …, at most {most} (default: 1d)")
        each.add_argument("--reason", required=True, help="the reason, for the node's journal")
    listing = add_command(acts, "list", list_names, "list the names that acts on this node refuse or allow")
    add_files(listing)
    listing.add_argument("--json", action="store_true", help="print the list as JSON")
    ending = add_command(acts, "end", end, "end what an act on this node set for a name")
    _add_name(ending)
    ending.add_argument("--reason", default="", help="the reason, for the node's journal")


def refuse(options: argparse.Namespace) -> int:
    """Refuse a name on this node, unless the guard forbids it."""
    return _set(options, NameVerdict.REFUSE)


def allow(options: argparse.Namespace) -> int:
    """Allow a name on this node."""
    return _set(options, NameVerdict.ALLOW)


def list_names(options: argparse.Namespace) -> int:
    """List the names that acts on this node set."""
    names, _ = _node(options)
    found = names.names()
    if options.json:
        print(json.dumps([name_value(each) for each in found]))
        return DONE
    for each in found:
        say(name_line(each))
    if not found:
        print("no name is set on this node")
    return DONE


def end(options: argparse.Namespace) -> int:
    """End what an act on this node set for a name."""
    names, _ = _node(options)
    name = _name(options.name)
    was = names.end(options.authority, name, options.reason)
    say(f"{name_text(name)}: no longer {_DONE_SO[was]} on this node for {options.authority}")
    return DONE


def name_line(name: "LocalName") -> str:
    """Return what an act on this node sets for a name, as one line of text."""
    below = "" if name.exact else " and all names below it"
    only = "; bans by law or agreement still apply" if name.verdict is NameVerdict.ALLOW else ""
    until = f"on this node until {at_words(name.end)}"
    return f"{name_text(name.name)}{below}: {_DONE_SO[name.verdict]} for {name.authority} {until}{only}: {name.reason}"


def name_value(name: "LocalName") -> dict[str, object]:
    """Return a name as a value for JSON."""
    return {
        "authority": name.authority,
        "name": name_text(name.name),
        "exact": name.exact,
        "verdict": name.verdict,
        "start": instant_text(name.start),
        "until": instant_text(name.end),
        "reason": name.reason,
    }


def _add_name(command: argparse.ArgumentParser) -> None:
    add_files(command)
    command.add_argument("name", metavar="NAME", help="the name, or a URL, which stands for its host")
    command.add_argument("--authority", required=True, help="the authority whose clients it is for")


def _set(options: argparse.Namespace, verdict: NameVerdict) -> int:
    from dnsfilter.local.node_names import WantedName

    names, config = _node(options)
    wanted = WantedName(options.authority, _name(options.name), options.exact, verdict)
    if verdict is NameVerdict.REFUSE:
        _check_guard(wanted, config)
    say(name_line(names.set(wanted, options.duration, options.reason)))
    return DONE


def _check_guard(wanted: "WantedName", config: "Config") -> None:
    """Raise ConfigError if the guard forbids to refuse a name, or if this node depends on it."""
    fault = NodeNames(config).fault(wanted.name, wanted.exact)
    if fault is not None:
        otherwise = "" if wanted.exact else ", or only this one with --exact"
        raise ConfigError((Problem("NAME", f"{fault}: refuse a longer name{otherwise}"),))


def _node(options: argparse.Namespace) -> "tuple[NameActs, Config]":
    from dnsfilter.cli.running.known_config import config_or_running
    from dnsfilter.local.node_names import NameActs

    config = config_or_running(options)
    return NameActs(config, store_of(options, config)), config


def _name(text: str) -> WireName:
    try:
        return parse_single_name(text)
    except ValueError as error:
        raise ConfigError((Problem("NAME", str(error)),)) from error
