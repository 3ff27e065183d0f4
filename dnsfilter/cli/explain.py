"""`dnsfilter explain`: show the decision of this node's snapshot for a client and a name, and the reason."""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from ipaddress import ip_address

from dnsfilter.cli.name import name_line, name_value
from dnsfilter.cli.node_snapshot import local_acts, snapshot_of
from dnsfilter.cli.options import DONE, WRONG_INPUT, Commands, add_command, add_files, store_of
from dnsfilter.cli.running.instead_of_client import InsteadOfClient
from dnsfilter.cli.running.named_fleet import fleet_client_of
from dnsfilter.cli.suspend import published_text, suspension_text, suspension_value
from dnsfilter.config.node_config import Config
from dnsfilter.policy.calendar import instant_text
from dnsfilter.policy.decide import Decision
from dnsfilter.policy.fleets import FLEET_WITHOUT_NAME
from dnsfilter.policy.instants import DEFAULT_ZONE, EXAMPLES, at_words, instant_of, parse_written
from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import Address, Instant, WireName
from dnsfilter.policy.reasons import unregistered_text
from dnsfilter.snapshot.added_bans import is_local_ban
from dnsfilter.snapshot.compiler import KEPT_PAST_S
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.snapshot.rule_parts.allowed import Allowed
from dnsfilter.telemetry.terminal import say
from dnsfilter.upstream.rebinding import private_addresses_text
from dnsfilter.wire.names import name_text


def add(commands: Commands) -> None:
    """Add the command."""
    command = add_command(commands, "explain", explain, "show this node's decision for a client and a name")
    add_files(command)
    command.add_argument("client", help="the client's address; leave it out with --fleet")
    command.add_argument("name", help="the name in the query, or a URL")
    fleet = "decide for devices of the fleet with this label or token"
    command.add_argument("--fleet", action=InsteadOfClient, metavar="FLEET", help=fleet)
    command.add_argument("--at", help=f"a date, or a time: {EXAMPLES}; without a zone, {DEFAULT_ZONE} (default: now)")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def explain(options: argparse.Namespace) -> int:
    """Print the decision. Return exit code 2 for a wrong address, name or time."""
    from dnsfilter.cli.running.known_config import config_or_running
    from dnsfilter.wire.name_or_url import parse_typed_name

    config = config_or_running(options)
    now = store_of(options, config).creation_time_s(int(time.time()))
    acts = local_acts(options, config)
    try:
        address, asked = _given(options)
        name = parse_typed_name(asked)
        at = now if options.at is None else instant_of(parse_written(options.at), DEFAULT_ZONE, now)
        snapshot = snapshot_of(options, config, now, at, acts)
        client = fleet_client_of(snapshot, options.fleet, at) if address is None else address
    except ValueError as error:
        say(f"dnsfilter: {error}", file=sys.stderr)
        return WRONG_INPUT
    if at < (known_from := snapshot.made_s - KEPT_PAST_S):
        say(
            f"dnsfilter: this snapshot does not cover times before {at_words(known_from)}: use dnsfilterctl trace",
            file=sys.stderr,
        )
        return WRONG_INPUT
    decision = snapshot.decide(client, name, at)
    concerning = (None, decision.authority)
    local = [each for each in acts.suspensions if each.period.holds(at) and each.authority in concerning]
    given = {(each.authority, each.start, each.end) for each in local}
    published = [
        each
        for each in snapshot.suspensions(at)
        if each.authority in concerning and (each.authority, each.start, each.end) not in given
    ]
    names = names_value(snapshot, client, name, at)
    set_here = [each for each in acts.names if each.authority == decision.authority and each.covers(name)]
    set_here = [each for each in set_here if each.start <= at < each.end]
    described = snapshot.describe(client.packed) if options.fleet is not None else None
    has_name = described is not None and snapshot.fleets.has_name(client.packed, at)
    private = private_addresses_text(config, name)
    if options.json:
        suspended = [suspension_value(suspension) for suspension in local]
        suspended += [suspension_value(suspension, snapshot.revision) for suspension in published]
        fleet = {} if described is None else {"fleet": described[1], "fleet_has_name": has_name}
        answer = {"revision": snapshot.revision, "name": name_text(name), **decision_value(decision), **names, **fleet}
        answer["private_addresses"] = private
        print(json.dumps({**answer, "suspended": suspended, "local_names": [name_value(each) for each in set_here]}))
        return DONE
    if described is not None:
        say(f"fleet: {described[1]} ({described[0]})")
        if not has_name:
            say(FLEET_WITHOUT_NAME)
    for suspension in local:
        say(suspension_text(suspension))
    for suspension in published:
        say(published_text(suspension, snapshot.revision))
    when = "" if options.at is None else f" at {at_words(at)}"
    say(f"revision {snapshot.revision}{when}, {name_text(name)}: {decision_text(decision)}")
    for line in (*map(name_line, set_here), *names_lines(snapshot, client, name, at)):
        say(line)
    if private is not None:
        say(f"private addresses: {private}")
    return DONE


