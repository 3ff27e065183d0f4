"""An https server on loopback that serves lists well and badly, by path. `content` is what the good paths serve."""

import gzip
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from tests.support.certificates import Authority

GOOD = b"games.example.org\nplay.example.net\n"
PAGE = b"<!doctype html><html><head><title>Please log in</title></head><body>games.example.org</body></html>"
METADATA = "metadata.example.org"
"""A host name that a test lets lead to the address of a cloud's metadata."""
BOMB_BYTES = 8 * 1024 * 1024


@dataclass
class FeedServer:
    """What is served, and which headers were received with each path."""

    port: int
    content: bytes = GOOD
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    over: Event = field(default_factory=Event)

    def url(self, path: str, host: str = "localhost") -> str:
        return f"https://{host}:{self.port}/{path}"

    @property
    def etag(self) -> str:
        return f'"{sum(self.content)}-{len(self.content)}"'


class _Handler(BaseHTTPRequestHandler):
    feeds: FeedServer

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            # The client has refused the certificate.
            self.close_connection = True

    def do_GET(self) -> None:
        path = self.path.lstrip("/").partition("?")[0]
        self.feeds.asked.append((path, {name.lower(): value for name, value in self.headers.items()}))
        try:
            _PATHS[path](self)
        except OSError:
            # The client has hung up, as it must on endless content.
            self.close_connection = True

    def send(self, status: int, content: bytes = b"", length: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def redirect(self, location: str, status: int = 302) -> None:
        self.send(status, Location=location)

    def conditional(self) -> None:
        modified = "Tue, 01 Dec 2026 08:00:00 GMT"
        if self.headers.get("If-None-Match") == self.feeds.etag:
            self.send(304, ETag=self.feeds.etag)
        else:
            self.send(200, self.feeds.content, ETag=self.feeds.etag, Last_Modified=modified)

    def packed(self, content: bytes) -> None:
        self.send(200, content, Content_Encoding="gzip")

    def drip(self, head: bytes) -> None:
        """Send a head, and then a byte now and then, without an end."""
        self.wfile.write(head)
        while not self.feeds.over.wait(0.05):
            self.wfile.write(b"x")

    def endless(self, head: bytes, content: bytes) -> None:
        """Send a head, and then the content for ever."""
        self.wfile.write(head)
        while not self.feeds.over.is_set():
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


_OK = b"HTTP/1.1 200 OK\r\n"
_PATHS: dict[str, Callable[[_Handler], object]] = {
    "good": lambda asked: asked.conditional(),
    "always-304": lambda asked: asked.send(304),
    "gzip": lambda asked: asked.packed(gzip.compress(asked.feeds.content)),
    "bomb": lambda asked: asked.packed(gzip.compress(bytes(BOMB_BYTES))),
    "gzip-truncated": lambda asked: asked.packed(gzip.compress(asked.feeds.content)[:-4]),
    "gzip-and-more": lambda asked: asked.packed(gzip.compress(asked.feeds.content) + b"more"),
    "gzip-broken": lambda asked: asked.packed(asked.feeds.content),
    "brotli": lambda asked: asked.send(200, b"xx", Content_Encoding="br"),
    "truncated": lambda asked: asked.send(200, asked.feeds.content, length=len(asked.feeds.content) + 100),
    "not-http": lambda asked: asked.wfile.write(b"220 mail.example.org\r\n\r\n"),
    "page": lambda asked: asked.send(200, PAGE, Content_Type="text/html"),
    "empty": lambda asked: asked.send(200),
    "missing": lambda asked: asked.send(404),
    "failing": lambda asked: asked.send(503),
    "slow": lambda asked: asked.drip(_OK + b"\r\n"),
    "slow-head": lambda asked: asked.drip(_OK + b"X: "),
    "endless": lambda asked: asked.endless(_OK + b"\r\n", b"a.example.org\n" * 5000),
    "large": lambda asked: asked.send(200, b"a.example.org\n" * 5000),
    "moved": lambda asked: asked.redirect("/good"),
    "moved-for-good": lambda asked: asked.redirect(asked.feeds.url("good"), 301),
    "moved-in-a-circle": lambda asked: asked.redirect("/moved-in-a-circle"),
    "moved-to-metadata": lambda asked: asked.redirect(f"https://{METADATA}/latest/meta-data"),
    "moved-to-address": lambda asked: asked.redirect("https://169.254.169.254/latest/meta-data"),
    "moved-to-plain": lambda asked: asked.redirect("http://localhost/good"),
    "moved-with-password": lambda asked: asked.redirect(f"https://user:secret@localhost:{asked.feeds.port}/good"),
    "moved-nowhere": lambda asked: asked.redirect("https://[::1/"),
    "moved-endless": lambda asked: asked.endless(b"HTTP/1.1 302 Found\r\nLocation: /good\r\n\r\n", b"x" * 70_000),
}


@contextmanager
def feed_server(authority: Authority, directory: Path) -> Iterator[FeedServer]:
    """Serve with a certificate of the authority, for localhost and 127.0.0.1."""
    authority.issue(directory / "feeds.pem", directory / "feeds.key")
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    secure.load_cert_chain(directory / "feeds.pem", directory / "feeds.key")

    class Handler(_Handler):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # Handshakes are made in the thread of each connection: a client that refuses the certificate delays no other.
    server.socket = secure.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    feeds = Handler.feeds = FeedServer(server.server_address[1])
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield feeds
    finally:
        feeds.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
