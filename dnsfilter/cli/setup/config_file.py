"""Edit dnsfilter.toml: set what is asked, and keep every other key and comment."""

import re
import time
from collections.abc import MutableMapping
from datetime import date, timedelta
from typing import Any, TypeAlias, TypeVar

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT, SingleKey, Table

from dnsfilter.cli.setup.answers import Answers, reverse_zones
from dnsfilter.config.client_tables import end_of
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import DNS_PORT, Endpoint, Unregistered
from dnsfilter.config.values import read_server
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Prefix
from dnsfilter.wire.names import name_text, parse_name

Document: TypeAlias = MutableMapping[str, Any]
KindOfItem = TypeVar("KindOfItem", Table, AoT)
LEARNING = timedelta(days=14)
STATE_DIR = "/var/lib/dnsfilter"
NEW = f'''\
# Written by `dnsfilter setup`, which keeps your own changes to this file.
state_dir = "{STATE_DIR}"

[rebinding]
protect = true

[control_plane]
url = "http://127.0.0.1:8080"
token = "{STATE_DIR}/enrolment-token"
'''


def parsed(text: str, location: str) -> Document:
    """Return the document of a TOML file. Raise ConfigError."""
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError((Problem(location, f"is not TOML: {error}; mend it, or move the file away"),)) from error


def edited_config(text: str, location: str, answers: Answers) -> str:
    """Return the text of the configuration with the answers in it. Raise ConfigError for a text that is not TOML."""
    document = parsed(text, location)
    if answers.listen:
        if "listen" not in document:
            document = parsed(re.sub("^#listen = .*$", "listen = []", text, count=1, flags=re.MULTILINE), location)
        _set(document, "listen", [endpoint_text(endpoint) for endpoint in answers.listen])
    if answers.upstreams:
        named = answers.upstreams
        servers = named if isinstance(named, str) else [_server_text(server) for server in named]
        _set(item_at(document, "upstream", Table, location), "servers", servers)
    if answers.trust_clock:
        _set(document, "trust_clock", True)
    if answers.learning:
        _set_learning(item_at(document, "clients", Table, location), answers.learning)
    if answers.domain is not None or answers.networks:
        _set_zones(document, answers, location)
    return tomlkit.dumps(document)


def item_at(document: Document, key: str, kind: type[KindOfItem], location: str) -> KindOfItem:
    """Return the table or list of tables with that key, made if it is missing. Raise ConfigError for another item."""
    held = document.setdefault(key, tomlkit.table() if kind is Table else tomlkit.aot())
    if not isinstance(held, kind):
        form = f"one [{key}] table" if kind is Table else f"[[{key}]] tables"
        raise ConfigError((Problem(f"{location} {key}", f"cannot be edited in this form: write {form}"),))
    return held


def _set_learning(clients: Table, prefixes: tuple[Prefix, ...]) -> None:
    """Start learning for two weeks, or add prefixes before its end. Raise ConfigError with `resolve`."""
    if clients.get("unregistered") == Unregistered.RESOLVE:
        message = 'clients.unregistered is "resolve", which has no end: remove it and clients.allowed first'
        raise ConfigError((Problem("--learn", message),))
    _set(clients, "unregistered", str(Unregistered.LEARN))
    now = int(time.time())
    allowed, until = clients.get("allowed", []), clients.get("learn_until")
    if not isinstance(until, date) or end_of(until) <= now:
        allowed, until = [], local_day(now, DEFAULT_ZONE) + LEARNING
    allowed = list(dict.fromkeys([*allowed, *map(str, prefixes)]))
    after = "unregistered"
    for key, value in (("allowed", allowed), ("learn_until", until)):
        if key in clients:
            _set(clients, key, value)
        else:
            # At the table's end it would follow the comments on the next table.
            clients.value._insert_after(after, SingleKey(key), tomlkit.item(value))
        after = key


def reverse_zones_to_write(text: str, location: str, answers: Answers) -> dict[str, list[Endpoint]]:
    """Return the reverse zones of the given networks that `edited_config` would add or change, with their servers.

    Leave out servers that are written in a wrong form: the check of the file reports them.
    """
    document = parsed(text, location)
    servers = _zone_servers(document, answers, location)
    zones = item_at(document, "zone", AoT, location).unwrap() if "zone" in document else []
    same = [zone.get("suffix") for zone in zones if zone.get("servers") == servers]
    try:
        endpoints = [read_server(str(server)) for server in servers]
    except ValueError:
        return {}
    suffixes = _reverse_suffixes(answers) if endpoints else []
    return {suffix: endpoints for suffix in suffixes if not any(_is_same_name(each, suffix) for each in same)}


def _set_zones(document: Document, answers: Answers, location: str) -> None:
    """Send queries for the domain and the networks' reverse names to the domain controllers."""
    servers = _zone_servers(document, answers, location)
    suffixes = [] if answers.domain is None else [name_text(answers.domain)]
    suffixes += [suffix for suffix in _reverse_suffixes(answers) if suffix not in answers.left_out]
    if not servers or not suffixes:
        return
    zones = item_at(document, "zone", AoT, location)
    for suffix in suffixes:
        zone = next((zone for zone in zones if _is_same_name(zone.get("suffix"), suffix)), None)
        if zone is None:
            zones.append({"suffix": suffix, "servers": servers})
        else:
            _set(zone, "servers", servers)


def _zone_servers(document: Document, answers: Answers, location: str) -> list[str]:
    """Return the domain controllers, else the servers of the existing reverse zones if all name the same."""
    servers = [_server_text(server) for server in answers.controllers]
    if not servers and "zone" in document:
        zones = item_at(document, "zone", AoT, location).unwrap()
        held = [zone.get("servers") for zone in zones if _is_reverse(zone.get("suffix"))]
        servers = list(held[0] or ()) if held and held.count(held[0]) == len(held) else []
    return servers


def _reverse_suffixes(answers: Answers) -> list[str]:
    return list(dict.fromkeys(suffix for network in answers.networks for suffix in reverse_zones(network.prefix)))


def _is_reverse(suffix: object) -> bool:
    return str(suffix).rstrip(".").lower().endswith(("in-addr.arpa", "ip6.arpa"))


def _is_same_name(held: object, suffix: str) -> bool:
    try:
        return isinstance(held, str) and parse_name(held) == parse_name(suffix)
    except ValueError:
        return False


def _set(table: Document, key: str, value: object) -> None:
    """Set a key if its value is another one: its comments and its layout stay otherwise."""
    if table.get(key) != value:
        table[key] = value


def _server_text(server: Endpoint) -> str:
    return str(server.address) if server.port == DNS_PORT else endpoint_text(server)
