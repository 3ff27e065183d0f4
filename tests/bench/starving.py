"""How the weakest callers can affect the others: `python -m tests.bench.starving` prints it.

Three crowds load a control plane with 1,000 authorities and 10,000 ranges, one after another. The first is 16 slow
downloads of the archive, and the second 205 of the audit log, each by one auditor. The third is 60 threads that request
traces which a reader may not have. During each crowd the bench requests `/healthz`, `/readyz`, a toggle, a suspension
and a node's pull ROUNDS times. It prints their statuses, and the median and the longest time of each.
"""

import http.client
import json
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from statistics import median
from threading import Event, Thread
from typing import Any

from tests.bench.control_plane import AUTHORITIES, SERVICE
from tests.bench.large import authority_of, client_of, policy_text
from tests.bench.toggle import ControlPlane, show_machine

ARCHIVES, EXPORTS, TRACERS, ROUNDS = 16, 205, 60, 5
PIECE, PAUSE_S = 375, 1.0
"""Bytes that a slow reader takes before it waits. Together 16 readers take 6 kB a second."""
PATIENCE_S = 120.0
MINE, THEIRS = 1, 2
"""Numbers of ranges: one of an authority in which the reader holds a role, and one of another authority."""


class Client:
    """Sends requests to a control plane, each on its own connection."""

    def __init__(self, port: int, token: str) -> None:
        self.port, self.token = port, token

    def head(self, path: str) -> bytes:
        """Return a GET request as bytes."""
        return f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {self.token}\r\n\r\n".encode()

    def ask(self, method: str, path: str, value: object = None) -> tuple[int, Any]:
        """Return status and JSON body. The status is 0 if no answer comes in time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        with closing(connection):
            try:
                connection.request(method, path, None if value is None else json.dumps(value), headers)
                answer = connection.getresponse()
                text = answer.read()
            except (OSError, http.client.HTTPException):
                return 0, None
        return answer.status, json.loads(text) if text else None

    def done(self, method: str, path: str, value: object = None) -> Any:
        """Return the body of an answer that must be a success."""
        status, body = self.ask(method, path, value)
        if not 200 <= status < 300:
            raise RuntimeError(f"{method} {path}: {status} {body}")
        return body

    def account(self, login: str, role: str, authority: str | None) -> "Client":
        """Create an account with one role. Return a client with its token."""
        number = self.done("POST", "/v1/accounts", {"kind": "service", "login": login, "name": login})["number"]
        grant = {"account": number, "role": role, "authority": authority, "for": "1 year", "reason": "to measure"}
        self.done("POST", "/v1/grants", grant)
        made = self.done("POST", f"/v1/accounts/{number}/tokens", {"label": "bench", "for": "1 day"})
        return Client(self.port, made["token"])

    def node(self) -> "Client":
        """Enrol a node. Return a client with its token."""
        invited = self.done("POST", "/v1/nodes", {"name": "office", "site": "default"})["enrolment_token"]
        own = Client(self.port, invited).done("POST", "/v1/nodes/enrol", {"version": "1"})["token"]
        return Client(self.port, own)


@contextmanager
def slow_readers(client: Client, path: str, count: int) -> Iterator[Callable[[], str]]:
    """Open connections that request `path` and read its answer slowly. Return what they met."""
    over, statuses, ended = Event(), [b""] * count, [False] * count
    with ExitStack() as stack:
        sockets = []
        for _ in range(count):
            made = stack.enter_context(closing(socket.socket()))
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            made.connect(("127.0.0.1", client.port))
            made.sendall(client.head(path))
            sockets.append(made)

        def read() -> None:
            while not over.wait(PAUSE_S):
                for number, one in enumerate(sockets):
                    try:
                        piece = one.recv(PIECE, socket.MSG_DONTWAIT)
                    except BlockingIOError:
                        continue
                    except OSError:
                        piece = b""
                    statuses[number] = statuses[number] or piece[9:12]
                    ended[number] = ended[number] or not piece

        reader = Thread(target=read)
        reader.start()
        try:
            yield lambda: f"{dict(Counter(status.decode() or '-' for status in statuses))}, {sum(ended)} cut off"
        finally:
            over.set()
            reader.join()


@contextmanager
def tracers(client: Client, path: str, count: int) -> Iterator[Callable[[], str]]:
    """Start threads that request `path` without pause. Return what they met."""
    over, statuses = Event(), Counter[int]()

    def ask() -> None:
        while not over.is_set():
            statuses[client.ask("GET", path)[0]] += 1

    threads = [Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield lambda: f"{dict(statuses)}"
    finally:
        over.set()
        for thread in threads:
            thread.join()


def probe(admin: Client, node: Client) -> None:
    """Print how the control plane answers the other callers during a crowd."""
    ban = f"/v1/authorities/{authority_of(THEIRS, AUTHORITIES)}/bans/{SERVICE}"
    suspension = {"authority": authority_of(THEIRS, AUTHORITIES), "for": "1 minute", "reason": "to measure"}
    cases: dict[str, Callable[[int], tuple[int, Any]]] = {
        "/healthz": lambda _: admin.ask("GET", "/healthz"),
        "/readyz": lambda _: admin.ask("GET", "/readyz"),
        "a toggle": lambda turn: admin.ask("PATCH", ban, {"mode": "off" if turn % 2 else "enforce"}),
        "a suspension": lambda _: admin.ask("POST", "/v1/suspensions", suspension),
        "a node's pull": lambda _: node.ask("GET", "/v1/nodes/self/snapshot"),
    }
    found: dict[str, list[tuple[int, float]]] = {name: [] for name in cases}
    for turn in range(ROUNDS):
        for name, ask in cases.items():
            begun = time.monotonic()
            status, body = ask(turn)
            found[name].append((status, 1000 * (time.monotonic() - begun)))
            if name == "a suspension" and status < 300 and status:
                admin.ask("POST", f"/v1/suspensions/{body['number']}/end", {"reason": "to measure"})
    for name, answers in found.items():
        statuses, times = [status for status, _ in answers], [taken for _, taken in answers]
        print(f"  {name:14} {statuses}   p50 {median(times):8.0f} ms   max {max(times):8.0f} ms", flush=True)


def main() -> int:
    """Measure and print."""
    with tempfile.TemporaryDirectory(prefix="starving-") as made:
        show_machine(Path(made))
        text = policy_text(authorities=AUTHORITIES, services=(SERVICE,))
        with ControlPlane(Path(made) / "plane", text, ("-m", "api.main")) as control:
            admin = Client(control.port, (control.state / "admin-token").read_text().strip())
            auditor = admin.account("auditor", "auditor", None)
            reader = admin.account("reader", "reader", authority_of(MINE, AUTHORITIES))
            node = admin.node()
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            asked = f"client={client_of(THEIRS)}&name=www.tiktok.com&at={now}"
            print("nobody else")
            probe(admin, node)
            crowds = (
                (f"{ARCHIVES} slow archives", slow_readers(auditor, "/v1/archive", ARCHIVES)),
                (f"{EXPORTS} slow exports", slow_readers(auditor, "/v1/audit/export", EXPORTS)),
                (f"{TRACERS} threads of forbidden traces", tracers(reader, f"/v1/trace?{asked}", TRACERS)),
            )
            for title, crowd in crowds:
                print(title, flush=True)
                with crowd as met:
                    time.sleep(5)
                    probe(admin, node)
                    print(f"  the crowd itself: {met()}")
                time.sleep(5)
    return 0


if __name__ == "__main__":
    sys.exit(main())
