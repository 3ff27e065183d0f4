"""Mail and syslog servers on loopback that keep what they receive."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from tests.support.ports import free_port


@dataclass
class Mailbox:
    """A mail server's handler. It refuses all messages while `refusing`.

    `answers` are the replies that refuse single recipients. `hanging_s` is how long it delays the reply to a message.
    `asked` is set at the first message. With `login`, it accepts mail only after a login. `logins` are all attempted
    logins.
    """

    port: int = 0
    refusing: bool = False
    received: list[Envelope] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    hanging_s: float = 0.0
    asked: threading.Event = field(default_factory=threading.Event)
    login: tuple[str, str] | None = None
    logins: list[tuple[str, str]] = field(default_factory=list)

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
    ) -> AuthResult:
        """Accept or refuse a login. The refusal repeats the password, as a careless server may."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        if self.logins[-1] == self.login:
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message=f"535 no {self.logins[-1][1]}")

    async def handle_RCPT(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Accept or refuse a recipient."""
        if self.login is not None and not session.authenticated:
            return "530 log in first"
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 taken"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep a message, or refuse it."""
        self.asked.set()
        if self.hanging_s:
            await asyncio.sleep(self.hanging_s)
            return "451 too slow"
        if self.refusing:
            return "451 try again later"
        self.received.append(envelope)
        return "250 kept"

    @property
    def lines(self) -> list[bytes]:
        """Return the lines of every message body, in order."""
        contents = [envelope.original_content or b"" for envelope in self.received]
        return [line for content in contents for line in content.partition(b"\r\n\r\n")[2].splitlines()]


@contextmanager
def mail_server(
    *, login: tuple[str, str] | None = None, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Mailbox]:
    """Run a mail server on a free port. It offers STARTTLS, or speaks TLS from the first byte."""
    mailbox = Mailbox(free_port(), login=login)
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=mailbox.port,
        ssl_context=tls,
        tls_context=starttls,
        authenticator=mailbox.authenticate,
        # Accept passwords in clear text if the client sends them that way.
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@contextmanager
def datagrams(family: socket.AddressFamily, address: str | tuple[str, int]) -> Iterator[socket.socket]:
    """Open a listening datagram socket. A read fails after 10 seconds."""
    with socket.socket(family, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(10)
        yield listener


@dataclass
class Stream:
    """What a TCP server received on connections that have ended."""

    port: int
    received: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def stream_server(secure: ssl.SSLContext | None = None) -> Iterator[Stream]:
    """Run a TCP server, with TLS if `secure` is given, that reads one connection to its end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = Stream(listener.getsockname()[1])

        def serve() -> None:
            connection, _ = listener.accept()
            if secure is not None:
                try:
                    connection = secure.wrap_socket(connection, server_side=True)
                except OSError:
                    connection.close()
                    return
            with connection, connection.makefile("rb") as file:
                stream.received.append(file.read())
            stream.ended.set()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield stream
        thread.join(timeout=10)