def _given(options: argparse.Namespace) -> tuple[Address | None, str]:
    """Return the given client, or None for a fleet, and the name. ValueError if both are given, or no name."""
    if options.fleet is None:
        return ip_address(options.client), options.name
    if options.name is not None:
        raise ValueError("give either the client's address before the name, or --fleet")
    return None, options.client


def names_value(snapshot: Snapshot, client: Address, name: WireName, at: Instant) -> dict[str, object]:
    """Return, as a value for JSON, the allowed name that covers a name, and until when the name is pending."""
    found, until = _of_name(snapshot, client, name, at)
    allowed = None
    if found is not None:
        allowed = {
            "name": name_text(found.name),
            "exact": found.exact,
            "since": instant_text(found.start),
            "until": None if found.end == FOREVER else instant_text(found.end),
        }
    return {"allowed": allowed, "pending_until": None if until is None else instant_text(until)}


def names_lines(snapshot: Snapshot, client: Address, name: WireName, at: Instant) -> Iterator[str]:
    """Yield the allowed name that covers a name, and until when the name is pending, in words."""
    found, until = _of_name(snapshot, client, name, at)
    if found is not None:
        below = "" if found.exact else " and all below it"
        end = "" if found.end == FOREVER else f", until {at_words(found.end)}"
        yield f"allowed: {name_text(found.name)}{below}, since {at_words(found.start)}{end}"
    if until is not None:
        yield f"pending: only monitored until {at_words(until)}"


def _of_name(snapshot: Snapshot, client: Address, name: WireName, at: Instant) -> tuple[Allowed | None, Instant | None]:
    range_class = snapshot.find(client.packed)
    if range_class is None:
        return None, None
    return snapshot.allowing(range_class, name, at), snapshot.pending_until(range_class, name, at)


def decide_now(options: argparse.Namespace, config: Config, client: Address, name: WireName) -> tuple[int, Decision]:
    """Return the revision that this node decides by, and its decision now, with local acts."""
    now = store_of(options, config).creation_time_s(int(time.time()))
    snapshot = snapshot_of(options, config, now, now, local_acts(options, config))
    return snapshot.revision, snapshot.decide(client, name, now)


def decision_value(decision: Decision) -> dict[str, object]:
    """Return the decision as a value for JSON."""
    return {
        "verdict": decision.verdict,
        "authority": decision.authority,
        "ban": None if decision.ban is None or is_local_ban(decision.ban) else decision.ban,
        "service": decision.service,
        "bound": decision.bound,
        "monitored": sorted(decision.monitored),
        "exempted": sorted(decision.exempted),
        "admitted": decision.admitted,
    }


def decision_text(decision: Decision) -> str:
    """Return the decision as one line of text."""
    if decision.authority is None:
        return unregistered_text(decision)
    by = "an act on this node" if decision.ban is not None and is_local_ban(decision.ban) else f"ban {decision.ban}"
    because = "" if decision.ban is None else f" by {by} on {decision.service}"
    exempted = f" (exempted: {', '.join(sorted(decision.exempted))})" if decision.exempted else ""
    return f"{decision.verdict}{because} for a client of {decision.authority}{exempted}"
