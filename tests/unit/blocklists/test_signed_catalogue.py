"""Signed catalogues: the same bytes each time, and a reason for each file that is refused."""

import json
from datetime import date
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.chain.checkpoint import public_text
from blocklists.catalogue import load_catalogue, read_files
from blocklists.catalogue_release import Release, load_release
from blocklists.signed_catalogue import MAX_BYTES, Refusal, RefusedCatalogue, open_catalogue, sign_catalogue
from dnsfilter.errors import ConfigError
from dnsfilter.snapshot.signature import signed_json
from tests.unit.blocklists.test_catalogue_files import GOOD

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([first]) * 32) for first in (1, 2))
SIGN, SIGN_OTHER = partial(signed_json, key=KEY), partial(signed_json, key=OTHER)
PUBLIC = public_text(KEY)
RELEASE = Release(7, date(2026, 12, 20), "")
SIGNED = sign_catalogue({"sample.toml": GOOD}, RELEASE, PUBLIC, SIGN)


def test_signed_catalogue_is_opened_with_its_number_and_date() -> None:
    opened = open_catalogue(SIGNED, PUBLIC, 6)
    assert (opened.number, opened.made, [entry.slug for entry in opened.entries]) == (7, date(2026, 12, 20), ["sample"])


def test_packaged_catalogue_is_the_same_after_signing_and_opening_and_gives_equal_bytes() -> None:
    texts = read_files()
    signed = sign_catalogue(texts, load_release(), PUBLIC, SIGN)
    assert signed == sign_catalogue(
        {name: texts[name] for name in sorted(texts, reverse=True)}, load_release(), PUBLIC, SIGN
    )
    assert len(signed) * 10 < MAX_BYTES
    assert open_catalogue(signed, PUBLIC, 0) == load_catalogue()


def changed(**fields: object) -> bytes:
    """Return the file with other fields and its old signature."""
    return json.dumps({**json.loads(SIGNED), **fields}).encode()


def signed_again(**fields: object) -> bytes:
    """Return a file with other fields and a valid signature."""
    value = {**json.loads(SIGNED), **fields}
    return signed_json(value, b"dnsfilter catalogue 1\0", KEY)


@pytest.mark.parametrize(
    ("data", "reason", "text"),
    [
        (b"x" * (MAX_BYTES + 1), Refusal.TOO_LARGE, f"has {MAX_BYTES + 1} bytes, at most {MAX_BYTES}"),
        (b"", Refusal.DAMAGED, "not JSON"),
        (SIGNED[:-20], Refusal.DAMAGED, "not JSON"),
        (b"<!doctype html>", Refusal.DAMAGED, "not JSON"),
        (b"\xff\xfe", Refusal.DAMAGED, "not JSON"),
        (b"[" * 100_000, Refusal.DAMAGED, "not JSON"),
        (b"[]", Refusal.DAMAGED, "no signed catalogue of format 1"),
        (signed_again(format=2), Refusal.DAMAGED, "no signed catalogue of format 1"),
        (changed(key="ab" * 32), Refusal.OTHER_KEY, f"the key {'ab' * 8}…, and this installation trusts {PUBLIC[:16]}"),
        (
            sign_catalogue({"sample.toml": GOOD}, RELEASE, public_text(OTHER), SIGN_OTHER),
            Refusal.OTHER_KEY,
            "change the setting catalogue_key",
        ),
        (
            sign_catalogue({"sample.toml": GOOD}, RELEASE, PUBLIC, SIGN_OTHER),
            Refusal.SIGNATURE,
            "somebody changed the file",
        ),
        (changed(number=8), Refusal.SIGNATURE, "is not valid"),
        (changed(signature=""), Refusal.SIGNATURE, "is not valid"),
        (changed(signature="zz"), Refusal.SIGNATURE, "is not valid"),
        (changed(signature=None), Refusal.SIGNATURE, "is not valid"),
        (changed(files={"sample.toml": GOOD + "\n"}), Refusal.SIGNATURE, "is not valid"),
        (signed_json(json.loads(SIGNED), b"dnsfilter snapshot 1\0", KEY), Refusal.SIGNATURE, "is not valid"),
        (signed_again(number="8"), Refusal.DAMAGED, "lacks a number"),
        (signed_again(files={"sample.toml": 1}), Refusal.DAMAGED, "lacks a number, or the texts"),
        (signed_again(date="1 December"), Refusal.DAMAGED, "'1 December' is none such as"),
        (signed_again(files={"other.toml": GOOD}), Refusal.DAMAGED, "1 problems in its services: other.toml:slug"),
        (
            signed_again(number=6),
            Refusal.NOT_NEWER,
            "is catalogue 6 of 2026-12-20, and this installation already has 6",
        ),
        (signed_again(number=5), Refusal.NOT_NEWER, "Get a newer one"),
    ],
)
def test_unusable_file_is_refused_with_its_reason(data: bytes, reason: Refusal, text: str) -> None:
    with pytest.raises(RefusedCatalogue) as error:
        open_catalogue(data, PUBLIC, 6)
    assert error.value.reason is reason
    assert text in str(error.value)


def test_without_a_trusted_key_every_file_is_refused() -> None:
    with pytest.raises(RefusedCatalogue) as error:
        open_catalogue(SIGNED, "", 0)
    assert error.value.reason is Refusal.NO_KEY


def test_catalogue_with_problems_is_not_signed() -> None:
    with pytest.raises(ConfigError):
        sign_catalogue({"other.toml": GOOD}, RELEASE, PUBLIC, SIGN)


def test_no_bytes_raise_another_error() -> None:
    for at in range(0, len(SIGNED), 7):
        with pytest.raises(RefusedCatalogue):
            open_catalogue(SIGNED[:at] + b"\0" + SIGNED[at + 1 :], PUBLIC, 6)
