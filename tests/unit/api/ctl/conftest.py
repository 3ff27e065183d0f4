"""Run dnsfilterctl against a control plane on a real port, and against scripted servers."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from shutil import copytree
from typing import Any

import pytest
import uvicorn

from api.cli import main
from api.ctl.remote.token_file import VARIABLE
from api.policies.first_policy import load_into_empty
from blocklists.catalogue import Catalogue
from tests.unit.api.conftest import Plane, authority, make_plane

EXAMPLE = Path(__file__).parents[4] / "deploy" / "examples" / "belgium-2023.toml"
TOKEN = "dnsf_a-token-of-tests"


@dataclass(frozen=True)
class Outcome:
    """Exit code and output of one command."""

    code: int
    out: str
    err: str


Ctl = Callable[..., Outcome]


@dataclass
class Spoken:
    """One request that a scripted server received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """A server with prepared answers: (status, media type, body) by path without query, else 404."""

    url: str
    answers: dict[str, tuple[int, str, bytes]] = field(default_factory=dict)
    spoken: list[Spoken] = field(default_factory=list)


@dataclass
class Door:
    """An application that listens on `url` and forwards to `app`."""

    url: str = ""
    app: Any = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)


@dataclass(frozen=True)
class Served:
    """A control plane and its URL."""

    plane: Plane
    url: str


def answered_authority(slug: str, **changes: Any) -> dict[str, Any]:
    """Return an authority as the API answers it, without fields that may be null."""
    more = {
        "time_zone": "Europe/Brussels",
        "usage": "authority",
        "group": "",
        "public_register": False,
        "filtering_database": "",
        "off_needs_reason": False,
        "off_needs_approver": False,
        "state": "open",
        "closed_reason": "",
        "revision": 1,
    }
    return {**more, **authority(), **changes, "slug": slug}


@pytest.fixture
def ctl(capsys: pytest.CaptureFixture[str]) -> Ctl:
    """Return a function that runs a command in this process."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as exit_:
            code = exit_.code if isinstance(exit_.code, int) else 1
        found = capsys.readouterr()
        return Outcome(code, found.out, found.err)

    return run


@pytest.fixture(autouse=True)
def _nothing_from_this_machine(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, zone_here: Callable[[str], None]
) -> None:
    zone_here("UTC")
    monkeypatch.chdir(tmp_path)
    for variable in (VARIABLE, "DNSFILTER_URL", "DNSFILTER_CA"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))


@contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serve the application on a free loopback port; yield its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    thread.start()
    try:
        # The socket already listens: a client that connects early waits in its queue.
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()


@pytest.fixture(scope="session")
def loaded(tmp_path_factory: pytest.TempPathFactory, packaged: Catalogue) -> Path:
    """Return the state directory of a control plane with the example policy."""
    directory = tmp_path_factory.mktemp("loaded") / ".run"
    plane = make_plane(directory, packaged)
    assert load_into_empty(plane.app.state.runtime, EXAMPLE)
    plane.publisher.publish_current()
    plane.database.close()
    return directory


@pytest.fixture(scope="session")
def door() -> Iterator[Door]:
    """Listen once for all tests of this process, because starting a server takes longer than most tests."""
    made = Door()
    with listening(made) as made.url:
        yield made


@pytest.fixture
def served(
    tmp_path: Path, packaged: Catalogue, loaded: Path, door: Door, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Served]:
    """Yield a control plane with the example policy, which dnsfilterctl uses by default."""
    copytree(loaded, tmp_path / ".run")
    plane = make_plane(tmp_path / ".run", packaged)
    plane.publisher.publish_current()
    monkeypatch.setenv("DNSFILTER_URL", door.url)
    door.app = plane.app
    yield Served(plane, door.url)
    door.app = None
    plane.database.close()


@pytest.fixture
def scripted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scripted]:
    """Yield a scripted server, which dnsfilterctl uses by default, with a test token."""
    server_script = Scripted("")

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            server_script.spoken.append(Spoken(self.command, self.path, dict(self.headers), body))
            status, media_type, content = server_script.answers.get(
                self.path.partition("?")[0], (404, "text/plain", b"no")
            )
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = answer

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    server_script.url = f"http://127.0.0.1:{server.server_address[1]}"
    file = tmp_path / "admin-token"
    file.write_text(f"{TOKEN}\n")
    file.chmod(0o600)
    monkeypatch.setenv("DNSFILTER_URL", server_script.url)
    yield server_script
    server.shutdown()
    thread.join()
    server.server_close()
