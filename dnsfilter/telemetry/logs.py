"""Log lines as key=value on standard error: one line per event, for any values.

`emit(log, logging.INFO, "snapshot loaded", revision=12)` becomes
`time=2023-03-10T09:00:00.123Z level=info logger=dnsfilter.node event="snapshot loaded" revision=12`.

What people look up is never logged. No field may hold a client's address or the name of a query; the keys for them are
rejected. Listening addresses, upstreams, files and slugs are allowed.
"""

import logging
import sys
from datetime import UTC, datetime
from typing import Final, TextIO

LEVELS: Final = ("debug", "info", "warning", "error")
FORBIDDEN_FIELDS: Final = frozenset(
    {"client", "client_address", "client_ip", "domain", "peer", "qname", "query", "query_name", "question", "source"}
)
VALUE_MAX_CHARS: Final = 1_024
TRACEBACK_MAX_CHARS: Final = 8_192

_FIELDS: Final = "dnsfilter_fields"
_PLAIN: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/@+,[]%#")


class KeyValueFormatter(logging.Formatter):
    """Format any record, also of other libraries, as one line of key=value."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        pairs: list[tuple[str, str]] = [
            ("time", time),
            ("level", record.levelname.lower()),
            ("logger", format_value(record.name)),
            ("event", format_value(record.getMessage())),
        ]
        fields: dict[str, object] = getattr(record, _FIELDS, {})
        pairs += ((key, format_value(value)) for key, value in fields.items())
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            # The end of a traceback says what happened. Its beginning is the same frame for everything.
            pairs.append(("traceback", format_value(trace[-TRACEBACK_MAX_CHARS:], TRACEBACK_MAX_CHARS)))
        return " ".join(f"{key}={value}" for key, value in pairs)


def emit(
    log: logging.Logger, level: int, event: str, /, *, failure: BaseException | None = None, **fields: object
) -> None:
    """Log one event with its fields. `event` is a fixed lower-case phrase. ValueError for a field that names people.

    Add the traceback of `failure` to the line, if given.
    """
    if not FORBIDDEN_FIELDS.isdisjoint(fields):
        raise ValueError(f"log {event!r}: field {min(FORBIDDEN_FIELDS & fields.keys())} could show what a person did")
    log.log(level, event, exc_info=failure, extra={_FIELDS: fields})


def setup(level: str = "info", stream: TextIO | None = None) -> None:
    """Send all logs of this process to standard error (or `stream`) from `level` up. It may be called again."""
    if level not in LEVELS:
        raise ValueError(f"set log level {level!r}: one of {', '.join(LEVELS)}")
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(KeyValueFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def format_value(value: object, limit: int = VALUE_MAX_CHARS) -> str:
    """Return a value on one line: bare if plain, else quoted and escaped. Values are cut at `limit` characters."""
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case bytes():
            text = value.hex()
        case _:
            text = str(value)
    if len(text) > limit:
        text = text[: limit - 1] + "…"
    if text and _PLAIN.issuperset(text):
        return text
    return '"' + "".join(_escape(char) for char in text) + '"'


def _escape(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")
