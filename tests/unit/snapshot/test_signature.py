"""Signed manifests cannot be altered, and are valid under one key only."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.chain.checkpoint import public_text
from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Policy
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.manifest import parse_manifest
from dnsfilter.snapshot.signature import sign_manifest, verify_manifest

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = public_text(KEY)
MANIFEST = compile_policy(Policy(7), 1_800_000_000).manifest
GOLDEN_MANIFEST = (
    b'{"epoch":0,"format":1,"made_s":1800000000,"names":{"sha256":"%s","size":576},"ranges":{"sha256":"%s","size":384},'
    b'"revision":7,"rules":{"sha256":"%s","size":384},"signature":""}\n' % (32 * b"a1", 32 * b"b2", 32 * b"c3")
)
GOLDEN_SIGNATURE = (
    b"02ab7450a4382242b7da6d7452c307337f37cb95f1034e5804b30f1a82286afc"
    b"aeb0c3bec6f1b023c2f201df81e45bed3f1c049131ef1c2b7bc8c9ce65c8330f"
)
"""Ed25519 with `KEY` over `dnsfilter snapshot 1`, a zero byte and `GOLDEN_MANIFEST`, computed without this project.

Nodes in use verify exactly this. If it has to change, the format's version changes with it.
"""


def test_signature_of_a_known_manifest_never_changes() -> None:
    signed = sign_manifest(GOLDEN_MANIFEST, KEY)
    assert signed == GOLDEN_MANIFEST.replace(b'"signature":""', b'"signature":"%s"' % GOLDEN_SIGNATURE)
    verify_manifest(signed, PUBLIC)


@pytest.mark.parametrize("context", [b"", b"dnsfilter snapshot 2\0", b"dnsfilter checkpoint 1\0"])
def test_signature_of_the_same_manifest_in_another_context_is_not_valid(context: bytes) -> None:
    signature = KEY.sign(context + GOLDEN_MANIFEST).hex().encode()
    with pytest.raises(SnapshotError, match="its signature is not valid"):
        verify_manifest(GOLDEN_MANIFEST.replace(b'"signature":""', b'"signature":"%s"' % signature), PUBLIC)


def test_signed_manifest_differs_only_in_its_signature_and_is_valid() -> None:
    signed = sign_manifest(MANIFEST, KEY)
    assert signed != MANIFEST
    assert signed == sign_manifest(MANIFEST, KEY) == sign_manifest(signed, KEY)
    was, became = json.loads(MANIFEST), json.loads(signed)
    assert len(became["signature"]) == 128
    assert {**became, "signature": ""} == was
    verify_manifest(signed, PUBLIC)
    assert parse_manifest(signed).signature == became["signature"]


def test_signature_covers_unknown_keys_of_a_later_version() -> None:
    later = json.dumps({**json.loads(MANIFEST), "site": "depot"}).encode()
    signed = sign_manifest(later, KEY)
    verify_manifest(signed, PUBLIC)
    with pytest.raises(SnapshotError, match="signature"):
        verify_manifest(signed.replace(b"depot", b"attic"), PUBLIC)


@pytest.mark.parametrize("field", ["revision", "made_s"])
def test_an_altered_field_is_found(field: str) -> None:
    value = json.loads(sign_manifest(MANIFEST, KEY))
    value[field] += 1
    with pytest.raises(SnapshotError, match="verify revision"):
        verify_manifest(json.dumps(value).encode(), PUBLIC)


def test_an_unsigned_manifest_and_one_under_another_key_are_named() -> None:
    with pytest.raises(SnapshotError, match="revision 7: it has no signature"):
        verify_manifest(MANIFEST, PUBLIC)
    other = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
    with pytest.raises(SnapshotError, match=PUBLIC[:16]):
        verify_manifest(sign_manifest(MANIFEST, other), PUBLIC)


@pytest.mark.parametrize("signature", ["zz", "00", "é" * 64, "0" * 128])
def test_malformed_signature_raises_snapshot_error(signature: str) -> None:
    value = {**json.loads(MANIFEST), "signature": signature}
    with pytest.raises(SnapshotError, match="signature"):
        verify_manifest(json.dumps(value).encode(), PUBLIC)


def test_invalid_manifest_is_not_signed() -> None:
    with pytest.raises(SnapshotError, match="manifest"):
        sign_manifest(b"{}", KEY)
