"""How a file's tables are read, and those of the configuration: keys, types, limits and defaults.

The resolver's only use of pydantic, with `policy_schema.py`. Every text that stands for a value (an endpoint, a prefix,
a span) is parsed here, so that its fault has the key's path. Rules about several keys are checked later, in `load.py`.
"""

import copy
import difflib
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, TypeAlias, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, ValidationError

from dnsfilter.config.endpoint import parse_endpoint, parse_prefix
from dnsfilter.config.locations import Fault, KeyPath
from dnsfilter.config.node_config import EgressMode, Endpoint, Limits, Strategy, Unregistered
from dnsfilter.config.upstreams.presets import servers_of_word
from dnsfilter.config.values import (
    read_bytes,
    read_day,
    read_day_or_instant,
    read_doh_endpoint,
    read_dot_endpoint,
    read_duration_s,
    read_host_name,
    read_idle_s,
    read_key,
    read_network_name,
    read_record_type,
    read_server,
    read_start,
    read_token_path,
    read_url,
)
from dnsfilter.policy.bounds import MAX_TEXT
from dnsfilter.policy.calendar import Span, parse_span
from dnsfilter.policy.model import DAY_S, Prefix, WireName
from dnsfilter.wire.iana import Type
from dnsfilter.wire.names import parse_name
from dnsfilter.wire.unicode_names import parse_unicode_name

MAX_ITEMS = 100_000
MAX_WORKERS = 256
_LIMITS = Limits()

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")
Tables = TypeVar("Tables", bound="Table")


def parsed_text(read: Callable[[str], T]) -> PlainValidator:
    """Return a validator for a string that `read` converts to a value."""

    def validate(value: object) -> T:
        if not isinstance(value, str):
            raise ValueError("must be a string")
        if len(value) > MAX_TEXT:
            raise ValueError(f"is longer than {MAX_TEXT} characters")
        return read(value)

    return PlainValidator(validate)


def word(words: type[E], known_fault: Callable[[str], str | None] = lambda _: None) -> PlainValidator:
    """Return a validator for one word of an enumeration. `known_fault` returns a specific message for some words."""

    def read(value: str) -> E:
        fault = known_fault(value)
        if fault is not None:
            raise ValueError(fault)
        try:
            return words(value)
        except ValueError:
            raise ValueError(f"{value!r} is not one of {', '.join(words)}") from None

    return parsed_text(read)


Text: TypeAlias = Annotated[str, Field(max_length=MAX_TEXT)]
AnEndpoint: TypeAlias = Annotated[Endpoint, parsed_text(parse_endpoint)]
AServer: TypeAlias = Annotated[Endpoint, parsed_text(read_server)]
APrefix: TypeAlias = Annotated[Prefix, parsed_text(parse_prefix)]
ASpan: TypeAlias = Annotated[Span, parsed_text(parse_span)]
Start: TypeAlias = Annotated[date | Literal["today"], PlainValidator(read_start)]
DayOrInstant: TypeAlias = Annotated[date, PlainValidator(read_day_or_instant)]
Day: TypeAlias = Annotated[date, PlainValidator(read_day)]
# In a list, None stands for an item whose own fault is reported. TOML itself cannot write it.
Servers: TypeAlias = Annotated[list[AServer | None], Field(min_length=1, max_length=64)]
PerSecond: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000)]
Burst: TypeAlias = Annotated[int, Field(ge=1, le=10_000_000)]
Names: TypeAlias = Annotated[
    list[Annotated[WireName, parsed_text(parse_unicode_name)] | None], Field(max_length=MAX_ITEMS)
]
Prefixes: TypeAlias = Annotated[list[APrefix | None], Field(max_length=MAX_ITEMS)]


