"""Encrypt to public keys, and decrypt, in the format of age (age-encryption.org/v1), with pyrage.

Both work in pieces: a backup of any size takes the same memory.
"""

from collections.abc import Iterable, Sequence
from typing import IO, Protocol

import pyrage

MAGIC = b"age-encryption.org/v1\n"
MAX_IDENTITIES = 64 * 1024
"""The most bytes of a file of secret keys."""


class Writable(Protocol):
    """A file to write to."""

    def write(self, data: bytes, /) -> int:
        """Write all of the data."""

    def flush(self) -> None:
        """Write buffered data."""


class NotDecrypted(Exception):
    """None of the keys can decrypt the file, or it is damaged."""


def parse_recipients(texts: Iterable[str]) -> Sequence[pyrage.x25519.Recipient]:
    """Parse public keys "age1…". Raise ValueError that names the invalid one."""
    return [_recipient(text) for text in texts]


def parse_identities(text: str) -> Sequence[pyrage.x25519.Identity]:
    """Parse a file of secret keys as age-keygen writes it. Raise ValueError, which does not repeat keys."""
    lines = (line.strip() for line in text.splitlines())
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError as error:
        raise ValueError("a line is not an age secret key (AGE-SECRET-KEY-1…)") from error
    if not found:
        raise ValueError("it holds no age secret key (AGE-SECRET-KEY-1…)")
    return found


def encrypt(pieces: Iterable[bytes], target: Writable, recipients: Sequence[pyrage.x25519.Recipient]) -> None:
    """Write pieces so that only the recipients can read them. Raise errors of the iterable and of writing."""
    source, sink = _Source(pieces), _WritableFile(target)
    try:
        pyrage.encrypt_io(source, sink, recipients)
    except pyrage.EncryptError:
        raise_first(source.error, sink.error)
        raise


def decrypt(source: IO[bytes], target: Writable, identities: Sequence[pyrage.x25519.Identity]) -> None:
    """Write the decrypted content. Raise NotDecrypted and errors of writing. Discard the target after an error."""
    sink = _WritableFile(target)
    try:
        pyrage.decrypt_io(source, sink, identities)
    except (pyrage.DecryptError, OSError) as error:
        raise_first(sink.error)
        wrong = isinstance(error, pyrage.DecryptError) and "key" in str(error).lower()
        reason = "it was not encrypted to any of these keys" if wrong else "it is damaged or truncated"
        raise NotDecrypted(reason) from error


def raise_first(*errors: Exception | None) -> None:
    """Raise the first error that is not None. The library hides it in an error of its own."""
    for error in errors:
        if error is not None:
            raise error


def _recipient(text: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise ValueError(
            f"{text!r} is not an age public key: write for example age1…, as age-keygen prints it"
        ) from error


class _Source:
    """An iterable of pieces as a readable file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = memoryview(b"")
        self.error: Exception | None = None

    def read(self, size: int) -> bytes:
        try:
            while not self._rest:
                self._rest = memoryview(next(self._pieces))
        except StopIteration:
            return b""
        except Exception as error:
            self.error = error
            raise
        taken, self._rest = self._rest[:size], self._rest[size:]
        return bytes(taken)


class _WritableFile:
    """A writable file that remembers its error."""

    def __init__(self, file: Writable) -> None:
        self._file = file
        self.error: Exception | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except Exception as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()
