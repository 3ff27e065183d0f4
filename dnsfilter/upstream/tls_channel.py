"""TLS of one connection to an upstream, without I/O: the certificate or a pin is checked before anything is sent.

It lies between bytes of the network and plain bytes, on Python's `ssl` with buffers in memory.
"""

import base64
import hashlib
import ssl
from contextlib import suppress
from typing import Final

from dnsfilter.config.node_config import Tls
from dnsfilter.errors import UnavailableError

HTTP2: Final = "h2"
_READ_BYTES: Final = 65_536
_EXPIRED, _NOT_YET_VALID, _OTHER_NAME = 10, 9, (62, 64)
"""Numbers of OpenSSL: X509_V_ERR_CERT_HAS_EXPIRED and others."""


class TlsError(UnavailableError):
    """No TLS connection, or one to somebody else. The message says what is wrong with it."""


class TlsContexts:
    """The settings of all connections: `ca` has certificate authorities in PEM form, None means the machine's."""

    def __init__(self, ca: str | None) -> None:
        self._ca = ca
        self._made: dict[tuple[bool, bool], ssl.SSLContext] = {}

    def open(self, tls: Tls, session: ssl.SSLSession | None) -> "TlsChannel":
        """Return a new channel to a server, which resumes the session if there is one."""
        kind = (bool(tls.pins), tls.path is not None)
        if kind not in self._made:
            self._made[kind] = self._make(*kind)
        return TlsChannel(self._made[kind], tls, session)

    def _make(self, pinned: bool, https: bool) -> ssl.SSLContext:
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if pinned else ssl.create_default_context(cadata=self._ca)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        if pinned:
            made.check_hostname = False
            made.verify_mode = ssl.CERT_NONE  # `_check_pin` does it
        if https:
            made.set_alpn_protocols([HTTP2])
        return made


class TlsChannel:
    """One connection's TLS. Call `start`, then `receive` with each piece; send what `outgoing` returns after each call.

    `is_open` says whether the handshake is done and the server is the right one, `is_closed` whether it sends no more.
    """

    def __init__(self, context: ssl.SSLContext, tls: Tls, session: ssl.SSLSession | None) -> None:
        self._tls = tls
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = tls.name or None
        self._object = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name, session=session)
        self.is_open = self.is_closed = False

    @property
    def session(self) -> ssl.SSLSession | None:
        """The session to resume on the next connection; None before the server has sent its ticket."""
        return self._object.session

    @property
    def is_resumed(self) -> bool:
        """Whether the handshake resumed an earlier session."""
        return bool(self._object.session_reused)

    def start(self) -> None:
        """Begin the handshake."""
        self._shake_hands()

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the network, and return the plain bytes so far. Raise TlsError if the connection must end."""
        self._incoming.write(data)
        if not self.is_open:
            self._shake_hands()
        return self._read() if self.is_open else b""

    def send(self, data: bytes) -> None:
        """Encrypt plain bytes. The channel must be open."""
        self._object.write(data)

    def outgoing(self) -> bytes:
        """Return the bytes to send."""
        return self._outgoing.read()

    def _shake_hands(self) -> None:
        try:
            self._object.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            raise TlsError(self._fault(error)) from error
        self._check_pin()
        if self._tls.path is not None and self._object.selected_alpn_protocol() != HTTP2:
            raise TlsError("the server does not offer HTTP/2")
        self.is_open = True

    def _read(self) -> bytes:
        read = bytearray()
        try:
            with suppress(ssl.SSLWantReadError):
                while piece := self._object.read(_READ_BYTES):
                    read += piece
                self.is_closed = True
        except ssl.SSLError as error:
            raise TlsError(self._fault(error)) from error
        return bytes(read)

    def _check_pin(self) -> None:
        """Raise TlsError if there are pins, and the server's key has none of them."""
        if not self._tls.pins:
            return
        certificate = self._object.getpeercert(binary_form=True)
        pin = None if certificate is None else pin_of(certificate)
        if pin not in self._tls.pins:
            raise TlsError(f"the server's key has the pin {pin}, which is none of those in the configuration")

    def _fault(self, error: ssl.SSLError) -> str:
        if not isinstance(error, ssl.SSLCertVerificationError):
            return f"no TLS connection: {(error.reason or str(error)).lower().replace('_', ' ')}"
        if error.verify_code == _EXPIRED:
            return "the certificate has expired"
        if error.verify_code == _NOT_YET_VALID:
            return "the certificate is not valid yet: is the clock right?"
        if error.verify_code in _OTHER_NAME:
            return f"the certificate is for another name than {self._tls.name}"
        return f"the certificate is not by a known authority: {error.verify_message}"


def pin_of(certificate: bytes) -> str:
    """Return the pin of a certificate in DER form: the SHA-256 of its SubjectPublicKeyInfo, in base64 (RFC 7858).

    OpenSSL has parsed the certificate before, so its structure is that of RFC 5280 section 4.1.
    """
    at, _ = _content(certificate, 0)
    at, _ = _content(certificate, at)
    if certificate[at] == 0xA0:  # the version
        at = _end(certificate, at)
    for _ in range(5):  # serial number, signature, issuer, validity, subject
        at = _end(certificate, at)
    key = certificate[at : _end(certificate, at)]
    return base64.b64encode(hashlib.sha256(key).digest()).decode()


def _content(der: bytes, at: int) -> tuple[int, int]:
    """Return where the content of an element begins and ends (X.690 section 8.1)."""
    length, at = der[at + 1], at + 2
    if length >= 0x80:
        size = length & 0x7F
        length, at = int.from_bytes(der[at : at + size], "big"), at + size
    return at, at + length


def _end(der: bytes, at: int) -> int:
    return _content(der, at)[1]