class Table(BaseModel):
    """A table of a file. Unknown keys and other types are faults."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, arbitrary_types_allowed=True)

    harmless: ClassVar[Mapping[str, object]] = {}
    """For a file: replacements for faulty values, so that the rest of their tables can be checked against others."""


class UpstreamTable(Table):
    servers: Annotated[Servers | None, BeforeValidator(servers_of_word)] = None
    trust_ad: bool | None = None
    timeout_ms: Annotated[int, Field(ge=50, le=1_000)] = 800
    ca: Annotated[str | None, Field(min_length=1, max_length=MAX_TEXT)] = None
    when_encrypted_fails: Literal["fail", "plain"] = "fail"
    strategy: Annotated[Strategy, word(Strategy)] = Strategy.ORDERED
    vary_case: bool = False
    cookies: bool = False


class CacheTable(Table):
    max_bytes: Annotated[int, PlainValidator(read_bytes)] = 64 << 20
    serve_stale: Annotated[int, PlainValidator(read_duration_s)] = DAY_S
    prefetch: bool = False


class RebindingTable(Table):
    protect: bool = False
    exempt: Annotated[Names, Field(alias="except")] = []


class ClientsTable(Table):
    unregistered: Annotated[Unregistered, word(Unregistered)] = Unregistered.REFUSE
    allowed: Prefixes = []
    learn_until: DayOrInstant | None = None
    trusted_proxies: Prefixes = []
    trusted_forwarders: Prefixes = []


class OverrideTable(Table):
    prefix: APrefix
    queries_per_second: PerSecond
    burst: Burst | None = None


class LimitsTable(Table):
    queries_per_second: PerSecond = _LIMITS.clients.per_second
    burst: Burst | None = None
    unregistered_per_second: PerSecond = _LIMITS.unregistered.per_second
    slip: Annotated[int, Field(ge=0, le=10)] = _LIMITS.slip
    waiting: Annotated[int, Field(ge=1, le=65_536)] = _LIMITS.waiting
    waiting_per_client: Annotated[int, Field(ge=1, le=4_096)] = _LIMITS.waiting_per_client
    connections: Annotated[int, Field(ge=1, le=100_000)] = _LIMITS.connections
    connections_per_client: Annotated[int, Field(ge=1, le=100_000)] = _LIMITS.connections_per_client
    connection_queries: Annotated[int, Field(ge=1, le=32)] = _LIMITS.connection_queries
    connection_idle: Annotated[float, PlainValidator(read_idle_s)] = _LIMITS.connection_idle_s
    override: Annotated[list[OverrideTable | None], Field(max_length=10_000)] = []


class ZoneTable(Table):
    suffix: Annotated[WireName, parsed_text(parse_name)]
    servers: Servers
    strategy: Annotated[Strategy, word(Strategy)] = Strategy.ORDERED
    vary_case: bool = False
    cookies: bool = False


class RecordTable(Table):
    name: Annotated[WireName, parsed_text(parse_name)]
    type: Annotated[Type, parsed_text(read_record_type)]
    data: Annotated[str, Field(max_length=255)]
    ttl: Annotated[int, Field(ge=0, le=DAY_S)] = 300


class EncryptedTable(Table):
    name: Annotated[str, parsed_text(read_host_name)] = ""
    certificate: Annotated[str | None, Field(min_length=1, max_length=MAX_TEXT)] = None
    key: Annotated[str | None, Field(min_length=1, max_length=MAX_TEXT)] = None
    client_ca: Annotated[str | None, Field(min_length=1, max_length=MAX_TEXT)] = None
    dot_listen: Annotated[list[Annotated[Endpoint, parsed_text(read_dot_endpoint)] | None], Field(max_length=64)] = []
    doh_listen: Annotated[list[Annotated[Endpoint, parsed_text(read_doh_endpoint)] | None], Field(max_length=64)] = []


class EgressNetworkTable(Table):
    name: Annotated[str, parsed_text(read_network_name)]
    prefixes: Annotated[list[APrefix | None], Field(min_length=1, max_length=64)]


class EgressTable(Table):
    mode: Annotated[EgressMode, word(EgressMode)] = EgressMode.AUDIT
    grace: Annotated[int, PlainValidator(read_duration_s)] = 300
    admit: Prefixes = []
    network: Annotated[list[EgressNetworkTable | None], Field(max_length=16)] = []


class ControlPlaneTable(Table):
    url: Annotated[str | None, parsed_text(read_url)] = None
    token: Annotated[str | None, parsed_text(read_token_path)] = None
    site: Text = "default"
    ca: Annotated[str | None, Field(min_length=1, max_length=MAX_TEXT)] = None
    key: Annotated[str | None, parsed_text(read_key)] = None


class ConfigFile(Table):
    """dnsfilter.toml."""

    listen: Annotated[list[AnEndpoint | None], Field(min_length=1, max_length=64)] = [
        parse_endpoint("127.0.0.1:53"),
        parse_endpoint("[::1]:53"),
    ]
    metrics_listen: AnEndpoint = parse_endpoint("127.0.0.1:9153")
    state_dir: Annotated[str, Field(min_length=1, max_length=MAX_TEXT)] = "/var/lib/dnsfilter"
    workers: Annotated[int | None, Field(ge=1, le=MAX_WORKERS)] = None
    user: Annotated[str | None, Field(min_length=1, max_length=32)] = None
    start_without_snapshot: bool = False
    trust_clock: bool = False
    recent_names: bool = True
    upstream: UpstreamTable = UpstreamTable()
    cache: CacheTable = CacheTable()
    rebinding: RebindingTable = RebindingTable()
    clients: ClientsTable = ClientsTable()
    limits: LimitsTable = LimitsTable()
    zone: Annotated[list[ZoneTable | None], Field(max_length=10_000)] = []
    record: Annotated[list[RecordTable | None], Field(max_length=1_000)] = []
    encrypted: EncryptedTable = EncryptedTable()
    control_plane: ControlPlaneTable = ControlPlaneTable()
    egress: EgressTable = EgressTable()


_HARMLESS_INTERVAL: Mapping[str, object] = {"start": "today", "for": "1 hour"}
_INTERVAL_KEYS = ("start", "until", "end", "for", "review_by", "review_in")


def read_tables(schema: type[Tables], data: Mapping[str, Any]) -> tuple[Tables | None, list[Fault]]:
    """Return the tables of `data`, and every fault in it.

    With faults, the tables hold the valid parts: faulty keys have their defaults, faulty list items are None. So
    further checks can run, and indices are those of the file. Return None if even that is impossible.
    """
    faults: list[Fault] = []
    sound = copy.deepcopy(dict(data))
    for _ in range(4):
        try:
            return schema.model_validate(sound), faults
        except ValidationError as error:
            errors = _located(error, sound)
            faults = faults or faults_of(schema, error, sound)
        for path, item in errors:
            _set_aside(sound, path, item["type"] == "extra_forbidden", schema.harmless)
    return None, faults


def faults_of(schema: type[Table], error: ValidationError, data: Mapping[str, Any]) -> list[Fault]:
    """Return the faults of `data` under that schema, each with its key path and a message for people."""
    return [Fault(path, _message(schema, path, item)) for path, item in _located(error, data)]


def _located(error: ValidationError, data: Mapping[str, Any]) -> list[tuple[KeyPath, Any]]:
    return [(_path(item["loc"], data), item) for item in error.errors(include_url=False)]


def _path(loc: tuple[str | int, ...], data: Any) -> KeyPath:
    """Return the part of pydantic's location that is in the file. Pydantic also names unions and validators."""
    path: KeyPath = ()
    for position, part in enumerate(loc):
        if isinstance(data, dict) and isinstance(part, str):
            if part not in data:
                # Only the last part can be a missing key. Anything earlier is pydantic's own name.
                return (*path, part) if position == len(loc) - 1 else path
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return path
        path = (*path, part)
    return path


