"""Mail and syslog servers of loopback that keep what they are sent."""

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
    """A mail server's handler. It refuses everything while `refusing`.

    `answers` are what single recipients are refused with. `hanging_s` is for how long it says nothing to a message,
    `asked` is set once there is one. With `login`, mail is taken after a login only; `logins` were tried.
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
        """Take a login, or not; the refusal repeats the password, as an unkind server may."""
        assert isinstance(data, LoginPassword)
        self.logins.append((data.login.decode(), data.password.decode()))
        if self.logins[-1] == self.login:
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message=f"535 no {self.logins[-1][1]}")

    async def handle_RCPT(
        self, _server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        """Take a recipient, or not."""
        if self.login is not None and not session.authenticated:
            return "530 log in first"
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 taken"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep a message."""
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
        """The lines of every body, in order."""
        contents = [envelope.original_content or b"" for envelope in self.received]
        return [line for content in contents for line in content.partition(b"\r\n\r\n")[2].splitlines()]


@contextmanager
def mail_server(
    *, login: tuple[str, str] | None = None, starttls: ssl.SSLContext | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[Mailbox]:
    """A mail server on a free port: it offers STARTTLS, or speaks TLS from the first byte."""
    mailbox = Mailbox(free_port(), login=login)
    controller = Controller(
        mailbox,
        hostname="127.0.0.1",
        port=mailbox.port,
        ssl_context=tls,
        tls_context=starttls,
        authenticator=mailbox.authenticate,
        # A server that takes passwords in clear, if the client sends them so.
        auth_require_tls=False,
    )
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@contextmanager
def datagrams(family: socket.AddressFamily, address: str | tuple[str, int]) -> Iterator[socket.socket]:
    """A datagram socket that listens, and fails rather than wait for ever."""
    with socket.socket(family, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(10)
        yield listener


@dataclass
class Stream:
    """What a TCP server was sent by the connections that have ended."""

    port: int
    received: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def stream_server() -> Iterator[Stream]:
    """A TCP server that reads one connection to its end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        stream = Stream(listener.getsockname()[1])

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as file:
                stream.received.append(file.read())
            stream.ended.set()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield stream
        thread.join(timeout=10)
