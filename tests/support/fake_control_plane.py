"""A fake control plane: the part that nodes speak to. A test controls all its answers."""

import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Condition, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dnsfilter.snapshot.compiler import Compiled
from dnsfilter.snapshot.file_changes import changes_between
from dnsfilter.snapshot.signature import sign_manifest

ONE_TIME = "dnsf_one-time-token-of-tests"
ADMINISTRATOR = "dnsf_the-administrator-of-tests"
TOKEN = "dnsf_the-node-token-of-tests"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One request: method, path without its query, headers in lower case, body."""

    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    body: bytes


@dataclass
class Script:
    """How the fake control plane behaves. A test may change it at any time.

    If `status` is set, it answers every request. `alter_manifest` and `alter_file` act as a man in the middle, and so
    does `alter_changes`; None is a control plane that sends no changes of files.
    `refuses` returns whether a report is refused, with the status `refused_as`.
    """

    site: str = "default"
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    alter_manifest: Callable[[bytes], bytes] = bytes
    alter_file: Callable[[bytes], bytes] = bytes
    alter_changes: Callable[[bytes], bytes] | None = None
    waits: bool = True
    refuses: Callable[[dict[str, Any]], object] = field(default=lambda report: False)
    refused_as: int = 422


class Played:
    """The fake control plane. `with Played() as plane:` listens at `plane.url`.

    With a certificate and key it speaks TLS.
    """

    def __init__(self, tls: tuple[Path, Path] | None = None) -> None:
        self.script = Script()
        self.spoken: list[Spoken] = []
        self.reports: list[dict[str, Any]] = []
        self.one_time = {ONE_TIME}
        self.registered: set[str] = set()
        self.token = TOKEN
        self.journal = 0
        """The highest journal number that a node has reported."""
        self.stored: int | None = None
        """The sequence of usage that it says is stored. None is a control plane that keeps no usage."""
        self.captures: list[dict[str, Any]] | None = None
        """The captures that it lists. None is a control plane that knows none."""
        self.signing = Ed25519PrivateKey.generate()
        self.news = Condition()
        self.manifest: bytes | None = None
        self.files: dict[str, bytes] = {}
        self._ended = False
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*tls)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self.url = self.url.replace("http:", "https:")
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def key(self) -> str:
        """Return the public key in the form that an enrolment delivers."""
        return self.signing.public_key().public_bytes_raw().hex()

    @property
    def tag(self) -> str:
        """Return the entity tag of the current manifest."""
        return sha256(self.manifest or b"").hexdigest()

    def publish(self, made: Compiled) -> None:
        """Sign a snapshot and make it the newest."""
        with self.news:
            self.manifest = sign_manifest(made.manifest, self.signing)
            for file in (made.names, made.ranges, made.rules):
                self.files[file.digest.hex()] = file.data
            self.news.notify_all()

    def asked(self, path: str) -> list[Spoken]:
        """Return the requests so far whose path begins with `path`."""
        return [each for each in self.spoken if each.path.startswith(path)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with self.news:
            self._ended = True
            self.news.notify_all()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def awaits(self, tag: str | None, wait_s: float) -> bytes | None:
        """Wait until the newest manifest's tag differs from `tag` and return the manifest.

        Return None after `wait_s`.
        """
        with self.news:
            self.news.wait_for(lambda: self._ended or f'"{self.tag}"' != tag, wait_s if self.script.waits else 0)
            return None if f'"{self.tag}"' == tag else self.manifest


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore the error: a node that is killed or stops reading drops its connection."""


def _handler(plane: Played) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: object) -> None:
            """Log nothing."""

        def do_GET(self) -> None:
            spoken = self._note()
            if plane.script.status is not None:
                self._problem(plane.script.status)
            elif spoken.headers.get("authorization") != f"Bearer {plane.token}":
                self._problem(401)
            elif spoken.path == "/v1/nodes/self/snapshot":
                self._snapshot(spoken)
            else:
                data = plane.files.get(spoken.path.rpartition("/")[2])
                before = plane.files.get(spoken.query.get("since", [""])[0])
                if data is None:
                    self._problem(404)
                elif plane.script.alter_changes is not None and before is not None:
                    changes = changes_between(before, data, len(data) + len(before))
                    self._say(226, plane.script.alter_changes(changes or b""), "application/octet-stream")
                else:
                    self._say(200, plane.script.alter_file(data), "application/octet-stream")

        def do_POST(self) -> None:
            spoken = self._note()
            bearer = spoken.headers.get("authorization", "").removeprefix("Bearer ")
            if plane.script.status is not None:
                self._problem(plane.script.status)
            elif spoken.path == "/v1/nodes/enrol" and bearer in plane.one_time:
                plane.one_time.discard(bearer)
                value = {"name": "one", "site": plane.script.site, "token": plane.token, "key": plane.key}
                self._say(201, json.dumps({**value, "installation": "of-tests"}).encode())
            elif spoken.path == "/v1/nodes/self/report" and bearer == plane.token:
                report = json.loads(spoken.body)
                if plane.script.refuses(report):
                    self._problem(plane.script.refused_as)
                    return
                plane.reports.append(report)
                plane.journal = max([plane.journal, *(entry["number"] for entry in report["journal"])])
                answer: dict[str, Any] = {"journal": plane.journal}
                if plane.stored is not None:
                    answer["usage"] = plane.stored
                if plane.captures is not None:
                    answer["captures"] = plane.captures
                self._say(200, json.dumps(answer).encode())
            elif bearer == ADMINISTRATOR:
                self._register(spoken)
            else:
                self._problem(401)

        def _register(self, spoken: Spoken) -> None:
            name = spoken.path.split("/")[3] if spoken.path.endswith("/enrolment") else json.loads(spoken.body)["name"]
            if (name in plane.registered) != spoken.path.endswith("/enrolment"):
                self._problem(409)
                return
            plane.registered.add(name)
            plane.one_time.add(ONE_TIME)
            self._say(201, json.dumps({"name": name, "enrolment_token": ONE_TIME}).encode())

        def _note(self) -> Spoken:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            spoken = Spoken(self.command, parts.path, parse_qs(parts.query), headers, body)
            plane.spoken.append(spoken)
            return spoken

        def _snapshot(self, spoken: Spoken) -> None:
            if plane.manifest is None:
                self._problem(503)
                return
            manifest = plane.awaits(spoken.headers.get("if-none-match"), float(spoken.query["wait"][0]))
            if manifest is None:
                self._say(304, b"")
            else:
                self._say(200, plane.script.alter_manifest(manifest))

        def _problem(self, status: int) -> None:
            detail = {"type": "about:blank", "status": status, "detail": f"a test\nsays {status}"}
            self._say(status, json.dumps(detail).encode(), "application/problem+json")

        def _say(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("ETag", f'"{plane.tag}"')
            for name, value in plane.script.headers.items():
                self.send_header(name, value)
            if status != 304:
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler
