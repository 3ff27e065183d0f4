"""Snapshots signed by their control plane: Ed25519 (RFC 8032) over the manifest, which has every file's digest."""

import json

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
    value = json.loads(manifest)
    value["signature"] = key.sign(_signed(value)).hex()
    return _canonical(value)


def verify_manifest(manifest: bytes, public_key: str) -> None:
    """Raise SnapshotError unless the manifest is signed under that public key (32 bytes in hexadecimal)."""
    revision = parse_manifest(manifest).revision
    value = json.loads(manifest)
    if not value.get("signature"):
        raise SnapshotError(f"verify revision {revision}: it has no signature")
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(public_key))
        key.verify(bytes.fromhex(value["signature"]), _signed(value))
    except (InvalidSignature, ValueError) as error:
        raise SnapshotError(f"verify revision {revision}: its signature is not valid for {public_key[:16]}…") from error


def _signed(value: dict[str, object]) -> bytes:
    """Return the signed data of a manifest: all keys, also those of later versions, with an empty signature."""
    return _CONTEXT + _canonical({**value, "signature": ""})


def _canonical(value: dict[str, object]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode() + b"\n"
