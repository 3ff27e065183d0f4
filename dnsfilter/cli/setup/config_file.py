"""Edit dnsfilter.toml: set what is asked, and keep every other key and comment."""

import time
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from datetime import timedelta
from typing import Any, TypeAlias

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import SingleKey

from dnsfilter.cli.setup.answers import Answers, reverse_zones
from dnsfilter.config.endpoint import endpoint_text
from dnsfilter.config.node_config import DNS_PORT, Endpoint, Unregistered
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.policy.calendar import local_day
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.policy.model import Prefix
from dnsfilter.wire.names import name_text, parse_name

Document: TypeAlias = MutableMapping[str, Any]
LEARNING = timedelta(days=14)
STATE_DIR = "/var/lib/dnsfilter"
NEW = f'''\
# Written by `dnsfilter setup`, which keeps your own changes to this file.
state_dir = "{STATE_DIR}"

[control_plane]
url = "http://127.0.0.1:8080"
token = "{STATE_DIR}/enrolment-token"
'''


def parsed(text: str, place: str) -> Document:
    """Return the document of a TOML file. Raise ConfigError."""
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise ConfigError((Problem(place, f"is not TOML: {error}; mend it, or move the file away"),)) from error


def edited_config(text: str, place: str, answers: Answers) -> str:
    """Return the text of the configuration with the answers in it. Raise ConfigError for a text that is not TOML."""
    document = parsed(text, place)
    if answers.listen:
        _set(document, "listen", [endpoint_text(endpoint) for endpoint in answers.listen])
    if answers.upstreams:
        named = answers.upstreams
        servers = named if isinstance(named, str) else [_server_text(server) for server in named]
        _set(document.setdefault("upstream", tomlkit.table()), "servers", servers)
    if answers.learning:
        _set_learning(document, answers.learning)
    for suffix in _suffixes(answers):
        _set_zone(document, suffix, [_server_text(server) for server in answers.controllers])
    return tomlkit.dumps(document)


def _suffixes(answers: Answers) -> Iterator[str]:
    """Yield the names that the domain controllers are asked for: the domain and the networks' reverse names."""
    if answers.domain is None or not answers.controllers:
        return
    yield name_text(answers.domain)
    for network in answers.networks:
        yield from reverse_zones(network.prefix)


def _set_learning(document: Document, prefixes: Iterable[Prefix]) -> None:
    clients = document.setdefault("clients", tomlkit.table())
    _set(clients, "unregistered", str(Unregistered.LEARN))
    after = "unregistered"
    until = local_day(int(time.time()), DEFAULT_ZONE) + LEARNING
    for key, value in (("allowed", [str(prefix) for prefix in prefixes]), ("learn_until", until)):
        if key in clients:
            _set(clients, key, value)
        else:
            # At the table's end it would follow the comments on the next table.
            clients.value._insert_after(after, SingleKey(key), tomlkit.item(value))
        after = key


def append_table(tables: Any, fields: Mapping[str, object]) -> None:
    """Append a table to a list of tables, after an empty line."""
    made = tomlkit.table()
    for key, value in fields.items():
        made[key] = value
    if not tables:
        made.trivia.indent = "\n"
    tables.append(made)


def _set_zone(document: Document, suffix: str, servers: list[str]) -> None:
    zones = document.setdefault("zone", tomlkit.aot())
    for zone in zones:
        if _is_same_name(zone.get("suffix"), suffix):
            _set(zone, "servers", servers)
            return
    append_table(zones, {"suffix": suffix, "servers": servers})


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
