"""Parse single values of the configuration and policy file. ValueError says what is wrong and how to write it."""

import re
from datetime import date, datetime
from typing import Literal
from urllib.parse import urlsplit

from dnsfilter.config.endpoint import parse_endpoint, parse_prefix, server_fault
from dnsfilter.config.node_config import DOT_PORT, HTTPS_PORT, Endpoint
from dnsfilter.config.upstreams.presets import misplaced_word
from dnsfilter.config.upstreams.server_url import parse_server
from dnsfilter.policy.bounds import FIRST_YEAR, LAST_YEAR, MAX_TEXT
from dnsfilter.policy.fleets import by_hand_fault, token_fault
from dnsfilter.policy.model import DAY_S, Prefix
from dnsfilter.wire.iana import Type
from dnsfilter.wire.record_text import TYPES

MAX_HOST_NAME = 189
"""Maximum number of characters: a label of 63 and its dot fit in front (RFC 1035 section 2.3.4)."""
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NETWORK_NAME = re.compile(r"[a-z][a-z0-9-]{0,14}")
_KEY = re.compile(r"[0-9a-f]{64}")
_SIZE = re.compile(r"(\d{1,12}) ?(KiB|MiB|GiB|)")
_SIZE_UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_DURATION = re.compile(r"(\d{1,7}) ?(seconds?|s|minutes?|min|hours?|h|days?|d|weeks?)")
_DURATION_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": DAY_S, "w": 7 * DAY_S}


def read_server(text: str) -> Endpoint:
    word = misplaced_word(text)
    if word is not None:
        raise ValueError(word)
    server = parse_server(text)
    fault = server_fault(server.address)
    if fault is not None:
        raise ValueError(f"{text!r} {fault}")
    return server


def read_dot_endpoint(text: str) -> Endpoint:
    return parse_endpoint(text, DOT_PORT)


def read_doh_endpoint(text: str) -> Endpoint:
    return parse_endpoint(text, HTTPS_PORT)


def read_host_name(text: str) -> str:
    name = text.lower().removesuffix(".")
    labels = name.split(".")
    is_address = labels[-1].isdigit()
    if len(name) > MAX_HOST_NAME or len(labels) < 2 or is_address or not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f'{text!r} is not a host name such as "dns.example.org", at most {MAX_HOST_NAME} characters')
    return name


def read_network_name(text: str) -> str:
    if _NETWORK_NAME.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not up to 15 of the characters a-z, 0-9 and -, beginning with a letter")
    return text


def read_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not an http or https address")
    if parts.username is not None or parts.password is not None or parts.query:
        raise ValueError("must not contain a user, a password or a query: put the token into a file of its own")
    return text.rstrip("/")


def read_token_path(text: str) -> str:
    # The value is not repeated in the message, because it may be the token itself.
    if not text or ("/" not in text and len(text) >= 32):
        raise ValueError("must be the path of a file that holds the token, not the token itself")
    return text


def read_key(text: str) -> str:
    if _KEY.fullmatch(text) is None:
        raise ValueError("must be the 64 hexadecimal digits that `dnsfilterctl node key` prints")
    return text


def read_range(text: str) -> Prefix:
    prefix = parse_prefix(text)
    fault = by_hand_fault(prefix)
    if fault is not None:
        raise ValueError(f"{text!r} {fault}")
    return prefix


def read_token(text: str) -> str:
    # A wrong token is not repeated in the message: it may be nearly right, and gives access.
    fault = token_fault(text)
    if fault is not None:
        raise ValueError(fault)
    return text


def read_record_type(text: str) -> Type:
    if text not in TYPES:
        raise ValueError(f"{text!r} is not one of {', '.join(TYPES)}")
    return TYPES[text]


def read_bytes(value: object) -> int:
    match = _SIZE.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        value = int(match[1]) * _SIZE_UNITS[match[2]]
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError('must be a number of bytes, or text like "64 MiB"')
    if not 1 << 20 <= value <= 1 << 36:
        raise ValueError("must be between 1 MiB and 64 GiB")
    return value


def read_duration_s(value: object) -> int:
    seconds = _seconds(value, "1 day")
    # RFC 8767 section 5 suggests one to three days. RFC 2181 section 8 forbids keeping data for very long.
    if not 0 <= seconds <= 7 * DAY_S:
        raise ValueError("must be between 0 (off) and 7 days")
    return seconds


def read_idle_s(value: object) -> int:
    seconds = _seconds(value, "10 seconds")
    # RFC 7766 section 6.2.3: a few seconds, more if there are resources.
    if not 1 <= seconds <= 3_600:
        raise ValueError("must be between 1 second and 1 hour")
    return seconds


def _seconds(value: object, example: str) -> int:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is not None:
        value = int(match[1]) * _DURATION_UNITS_S[match[2][0]]
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f'must be a number of seconds, or text like "{example}"')
    return value


def read_day_or_instant(value: object) -> date:
    if not isinstance(value, date):
        raise ValueError("must be a date such as 2023-03-10, or a date with a time, without quotes")
    if not FIRST_YEAR <= value.year <= LAST_YEAR:
        raise ValueError(f"must lie in the years {FIRST_YEAR} to {LAST_YEAR}")
    return value


def read_start(value: object) -> "date | Literal['today']":
    if isinstance(value, str):
        if value != "today":
            raise ValueError(f'{value!r} is neither "today" nor a date such as 2023-03-10, without quotes')
        return "today"
    return read_day_or_instant(value)


def read_day(value: object) -> date:
    if isinstance(value, datetime):
        raise ValueError('must be a day without a time; that day is included. For an exact time, use "end"')
    return read_day_or_instant(value)


def read_date_text(value: object) -> str:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and len(value) <= MAX_TEXT:
        return value
    raise ValueError("must be a date such as 2023-03-10")


def read_texts(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items) or len(items) > 100:
        raise ValueError('must be weekly hours such as "Mon-Fri 09:00-12:00", or a list of them')
    return tuple(items)
