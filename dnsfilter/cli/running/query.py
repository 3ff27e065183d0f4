"""`dnsfilter query`: show the decision of this node's snapshot next to the real answer of the running node."""

import argparse
import json
import sys
from ipaddress import ip_address
from typing import TYPE_CHECKING

from dnsfilter.cli.options import DONE, FOUND, WRONG_INPUT, Commands, add_command, add_files
from dnsfilter.telemetry.terminal import say

if TYPE_CHECKING:
    from dnsfilter.wire.checker import Answer
    from dnsfilter.wire.edns import Ede


def add(commands: Commands) -> None:
    """Add the command."""
    text = "ask the running node, and show the decision next to its answer"
    command = add_command(commands, "query", query, text)
    add_files(command)
    command.add_argument("name", help="the name to ask for, or a URL")
    command.add_argument("type", nargs="?", default="A", help="the type, such as AAAA, MX or TYPE65 (default: A)")
    command.add_argument("--client", metavar="ADDRESS", help="the client to decide for (default: this machine)")
    command.add_argument("--tcp", action="store_true", help="ask over TCP")
    command.add_argument("--json", action="store_true", help="print the result as JSON")


def extended_error(answer: "Answer") -> "Ede | None":
    """Return the extended error of an answer (RFC 8914 section 2). None if it has none."""
    from dnsfilter.wire.edns import Ede
    from dnsfilter.wire.iana import OptionCode

    data = None if answer.edns is None else answer.edns.option(OptionCode.EDE)
    if data is None or len(data) < 2:
        return None
    return Ede(int.from_bytes(data[:2]), data[2:].decode("utf-8", "replace"))


def query(options: argparse.Namespace) -> int:
    """Print decision and answer. Return exit code 1 if the node does not answer, 2 for wrong input.

    The node is asked from the client's address if this machine has it, else from this machine's own.
    """
    from dnsfilter.cli.explain import decide_now, decision_text, decision_value
    from dnsfilter.cli.running.asking import ask
    from dnsfilter.cli.running.known_config import config_or_running
    from dnsfilter.cli.running.status_page import reached_at
    from dnsfilter.config.own_addresses import has_address
    from dnsfilter.errors import UnavailableError
    from dnsfilter.telemetry.metrics import Transport
    from dnsfilter.wire.iana import parse_type, rcode_text
    from dnsfilter.wire.message import describe
    from dnsfilter.wire.name_or_url import parse_typed_name
    from dnsfilter.wire.names import name_text

    config = config_or_running(options)
    server = reached_at(config.listen[0])
    try:
        name, qtype = parse_typed_name(options.name), parse_type(options.type)
        client = server.address if options.client is None else ip_address(options.client)
    except ValueError as error:
        say(f"dnsfilter: {error}", file=sys.stderr)
        return WRONG_INPUT
    revision, decision = decide_now(options, config, client, name)
    source = client if client.version == server.address.version and has_address(client) else None
    transport = Transport.TCP if options.tcp else Transport.UDP
    try:
        answer, trouble = ask(server, name, qtype, transport, clients=config.clients, source=source), None
    except UnavailableError as error:
        answer, trouble = None, str(error)
    asker = client if source is not None else "this machine"
    if options.json:
        value = {"client": str(client), "name": name_text(name), "revision": revision, **decision_value(decision)}
        found = None if answer is None else {"rcode": rcode_text(answer.rcode), "text": describe(answer.message)}
        print(json.dumps({**value, "asked_as": str(asker), "answer": found, "trouble": trouble}))
    else:
        say(f"decision for {client}, revision {revision}: {decision_text(decision)}")
        say(f"answer to {asker}: {trouble if answer is None else rcode_text(answer.rcode)}")
        for line in [] if answer is None else _lines(answer):
            say(line)
    return FOUND if answer is None else DONE


def _lines(answer: "Answer") -> list[str]:
    """Return the answer as text, with its extended error first."""
    from dnsfilter.wire.iana import EdeCode
    from dnsfilter.wire.message import describe

    first: list[str] = []
    if (ede := extended_error(answer)) is not None:
        names = {int(each): each.name.replace("_", " ").lower() for each in EdeCode}
        first.append(f"extended error {ede.code}: {ede.text or names.get(ede.code, 'without text')}")
    return first + describe(answer.message).expandtabs().splitlines()