def _set_aside(data: dict[str, Any], path: KeyPath, unknown: bool, harmless: Mapping[str, object]) -> None:
    """Replace a faulty value in `data` by a harmless one, or remove its key, or else the list item that contains it."""
    if not path:
        return
    holder: Any = data
    for part in path[:-1]:
        holder = holder[part] if holder is not None else None
    key: Any = path[-1]
    in_item = len(path) > 1 and isinstance(path[-2], int)
    match holder:
        case None:
            return
        case list():
            holder[key] = None
        case dict() if not unknown and in_item and harmless and key in _INTERVAL_KEYS:
            for interval_key in _INTERVAL_KEYS:
                holder.pop(interval_key, None)
            holder.update(_HARMLESS_INTERVAL)
        case dict() if not unknown and in_item and key in harmless:
            holder[key] = copy.deepcopy(harmless[key])
        case dict() if key in holder:
            del holder[key]
        case _:
            while path and not isinstance(path[-1], int):
                path = path[:-1]
            _set_aside(data, path, False, harmless)


def _message(schema: type[BaseModel], path: KeyPath, item: Any) -> str:
    match item["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            known = _keys_of_table(schema, path)
            near = difflib.get_close_matches(str(path[-1]), known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"known keys are {', '.join(known)}"
            return f"is not a known key: {hint}"
        case "value_error":
            return str(item["ctx"]["error"])
        case _:
            message = (
                str(item["msg"])
                .split(" or instance of ")[0]
                .replace("Input should", "must")
                .replace("a valid dictionary", "a table")
            )
            return message.replace("an instance of", "a").replace("a valid integer", "an integer").replace("valid ", "")


def _keys_of_table(schema: type[BaseModel], path: KeyPath) -> list[str]:
    table = schema
    for part in path[:-1]:
        if isinstance(part, str):
            table = _table_of(table, part)
    return [field.alias or name for name, field in table.model_fields.items()]


def _table_of(table: type[BaseModel], key: str) -> type[BaseModel]:
    """Return the model of a key that holds a table or a list of tables."""
    pending: list[Any] = [field.annotation for name, field in table.model_fields.items() if key in (name, field.alias)]
    while pending:
        candidate = pending.pop()
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
        pending.extend(getattr(candidate, "__args__", ()))
    raise LookupError(f"{key} holds no table")
