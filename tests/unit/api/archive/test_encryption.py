"""Encryption to public keys. Each secret key decrypts the complete content, or fails."""

import io
from collections.abc import Iterator
from random import Random

import pytest
from pyrage.x25519 import Identity

from api.archive.encryption import MAGIC, NotDecrypted, decrypt, encrypt, parse_identities, parse_recipients

CONTENT = Random(3).randbytes(300_000)


def pieces() -> Iterator[bytes]:
    yield b""
    for at in range(0, len(CONTENT), 7_000):
        yield CONTENT[at : at + 7_000]


def sealed(*identities: Identity) -> bytes:
    target = io.BytesIO()
    encrypt(pieces(), target, parse_recipients(str(identity.to_public()) for identity in identities))
    return target.getvalue()


def opened(data: bytes, identity: Identity) -> bytes:
    target = io.BytesIO()
    decrypt(io.BytesIO(data), target, parse_identities(f"# created: today\n\n{identity}\n"))
    return target.getvalue()


def test_each_recipient_can_decrypt() -> None:
    first, second = Identity.generate(), Identity.generate()
    data = sealed(first, second)
    assert data.startswith(MAGIC)
    assert CONTENT[:64] not in data
    assert opened(data, first) == opened(data, second) == CONTENT


def test_another_key_cannot_decrypt() -> None:
    with pytest.raises(NotDecrypted, match="it was not encrypted to any of these keys"):
        opened(sealed(Identity.generate()), Identity.generate())


@pytest.mark.parametrize("at", [30, 250, 70_000, -1])
def test_changed_or_truncated_files_are_not_decrypted(at: int) -> None:
    identity = Identity.generate()
    data = bytearray(sealed(identity))
    with pytest.raises(NotDecrypted):
        opened(bytes(data[:at]), identity)
    data[at] ^= 1
    with pytest.raises(NotDecrypted):
        opened(bytes(data), identity)


@pytest.mark.parametrize("text", ["", "age1", "AGE-SECRET-KEY-1", "ssh-ed25519 AAAA", "age1zz"])
def test_an_invalid_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an age public key"):
        parse_recipients([text])


@pytest.mark.parametrize("text", ["", "# nothing\n", "age1zz", "AGE-SECRET-KEY-1ZZ"])
def test_an_invalid_secret_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match="age secret key") as raised:
        parse_identities(text)
    assert "ZZ" not in str(raised.value)


class Full(io.BytesIO):
    def write(self, data: object, /) -> int:
        raise OSError(28, "no space left")


def test_errors_of_reading_and_writing_are_passed_on() -> None:
    recipients = parse_recipients([str(Identity.generate().to_public())])
    with pytest.raises(OSError, match="no space left"):
        encrypt(pieces(), Full(), recipients)
    identity = Identity.generate()
    with pytest.raises(OSError, match="no space left"):
        decrypt(io.BytesIO(sealed(identity)), Full(), [identity])

    def broken() -> Iterator[bytes]:
        yield CONTENT
        raise KeyError("the line broke")

    with pytest.raises(KeyError, match="the line broke"):
        encrypt(broken(), io.BytesIO(), recipients)
