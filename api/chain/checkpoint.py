"""Checkpoints: signed statements that a certain entry of the audit log has a certain hash. Pure.

A checkpoint is a JSON object, sent as one line. `signature` is Ed25519 (RFC 8032) over the other fields as `canonical`
in entry_hash.py writes them. `key` is the public key. Numbers and signatures are in hexadecimal.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from api.chain.entry_hash import canonical

MAX_BYTES = 4096
MAX_NUMBER = 2**63 - 1
UNSIGNED = "delivered"
"""The field that the API adds to a checkpoint. The signature does not cover it."""
_WRAPPING = re.compile(rb"=\r?\n|[\s>]+")
"""What mail programs put into a long line, also quoted-printable ones. No field of a checkpoint contains any of it."""
_SHAPES = {
    "installation": re.compile(r"[0-9a-f]{32}"),
    "hash": re.compile(r"[0-9a-f]{64}"),
    "time": re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z"),
    "key": re.compile(r"[0-9a-f]{64}"),
    "signature": re.compile(r"[0-9a-f]{128}"),
}


@dataclass(frozen=True, slots=True)
class Statement:
    """The signed content: in `installation`, entry `seq` of the audit log has `hash`. `time` is RFC 3339 in UTC."""

    number: int
    installation: str
    seq: int
    hash: str
    time: str

    def signed_by(self, key: Ed25519PrivateKey) -> "Checkpoint":
        """Return a checkpoint of this statement, signed with `key`."""
        public = public_text(key)
        return Checkpoint(self, public, key.sign(_signed_bytes(self, public)).hex())


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A statement with the public key and the signature, both in hexadecimal."""

    statement: Statement
    key: str
    signature: str

    @property
    def genuine(self) -> bool:
        """Return whether `key` made the signature."""
        try:
            public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(self.key))
            public.verify(bytes.fromhex(self.signature), _signed_bytes(self.statement, self.key))
        except (InvalidSignature, UnsupportedAlgorithm, ValueError):
            return False
        return True

    @property
    def fields(self) -> dict[str, Any]:
        """Return the checkpoint as a JSON object."""
        return {**_fields(self.statement, self.key), "signature": self.signature}

    @property
    def line(self) -> str:
        """Return the checkpoint as one line of JSON, without a line break."""
        return canonical(self.fields).decode()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """Return the checkpoint in a JSON object, of one line or of several, as the API shows it too. Raise ValueError."""
    if len(text) > MAX_BYTES:
        raise ValueError(f"not a checkpoint: longer than {MAX_BYTES} bytes")
    try:
        found = _loaded(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("not a checkpoint: not JSON") from error
    if not isinstance(found, dict) or found.keys() - {UNSIGNED} != {"checkpoint", "seq", *_SHAPES}:
        raise ValueError("not a checkpoint: fields are missing or unknown")
    return _parsed(found)


def _loaded(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_WRAPPING.sub(b"", text))


def _parsed(found: Mapping[str, Any]) -> Checkpoint:
    for field in ("checkpoint", "seq"):
        if type(found[field]) is not int or not 0 < found[field] <= MAX_NUMBER:
            raise ValueError(f"not a checkpoint: {field} is not an integer from 1 to {MAX_NUMBER}")
    for field, shape in _SHAPES.items():
        if not isinstance(found[field], str) or not shape.fullmatch(found[field]):
            raise ValueError(f"not a checkpoint: {field} has another form")
    statement = Statement(found["checkpoint"], found["installation"], found["seq"], found["hash"], found["time"])
    return Checkpoint(statement, found["key"], found["signature"])


def public_text(key: Ed25519PrivateKey) -> str:
    """Return the public key as checkpoints write it."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def parse_public(content: bytes) -> str:
    """Read a public key in hexadecimal or PEM. Return it as checkpoints write it. Raise ValueError."""
    text = content.strip()
    if _SHAPES["key"].fullmatch(text.decode("latin-1")):
        return text.decode("latin-1")
    try:
        found = load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("not a public key: give 64 hexadecimal digits or PEM") from error
    if not isinstance(found, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    return found.public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def _fields(statement: Statement, key: str) -> dict[str, object]:
    return {
        "checkpoint": statement.number,
        "installation": statement.installation,
        "seq": statement.seq,
        "hash": statement.hash,
        "time": statement.time,
        "key": key,
    }


def _signed_bytes(statement: Statement, key: str) -> bytes:
    return canonical(_fields(statement, key))
