"""JSON objects that are signed: Ed25519 (RFC 8032) over all their keys, with an empty `signature`.

Snapshots are signed by their control plane, over the manifest, which has every file's digest.
"""

import json
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.manifest import parse_manifest

_CONTEXT = b"dnsfilter snapshot 1\0"
"""Prefix of the signed data, so that no other data signed with the same key can pass for a manifest."""


def sign_manifest(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the manifest with its signature. Equal manifest and key give equal bytes.

    Raise SnapshotError if invalid.
    """
    parse_manifest(manifest)
    return signed_json(json.loads(manifest), _CONTEXT, key)


def verify_manifest(manifest: bytes, public_key: str) -> None:
    """Raise SnapshotError unless the manifest is signed under that public key (32 bytes in hexadecimal)."""
    revision = parse_manifest(manifest).revision
    value = json.loads(manifest)
    if not value.get("signature"):
        raise SnapshotError(f"verify revision {revision}: it has no signature")
    if not is_signed(value, _CONTEXT, public_key):
        raise SnapshotError(f"verify revision {revision}: its signature is not valid for {public_key[:16]}…")


def signed_json(value: Mapping[str, object], context: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return a JSON object with its signature, as one line. `context` is a prefix of the signed data alone."""
    return _canonical({**value, "signature": key.sign(_signed(value, context)).hex()})


def is_signed(value: Mapping[str, object], context: bytes, public_key: str) -> bool:
    """Return whether the signature of a JSON object is valid for that public key (32 bytes in hexadecimal)."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(str(value.get("signature", ""))), _signed(value, context))
    except (InvalidSignature, ValueError):
        return False
    return True


def _signed(value: Mapping[str, object], context: bytes) -> bytes:
    """Return the signed data of an object: all keys, also those of later versions, with an empty signature."""
    return context + _canonical({**value, "signature": ""})


def _canonical(value: Mapping[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"
