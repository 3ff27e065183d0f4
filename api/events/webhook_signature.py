"""Signatures of webhooks, as the Standard Webhooks specification (version 1) defines them.

A receiver checks that `webhook-signature` contains `v1,` and the base64 of the HMAC-SHA256 of
`webhook-id.webhook-timestamp.body`, keyed with the bytes of its secret.
"""

import hashlib
import hmac
from base64 import b64encode

SECRET_PREFIX = "whsec_"


def secret_bytes(token_key: bytes, nonce: str) -> bytes:
    """Return the secret of the webhook with this nonce: 32 bytes that only a holder of the token key can make."""
    return hmac.digest(token_key, f"webhook {nonce}".encode(), hashlib.sha256)


def secret_text(secret: bytes) -> str:
    """Return the secret as its receiver writes it down."""
    return SECRET_PREFIX + b64encode(secret).decode()


def signed_headers(secret: bytes, identity: str, timestamp_s: int, body: bytes) -> dict[str, str]:
    """Return the headers that identify and sign a message sent at `timestamp_s`."""
    content = f"{identity}.{timestamp_s}.".encode() + body
    signature = b64encode(hmac.digest(secret, content, hashlib.sha256)).decode()
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": f"v1,{signature}",
    }
