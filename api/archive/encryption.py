"""Encryption to public keys in the format of age (age-encryption.org/v1): the only door to pyrage.

In pieces, both ways: a backup of any size takes the same memory.
"""

from collections.abc import Iterable, Sequence
from typing import IO, Protocol

import pyrage

MAGIC = b"age-encryption.org/v1\n"
MAX_IDENTITIES = 64 * 1024
"""Octets of a file of secret keys."""


class Writable(Protocol):
    """A file that is written to."""

    def write(self, data: bytes, /) -> int:
        """Write all of it."""

    def flush(self) -> None:
        """Hold nothing back."""


class NotDecrypted(Exception):
    """A file that none of the keys opens, or that is not as it was written."""


def parse_recipients(texts: Iterable[str]) -> Sequence[pyrage.x25519.Recipient]:
    """Public keys "age1…"; raises ValueError naming the one that is none."""
    return [_recipient(text) for text in texts]


def parse_identities(text: str) -> Sequence[pyrage.x25519.Identity]:
    """The secret keys in a file as age-keygen writes it; raises ValueError, which repeats none."""
    lines = (line.strip() for line in text.splitlines())
    try:
        found = [pyrage.x25519.Identity.from_str(line) for line in lines if line and not line.startswith("#")]
    except pyrage.IdentityError as error:
        raise ValueError("a line of it is no secret key of age (AGE-SECRET-KEY-1…)") from error
    if not found:
        raise ValueError("it holds no secret key of age (AGE-SECRET-KEY-1…)")
    return found


def encrypt(pieces: Iterable[bytes], target: Writable, recipients: Sequence[pyrage.x25519.Recipient]) -> None:
    """Write pieces so that only the recipients can read them; raises what giving the pieces or writing raises."""
    source, sink = _Source(pieces), _Sink(target)
    try:
        pyrage.encrypt_io(source, sink, recipients)
    except pyrage.EncryptError:
        raise_first(source.error, sink.error)
        raise


def decrypt(source: IO[bytes], target: Writable, identities: Sequence[pyrage.x25519.Identity]) -> None:
    """Write what was encrypted.

    Raises NotDecrypted, and what writing raises; what has been written then counts for nothing.
    """
    sink = _Sink(target)
    try:
        pyrage.decrypt_io(source, sink, identities)
    except (pyrage.DecryptError, OSError) as error:
        raise_first(sink.error)
        wrong = isinstance(error, pyrage.DecryptError) and "key" in str(error).lower()
        reason = "it was encrypted to none of these keys" if wrong else "it is damaged, or breaks off"
        raise NotDecrypted(reason) from error


def raise_first(*errors: Exception | None) -> None:
    """Raise the first of these that is one: the library wraps it into a text of its own."""
    for error in errors:
        if error is not None:
            raise error


def _recipient(text: str) -> pyrage.x25519.Recipient:
    try:
        return pyrage.x25519.Recipient.from_str(text)
    except pyrage.RecipientError as error:
        raise ValueError(
            f"{text!r} is no public key of age: write for example age1…, as age-keygen prints it"
        ) from error


class _Source:
    """Pieces as a file that is read."""

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


class _Sink:
    """A file that is written to, and remembers what stood against it."""

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
