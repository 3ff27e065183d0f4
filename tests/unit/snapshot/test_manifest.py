"""The manifest: canonical, limited in size, and rejected if any value is invalid."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.errors import SnapshotError
from dnsfilter.snapshot.manifest import FileRef, Manifest, parse_manifest, write_manifest

DIGEST = bytes(range(32))
MANIFEST = Manifest(17, 1_774_656_000, FileRef(DIGEST, 1), FileRef(DIGEST, 2), FileRef(DIGEST, 3))
VALUE: dict[str, Any] = json.loads(write_manifest(MANIFEST))


def test_is_canonical_json() -> None:
    part = '{"sha256":"' + DIGEST.hex() + '","size":%d}'
    expected = (
        f'{{"epoch":0,"format":1,"made_s":1774656000,"names":{part % 1},"ranges":{part % 2},"revision":17,'
        f'"rules":{part % 3},"signature":""}}\n'
    )
    assert write_manifest(MANIFEST) == expected.encode()


def test_reads_what_it_writes_and_skips_unknown_keys() -> None:
    assert parse_manifest(write_manifest(MANIFEST)) == MANIFEST
    assert parse_manifest(json.dumps(VALUE | {"later": [1]}).encode()) == MANIFEST
    restored = replace(MANIFEST, epoch=1_774_656_123)
    assert parse_manifest(write_manifest(restored)) == restored


@pytest.mark.parametrize(
    "change",
    [
        {"format": 2},
        {"format": "1"},
        {"revision": -1},
        {"revision": 2**63},
        {"revision": True},
        {"revision": 1.0},
        {"epoch": -1},
        {"epoch": None},
        {"epoch": "1"},
        {"made_s": None},
        {"names": None},
        {"names": {"sha256": DIGEST.hex()}},
        {"rules": {"sha256": DIGEST.hex(), "size": "3"}},
        {"ranges": {"sha256": "é" * 64, "size": 3}},
        {"ranges": {"sha256": DIGEST.hex()[:-1], "size": 3}},
        {"signature": 1},
    ],
)
def test_a_wrong_value_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SnapshotError, match="read manifest"):
        parse_manifest(json.dumps(VALUE | change).encode())


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"null", b"{", b"\xff\xfe", b"[" * 4096, b"1" * 4096, b" " * 5000, b'{"format":' + b"9" * 4000 + b"}"],
)
def test_invalid_manifest_is_rejected(data: bytes) -> None:
    with pytest.raises(SnapshotError, match="read manifest"):
        parse_manifest(data)


@given(st.data())
def test_flipped_byte_is_rejected_or_gives_another_manifest(data: st.DataObject) -> None:
    content = bytearray(write_manifest(MANIFEST))
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    try:
        parsed = parse_manifest(bytes(content))
    except SnapshotError:
        return
    assert isinstance(parsed, Manifest)
