"""The certificate for DNS over TLS and over HTTPS: read it with its key, check both, and follow their files.

The authorities of devices' certificates, if any, are read, checked and followed with them.
"""

import logging
import os
import ssl
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from dnsfilter.config.node_config import Encrypted
from dnsfilter.errors import ConfigError, Problem
from dnsfilter.server.tls import make_context
from dnsfilter.telemetry import logs
from dnsfilter.worker.sealed import seal

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

LOOK_S = 60.0
"""Seconds between two looks at the files."""
MOST_BYTES = 1 << 20
_LOG = logging.getLogger("dnsfilter.node")
_Mark: TypeAlias = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Authorities:
    """The authorities of devices' certificates as PEM, and when the first of them expires."""

    pem: bytes
    expires_s: int


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with its chain and key as PEM, when the first of them expires, and its host names.

    `client_ca` is None if devices need no certificate.
    """

    pem: bytes
    expires_s: int
    names: tuple[str, ...]
    client_ca: Authorities | None = None

    def covers(self, name: str) -> bool:
        """Return whether the certificate is for this name, also by a wildcard for its first label."""
        return name in self.names or f"*.{name.partition('.')[2]}" in self.names


def load_pair(encrypted: Encrypted) -> Pair | None:
    """Return the pair of the configuration, None if it has no listeners. Raise ConfigError with every problem."""
    if not encrypted.endpoints or encrypted.certificate is None or encrypted.key is None:
        return None
    problems: list[Problem] = []
    chain = _read(encrypted.certificate, "encrypted.certificate", problems)
    key = _read(encrypted.key, "encrypted.key", problems)
    pair = None if problems else _parse(chain, key, encrypted, problems)
    client_ca = None if encrypted.client_ca is None else _authorities(encrypted.client_ca, problems)
    if pair is None or problems:
        raise ConfigError(tuple(problems))
    return replace(pair, client_ca=client_ca)


def _files(encrypted: Encrypted) -> Iterator[Path]:
    yield from (path for path in (encrypted.certificate, encrypted.key, encrypted.client_ca) if path is not None)


def _read(path: Path, location: str, problems: list[Problem]) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # to open a FIFO would wait for its writer
            problems.append(Problem(location, f"{path} is no regular file: give a PEM file"))
            return b""
        with path.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
    except OSError as error:
        advice = "the node's user must be able to read it" if isinstance(error, PermissionError) else "check the path"
        problems.append(Problem(location, f"{path} cannot be read: {(error.strerror or '').lower()}; {advice}"))
        return b""
    if len(text) > MOST_BYTES:
        problems.append(Problem(location, f"{path} has more than {MOST_BYTES} bytes: give a PEM file"))
    return text


def _parse(chain: bytes, key: bytes, encrypted: Encrypted, problems: list[Problem]) -> Pair | None:
    """Return the pair, and add what is wrong with it to `problems`."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
    )
    from cryptography.x509 import load_pem_x509_certificates

    certificates, private = [], None
    try:
        certificates = load_pem_x509_certificates(chain)
    except ValueError:
        problems.append(Problem("encrypted.certificate", f"{encrypted.certificate} holds no certificate in PEM"))
    try:
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        message = f"{encrypted.key} holds no key in PEM without a password"
        problems.append(Problem("encrypted.key", message))
    if not certificates or private is None:
        return None
    if certificates[0].public_key() != private.public_key():
        message = f"the key in {encrypted.key} does not belong to the first certificate in {encrypted.certificate}"
        problems.append(Problem("encrypted.key", message))
        return None
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in certificates)
    pem += private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    if (reason := _why_unusable(pem)) is not None:
        message = f"{encrypted.certificate} and {encrypted.key} cannot be used for TLS: {reason}"
        problems.append(Problem("encrypted.certificate", message))
    return Pair(pem, _first_end(certificates), _names(certificates[0]))


def _first_end(certificates: "Iterable[Certificate]") -> int:
    return int(min(each.not_valid_after_utc for each in certificates).timestamp())


