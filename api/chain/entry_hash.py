"""The chain of the audit: what an entry's hash is made of. Pure, so that an export can be verified without a database.

An entry is a JSON object. Its hash is the SHA-256, in hexadecimal, of the object without `hash`, written with sorted
keys, without spaces and in UTF-8. `previous` is the hash of the entry before, so that no entry can be changed, left
out, added or moved without every later hash telling so. Numbers are integers: floats have more than one spelling.
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
"""What an entry's hash covers."""
TOKEN = "token"
"""It covers this too in an entry of an act that was made with a token. Entries of local acts do not have it, nor do
those that were recorded before."""
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical(entry: Mapping[str, Any]) -> bytes:
    """The octets of a JSON object that are hashed or signed; raises ValueError for a number that is no integer."""
    return _ENCODER.encode(_whole(entry)).encode()


def entry_hash(entry: Mapping[str, Any]) -> str:
    """The hash of an entry; `hash` itself is left out. Raises KeyError for a field that is missing."""
    token = entry.get(TOKEN)
    made_with = {} if token is None else {TOKEN: token}
    return hashlib.sha256(canonical({field: entry[field] for field in FIELDS} | made_with)).hexdigest()


def _whole(value: Any) -> Any:
    # By type first: nearly all are of these, and an import has millions of them.
    if type(value) is str or value is None or isinstance(value, str | int):
        return value
    if type(value) is dict:
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, float):
        raise ValueError(f"{value!r} is no integer: the audit keeps none")
    if isinstance(value, Mapping):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    return value
