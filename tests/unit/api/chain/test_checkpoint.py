"""Checkpoints as lines: valid and invalid ones."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.chain.checkpoint import MAX_BYTES, parse_checkpoint, parse_public, public_text
from tests.support.audit_records import KEY, held, record

CHECKPOINT = held(record(3), 3)[0]
PEM = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
FOREIGN = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_checkpoint_is_one_line_that_is_read_back() -> None:
    fields = json.loads(CHECKPOINT.line)
    assert list(fields) == ["checkpoint", "hash", "installation", "key", "seq", "signature", "time"]
    assert (fields["checkpoint"], fields["seq"], fields["key"]) == (1, 3, public_text(KEY))
    assert "\n" not in CHECKPOINT.line
    assert parse_checkpoint(CHECKPOINT.line.encode() + b"\r\n") == CHECKPOINT
    assert CHECKPOINT.genuine


def test_the_signature_is_ed25519_as_in_rfc_8032() -> None:
    # Ed25519 has no randomness: the same statement and key always give the same signature.
    assert CHECKPOINT.signature == held(record(3), 3)[0].signature
    rest = {name: value for name, value in json.loads(CHECKPOINT.line).items() if name != "signature"}
    signed = json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()
    KEY.public_key().verify(bytes.fromhex(CHECKPOINT.signature), signed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("checkpoint", 2),
        ("installation", "f" * 32),
        ("seq", 2),
        ("hash", "0" * 64),
        ("time", "2026-03-02T10:00:04Z"),
        ("key", "0" * 64),
        ("signature", "0" * 128),
    ],
)
def test_changing_any_field_invalidates_the_signature(field: str, value: object) -> None:
    line = json.dumps({**json.loads(CHECKPOINT.line), field: value}, separators=(",", ":"))
    assert not parse_checkpoint(line.encode()).genuine


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\xff",
        b'{"seq":1}',
        b'{"checkpoint":1}',
        b'{"checkpoint":1',
        b'{"checkpoint":' + b"[" * 2000,
        CHECKPOINT.line.replace('"seq":3', '"seq":true').encode(),
        CHECKPOINT.line.replace('"seq":3', '"seq":0').encode(),
        CHECKPOINT.line.replace('"seq":3', f'"seq":{2**63}').encode(),
        CHECKPOINT.line.replace('"signature":"', '"signature":"0').encode(),
        CHECKPOINT.line.encode() + b" " * MAX_BYTES,
    ],
)
def test_invalid_checkpoint_lines_are_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a checkpoint"):
        parse_checkpoint(line)


@pytest.mark.parametrize("text", [public_text(KEY).encode(), public_text(KEY).encode() + b"\n", PEM])
def test_a_public_key_is_hexadecimal_or_pem(text: bytes) -> None:
    assert parse_public(text) == public_text(KEY)


@pytest.mark.parametrize("text", [b"", b"\xff", public_text(KEY)[1:].encode(), FOREIGN, PEM[:60]])
def test_another_key_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="public key"):
        parse_public(text)
