"""TLS of a client's connection, without I/O: bytes of the client go in, its messages and bytes for it come out."""

import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias, cast

PROTOCOLS: Final = {"dot": ("dot",), "doh": ("h2",)}
"""What a server offers by ALPN, by transport."""
MOST_READ: Final = 16_384
"""Bytes of the largest record (RFC 8446 section 5.1)."""
_HANDSHAKE: Final = 22
"""The type of the first record of a client, which is its first byte."""

ServesName: TypeAlias = Callable[[str | None], bool]
"""Whether handshakes for a server name are accepted. None: the client sent no name."""


class Refused(Exception):
    """The client's bytes end the connection. `TlsSession.end` may return an alert for it."""


class _Named(ssl.SSLObject):
    """An SSLObject with the server name of the handshake, in lower case."""

    server_name: str | None = None


def make_context(
    descriptor: int, protocol: str, serves_name: ServesName = lambda _: True, client_ca: int | None = None
) -> ssl.SSLContext:
    """Return the context for connections of `dot` or `doh`. Raise SSLError if the pair in the memory is unusable.

    There are no tickets and no early data: a session is worth less here than forward secrecy, as connections are kept.
    `client_ca` is memory with certificate authorities. Clients are asked for a certificate, and may have none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.num_tickets = 0
    context.set_alpn_protocols(PROTOCOLS[protocol])
    context.sslobject_class = _Named
    # OpenSSL opens the path by itself. Without a password it would ask the terminal for one.
    context.load_cert_chain(f"/proc/self/fd/{descriptor}", password=lambda: b"")
    if client_ca is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # the file alone is trusted, also without a root
        context.load_verify_locations(f"/proc/self/fd/{client_ca}")

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> int | None:
        named = cast(_Named, connection)
        named.server_name = None if name is None else name.lower().removesuffix(".")
        return None if serves_name(named.server_name) else ssl.ALERT_DESCRIPTION_UNRECOGNIZED_NAME

    context.sni_callback = choose
    return context


class Contexts:
    """The contexts of a worker for new handshakes. Open connections keep the certificate that they began with."""

    def __init__(self, serves_name: ServesName) -> None:
        self._serves_name = serves_name
        self._contexts: dict[str, ssl.SSLContext] = {}

    def use(self, descriptor: int, client_ca: int | None = None) -> None:
        """Use the pair in this sealed memory from now on, and the authorities in `client_ca`, if any.

        Raise SSLError if they are unusable.
        """
        self._contexts = {
            protocol: make_context(descriptor, protocol, self._serves_name, client_ca) for protocol in PROTOCOLS
        }

    def session(self, protocol: str) -> "TlsSession | None":
        """Return the TLS of a new connection of `dot` or `doh`. None while there is no certificate."""
        context = self._contexts.get(protocol)
        return None if context is None else TlsSession(context)


class TlsSession:
    """The server's side of one TLS connection."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._object = cast(_Named, context.wrap_bio(self._incoming, self._outgoing, server_side=True))
        self._has_begun = False
        self.is_open = False
        """Whether the handshake is complete."""
        self.is_certified = False
        """Whether the client showed a certificate that a client authority signed. Nothing else of it is kept."""
        self.has_ended = False
        """Whether the client has closed its sending side."""

    @property
    def server_name(self) -> str | None:
        """The name that the client asked for, in lower case; None if it gave none."""
        return self._object.server_name

    @property
    def protocol(self) -> str | None:
        """The protocol that was chosen by ALPN, None if the client offered none of ours."""
        return self._object.selected_alpn_protocol()

    def receive(self, data: bytes) -> bytes:
        """Return what the client has sent with `data`, of its messages. Raise Refused if the connection must end."""
        if self.has_ended:
            return b""
        if not self._has_begun:
            if data[0] != _HANDSHAKE:
                raise Refused  # clear text, which gets no answer at all
            self._has_begun = True
        self._incoming.write(data)
        try:
            if not self.is_open:
                self._object.do_handshake()
                self.is_open = True
                self.is_certified = self._object.getpeercert(binary_form=True) is not None
            return self._read()
        except ssl.SSLWantReadError:
            return b""
        except ssl.SSLError as error:
            raise Refused from error

    def _read(self) -> bytes:
        parts = []
        # A read without bytes would raise SSLWantReadError, which takes longer than these looks.
        while not self.has_ended and (self._incoming.pending or self._object.pending()):
            try:
                parts.append(self._object.read(MOST_READ))
            except ssl.SSLWantReadError:
                break
            self.has_ended = not parts[-1]
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def send(self, data: bytes) -> None:
        """Encrypt bytes for the client. Call it only while `is_open`."""
        sent = self._object.write(data)
        while sent < len(data):
            sent += self._object.write(data[sent:])

    def end(self) -> bytes:
        """End this side, so that the client knows that nothing is cut off. Return the last bytes to send."""
        with suppress(ssl.SSLError):  # it would wait for the client's end, which nobody needs
            self._object.unwrap()
        return self.take()

    def take(self) -> bytes:
        """Return the bytes to send to the client."""
        return self._outgoing.read()


def ignore_undecodable_names() -> None:
    """Print nothing for a server name that is not ASCII: its handshake fails, and clients could fill the log."""
    report = sys.unraisablehook

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if not (isinstance(unraisable.exc_value, UnicodeDecodeError) and isinstance(unraisable.object, bytes)):
            report(unraisable)

    sys.unraisablehook = hook
