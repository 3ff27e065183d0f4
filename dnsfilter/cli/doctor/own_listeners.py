"""Ask an encrypted listener of the node itself: as a proxy if it takes this machine for one, and whoever signed."""

import socket
import ssl
import time
from dataclasses import dataclass

from dnsfilter.cli.running.asking import ANSWER_S, limit_wait, named_failures
from dnsfilter.config.endpoint import endpoint_text, family_of
from dnsfilter.config.node_config import Clients, Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.server.tls import MOST_READ, PROTOCOLS
from dnsfilter.telemetry.metrics import Transport
from dnsfilter.upstream.framing import Framing, LengthFraming
from dnsfilter.upstream.http2_client import HttpFraming
from dnsfilter.wire.checker import Answer, check_message
from dnsfilter.wire.http.doh import PATH
from dnsfilter.wire.query import build_upstream_query, question_of

TITLES = {Transport.DOT: "TLS", Transport.DOH: "HTTPS"}


@dataclass(frozen=True, slots=True)
class ListenerAnswer:
    """An answer. `doubt` is why this machine does not trust the certificate, empty if it does."""

    answer: Answer
    doubt: str


def ask_listener(
    server: Endpoint,
    host: str,
    name: bytes,
    qtype: int,
    transport: Transport,
    *,
    clients: Clients,
    within_s: float = ANSWER_S,
) -> ListenerAnswer:
    """Return the answer of the listener with this host name, also if its certificate is not trusted.

    `clients` is of the node's configuration: it may take this machine for a proxy.

    Raise UnavailableError if there is no answer within `within_s` seconds, or none that is well-formed.
    """
    message = build_upstream_query(question_of(name, qtype), id=0, cd=False, do=False)
    asked = f"ask {endpoint_text(server)} over {TITLES[transport]}"

    def attempt(context: ssl.SSLContext) -> Answer:
        framing = HttpFraming(host, PATH) if transport is Transport.DOH else LengthFraming()
        context.set_alpn_protocols(PROTOCOLS[transport])
        return _exchange(server, host, message, framing, context, clients, time.monotonic() + within_s)

    with named_failures(asked, within_s):
        try:
            return ListenerAnswer(attempt(ssl.create_default_context()), "")
        except ssl.SSLCertVerificationError as error:
            return ListenerAnswer(attempt(_trusting_all()), error.verify_message)


def _trusting_all() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _exchange(
    server: Endpoint,
    host: str,
    message: bytes,
    framing: Framing,
    context: ssl.SSLContext,
    clients: Clients,
    deadline: float,
) -> Answer:
    with socket.socket(family_of(server.address), socket.SOCK_STREAM) as plain:
        limit_wait(plain, deadline)
        plain.connect((str(server.address), server.port))
        plain.sendall(clients.header_from(plain.getsockname()[0]))
        with context.wrap_socket(plain, server_hostname=host) as sock:
            sock.sendall(framing.ask(message, ())[1])
            while True:
                limit_wait(sock, deadline)
                data = sock.recv(MOST_READ)
                if not data:
                    raise ConnectionError("it closed the connection without an answer")
                arrived = framing.receive(data)
                sock.sendall(framing.outgoing())
                for _, answer in arrived:
                    if isinstance(answer, str):
                        raise UnavailableError(answer)
                    return check_message(answer)
