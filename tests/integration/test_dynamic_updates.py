"""Signed dynamic updates through a node to a real server of a conditional zone, over UDP and TCP."""

import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import pytest

from tests.support.knot import KEY_NAME, Knot
from tests.support.nodes import Node, eventually
from tests.support.ports import free_port

pytestmark = pytest.mark.heavy

SECRET, WRONG = "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "d3Jvbmd3cm9uZ3dyb25nd3Jvbmd3cm9u"
CLIENT = "127.0.5.10"
ZONE = "@ 60 SOA dc hostmaster 1 60 60 60 60\n@ 60 NS dc\ndc 60 A 192.0.2.200\n"


@pytest.fixture(scope="module")
def controller() -> Iterator[Knot]:
    with Knot({"corp.internal": ZONE}, update_key=SECRET) as server:
        yield server


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, controller: Knot) -> Iterator[Node]:
    dead = f"127.0.0.1:{free_port()}"
    zone = f'[[zone]]\nsuffix = "corp.internal"\nservers = ["{dead}", "{controller.hostport}"]\n'
    made = Node(tmp_path_factory.mktemp("node"), controller.hostport, config=zone)
    made.is_forked = True
    with made as running:
        yield running


def update(secret: str, host: str) -> dns.update.UpdateMessage:
    keys = dns.tsigkeyring.from_text({KEY_NAME: secret})
    made = dns.update.UpdateMessage("corp.internal", keyring=keys, keyalgorithm="hmac-sha256")
    made.replace(host, 60, "A", "192.0.2.7")
    return made


@pytest.mark.parametrize("ask", [dns.query.udp, dns.query.tcp])
def test_signed_update_reaches_the_zone_and_its_signed_answer_the_client(
    node: Node, controller: Knot, ask: Callable[..., dns.message.Message]
) -> None:
    host = ask.__name__
    answer = ask(update(SECRET, host), "127.0.0.1", timeout=60, port=node.port, source=CLIENT)
    assert answer.rcode() == dns.rcode.NOERROR
    assert answer.had_tsig  # dnspython has checked the signature
    assert node.dig(f"{host}.corp.internal", bind=CLIENT).rdata("A") == ["192.0.2.7"]


def test_update_in_hand_is_answered_before_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        zone = f'[[zone]]\nsuffix = "corp.internal"\nservers = ["{address}"]\n'
        node = Node(tmp_path, address, config=zone).start()
        assert node.process is not None
        client.bind((CLIENT, 0))
        client.connect(("127.0.0.1", node.port))
        message = update(SECRET, "pc").to_wire()
        client.sendall(message)
        connection, _ = server.accept()
        with connection:
            node.process.send_signal(signal.SIGTERM)
            assert eventually(lambda: node.logged("worker ended"))
            answer = message[:2] + b"\xa8\0" + bytes(8)
            connection.sendall(len(answer).to_bytes(2, "big") + answer)
            client.settimeout(20)
            assert client.recv(4096) == answer
        assert node.process.wait(20) == 0


def test_refusal_of_the_server_is_passed_back(node: Node) -> None:
    message = update(WRONG, "pc").to_wire()
    with socket.create_connection(("127.0.0.1", node.port), timeout=60, source_address=(CLIENT, 0)) as asking:
        asking.sendall(len(message).to_bytes(2, "big") + message)
        answer = asking.recv(4096)
    assert answer[5] & 15 == dns.rcode.NOTAUTH
    assert node.dig("pc.corp.internal", bind=CLIENT).rcode == "NXDOMAIN"
