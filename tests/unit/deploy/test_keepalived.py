"""The script that keepalived and BIRD ask for the state of a node."""

import socket
import subprocess
import threading
import time
from ipaddress import ip_address

import pytest

from dnsfilter.config.endpoint import endpoint_text, family_of
from dnsfilter.config.node_config import Endpoint
from tests.support.components import PROJECT
from tests.support.ports import free_port
from tests.support.row_tables import each_row

SCRIPT = PROJECT / "deploy/keepalived/dnsfilter-ready"
STATES = ("answering", "ready", "preferred")
OK = b"HTTP/1.1 200 OK\r\n\r\nready\n"


def unready(reason: str) -> bytes:
    return f"HTTP/1.1 503 Service Unavailable\r\ncache-control: no-store\r\n\r\nnot ready: {reason}\n".encode()


def exit_code(state: str, answer: bytes, address: str = "127.0.0.1", after_s: float = 0) -> tuple[int, bytes]:
    """Return the script's exit code for a node that gives this answer, and the line that the node was sent."""
    asked = []
    with socket.create_server((address, 0), family=family_of(ip_address(address))) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                time.sleep(after_s)
                asked.append(connection.recv(4096).partition(b"\r\n")[0])
                connection.sendall(answer)

        endpoint = endpoint_text(Endpoint(ip_address(address), server.getsockname()[1]))
        serving = threading.Thread(target=serve)
        serving.start()
        done = subprocess.run([SCRIPT, state, endpoint], timeout=30)
        serving.join()
    return done.returncode, asked[0]


@each_row(
    "answer, expected",
    [
        (OK, (0, 0, 0)),
        (unready("no upstream answers"), (0, 0, 1)),
        (unready("draining"), (0, 1, 1)),
        (unready("revision 6 is in force, 7 is not yet"), (0, 0, 1)),
        (unready("cannot read the snapshots"), (0, 0, 1)),
        (unready("no worker is serving"), (1, 1, 1)),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", (1, 1, 1)),
        (b"", (1, 1, 1)),
    ],
)
def test_each_state_has_its_reasons(answer: bytes, expected: tuple[int, int, int]) -> None:
    assert tuple(exit_code(state, answer)[0] for state in STATES) == expected


def test_page_that_pauses_during_an_upgrade_is_waited_for() -> None:
    assert exit_code("answering", OK, after_s=1.5)[0] == 0


def test_status_page_may_have_an_ipv6_address() -> None:
    assert exit_code("ready", OK, "::1")[0] == 0


def test_only_the_preferred_state_asks_for_upstreams() -> None:
    asked = [exit_code(state, OK)[1] for state in STATES]
    assert asked == [b"GET /readyz HTTP/1.0", b"GET /readyz HTTP/1.0", b"GET /readyz?upstreams HTTP/1.0"]


@pytest.mark.parametrize(("arguments", "code"), [((), 2), (("up",), 2), (("ready", f"127.0.0.1:{free_port()}"), 1)])
def test_wrong_arguments_and_a_stopped_node_are_errors(arguments: tuple[str, ...], code: int) -> None:
    assert subprocess.run([SCRIPT, *arguments], capture_output=True, timeout=30).returncode == code
