"""The key that signs checkpoints."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from api.audit.signing_key import load_signing_key, make_signing_key
from api.chain.checkpoint import public_text
from tests.support.audit_records import KEY

FOREIGN = generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
LOCKED = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret"))
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    path, another = tmp_path / "checkpoint-key", tmp_path / "another"
    with pytest.raises(FileNotFoundError):
        load_signing_key(path)
    for file in (path, another):
        make_signing_key(file)
    assert path.stat().st_mode & 0o777 == 0o600
    made = public_text(load_signing_key(path))
    with pytest.raises(FileExistsError):
        make_signing_key(path)
    assert public_text(load_signing_key(path)) == made != public_text(load_signing_key(another))


def test_key_made_elsewhere_is_accepted(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint-key"
    path.touch(0o600)
    path.write_bytes(KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert public_text(load_signing_key(path)) == public_text(KEY)


@pytest.mark.parametrize(
    "content", [b"", b"\xff", FOREIGN, LOCKED, PUBLIC], ids=["", "bytes", "EC", "locked", "public"]
)
def test_invalid_key_file_is_neither_used_nor_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "checkpoint-key"
    path.touch(0o600)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="checkpoint-key does not hold"):
        load_signing_key(path)
    assert path.read_bytes() == content


def test_key_is_not_made_without_its_directory(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        make_signing_key(tmp_path / "none" / "checkpoint-key")


@pytest.mark.parametrize(("mode", "what"), [(0o660, "written"), (0o644, "read")])
def test_key_that_others_can_read_or_write_is_not_used(tmp_path: Path, mode: int, what: str) -> None:
    path = tmp_path / "checkpoint-key"
    make_signing_key(path)
    path.chmod(mode)
    with pytest.raises(ValueError, match=f"checkpoint-key can be {what} by others"):
        load_signing_key(path)
