"""The hash of an entry of the audit log. Pure, so that an export can be verified without a database.

An entry is a JSON object. Its hash is the SHA-256, in hexadecimal, of the object without `hash`, written with sorted
keys, without spaces and in UTF-8. `previous` is the hash of the entry before. So an entry that is changed, left out,
added or moved changes every later hash. Numbers are integers: floats have more than one spelling.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

GENESIS = "0" * 64
"""`previous` of the first entry."""

FIELDS = (
    "seq",
    "time",
    "account",
    "access",
    "request",
    "act",
    "object",
    "authorities",
    "before",
    "after",
    "revision",
    "previous",
)
"""The fields that an entry's hash covers."""
TOKEN = "token"
"""A field that the hash covers only in entries of acts made with a token. Entries of local acts do not have it."""
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(entry: Mapping[str, Any]) -> bytes:
    """Return the bytes of a JSON object that are hashed or signed. Raise ValueError for a number with a fraction."""
    return _ENCODER.encode(_without_floats(entry)).encode()


def entry_hash(entry: Mapping[str, Any]) -> str:
    """Return the hash of an entry. It does not cover `hash` itself. Raise KeyError for a missing field."""
    token = entry.get(TOKEN)
    made_with = {} if token is None else {TOKEN: token}
    return hashlib.sha256(canonical({field: entry[field] for field in FIELDS} | made_with)).hexdigest()


def _without_floats(value: Any) -> Any:
    # The common types first: an import has millions of these values.
    if type(value) is str or value is None or isinstance(value, str | int):
        return value
    if type(value) is dict:
        return {key: _without_floats(inner) for key, inner in value.items()}
    if isinstance(value, float):
        raise ValueError(f"{value!r} is a float: the audit log takes only integers")
    if isinstance(value, Mapping):
        return {key: _without_floats(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_floats(inner) for inner in value]
    return value