def _authorities(path: Path, problems: list[Problem]) -> Authorities | None:
    """Return the authorities in a file, and add what is wrong with them to `problems`."""
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509 import load_pem_x509_certificates

    location, before = "encrypted.client_ca", len(problems)
    text = _read(path, location, problems)
    if len(problems) > before:
        return None
    try:
        certificates = load_pem_x509_certificates(text)
    except ValueError:
        problems.append(Problem(location, f"{path} holds no certificate in PEM"))
        return None
    for number, certificate in enumerate(certificates, 1):
        if not _is_authority(certificate):
            message = f"certificate {number} in {path} is no CA's: give only the CA that signs devices' certificates"
            problems.append(Problem(location, message))
    return Authorities(b"".join(each.public_bytes(Encoding.PEM) for each in certificates), _first_end(certificates))


def _is_authority(certificate: "Certificate") -> bool:
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    try:
        return certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except (ExtensionNotFound, ValueError):
        return False


def _names(certificate: "Certificate") -> tuple[str, ...]:
    from cryptography.x509 import DNSName, ExtensionNotFound, SubjectAlternativeName

    try:
        found = certificate.extensions.get_extension_for_class(SubjectAlternativeName)
    except (ExtensionNotFound, ValueError):
        return ()
    return tuple(name.lower() for name in found.value.get_values_for_type(DNSName))


def _why_unusable(pem: bytes) -> str | None:
    """Return why OpenSSL does not take the pair, None if it does."""
    descriptor = seal("dnsfilter-certificate", pem)
    try:
        make_context(descriptor, "dot")
    except ssl.SSLError as error:
        return (error.reason or str(error)).lower().replace("_", " ")
    finally:
        os.close(descriptor)
    return None


class Certificates:
    """The pair that workers use: the last good one of its files. Call `look` often."""

    def __init__(self) -> None:
        self.descriptors: tuple[int, ...] = ()
        """Sealed memory with the pair as PEM, and with the authorities of devices if any. Empty without listeners."""
        self.expires_s: int | None = None
        self.client_ca_expires_s: int | None = None
        self.is_rejected: bool | None = None
        """Whether the files hold a pair that cannot be used. None without listeners."""
        self._encrypted = Encrypted()
        self._marks: tuple[_Mark, ...] = ()
        self._look_at = 0.0

    def look(self, now: float, encrypted: Encrypted) -> bool:
        """Load the pair if its files have changed, as seen every LOOK_S seconds. Return whether there is another."""
        if now < self._look_at and encrypted == self._encrypted:
            return False
        self._look_at = now + LOOK_S
        marks = tuple(_mark(path) for path in _files(encrypted))
        if marks == self._marks and encrypted == self._encrypted:
            return False
        self._marks, self._encrypted = marks, encrypted
        return self._load(encrypted)

    def look_soon(self) -> None:
        """Make the next look go to the files."""
        self._look_at = 0.0

    def close(self) -> None:
        """Forget the pair."""
        for descriptor in self.descriptors:
            os.close(descriptor)
        self.descriptors, self.expires_s, self.client_ca_expires_s, self.is_rejected = (), None, None, None

    def _load(self, encrypted: Encrypted) -> bool:
        try:
            pair = load_pair(encrypted)
        except ConfigError as error:
            self.is_rejected = True
            for problem in error.problems:
                logs.emit(_LOG, logging.ERROR, "new certificate not used, the last good one stays", reason=problem)
            return False
        self.close()
        if pair is None:
            return False
        texts = (pair.pem,) if pair.client_ca is None else (pair.pem, pair.client_ca.pem)
        self.descriptors = tuple(seal("dnsfilter-certificate", text) for text in texts)
        self.expires_s, self.is_rejected = pair.expires_s, False
        self.client_ca_expires_s = None if pair.client_ca is None else pair.client_ca.expires_s
        logs.emit(_LOG, logging.INFO, "certificate in use", path=encrypted.certificate, names=", ".join(pair.names))
        if not pair.covers(encrypted.name):
            logs.emit(_LOG, logging.WARNING, "the certificate is not for the node's name", name=encrypted.name)
        return True


def _mark(path: Path) -> _Mark:
    """Return values that change when a file is written or replaced; None without a file. Follow links."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
