"""The networks that tests make for themselves."""

import os
import shutil
import signal
import socket

import pytest

from tests.support.namespaces import Namespace, link


def test_a_namespace_has_loopback_and_what_it_is_given_and_nothing_else() -> None:
    with Namespace() as space:
        space.add_address("192.0.2.1/32", "2001:db8::1/128")
        addresses = [line.split()[3] for line in space.ip("-oneline", "address", "show").splitlines()]
        assert sorted(addresses) == ["127.0.0.1/8", "192.0.2.1/32", "2001:db8::1/128", "::1/128"]


def test_a_program_runs_inside_with_the_callers_environment_directory_and_input() -> None:
    with Namespace() as space:
        done = space.run("sh", "-c", 'cat; echo "$WORD"; pwd; id -u; exit 3', env={"WORD": "said"}, stdin="given\n")
        assert done.returncode == 3
        assert done.stdout.split() == ["given", "said", os.getcwd(), "0"]


def test_a_mount_inside_is_not_seen_outside() -> None:
    with Namespace() as space:
        assert space.run("sh", "-c", "mount -t tmpfs none /run && touch /run/only-inside").returncode == 0
        assert space.run("test", "-e", "/run/only-inside").returncode == 0
    assert not os.path.exists("/run/only-inside")


def test_a_socket_of_a_namespace_reaches_what_is_inside_and_one_of_the_test_does_not() -> None:
    with Namespace() as space, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outside:
        server, client = (space.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
        with server, client:
            server.bind(("127.0.0.1", 0))
            client.bind(("127.0.0.1", 0))
            outside.sendto(b"outside", server.getsockname())
            client.sendto(b"inside", server.getsockname())
            assert server.recvfrom(100) == (b"inside", client.getsockname())


def test_two_namespaces_reach_each_other_over_a_link() -> None:
    with Namespace() as one, Namespace(beside=one) as other:
        link(one, other, ["192.0.2.1/24", "2001:db8::1/64"], ["192.0.2.2/24", "2001:db8::2/64"])
        for family, here, there in (
            (socket.AF_INET, "192.0.2.1", "192.0.2.2"),
            (socket.AF_INET6, "2001:db8::1", "2001:db8::2"),
        ):
            with one.socket(family, socket.SOCK_STREAM) as server, other.socket(family, socket.SOCK_STREAM) as client:
                server.bind((here, 53))
                server.listen()
                client.connect((here, 53))
                connection, (address, *_) = server.accept()
                connection.close()
                assert address == there


def test_a_namespace_ends_with_its_test() -> None:
    with Namespace() as space:
        pid = space.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(("ci", "outcome"), [("false", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_where_namespaces_are_refused_the_test_is_skipped_and_fails_on_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(Namespace, "_unshare", lambda *_: ["sh", "-c", "echo not permitted >&2; exit 1"])
    with pytest.raises(outcome, match="a network namespace is refused: not permitted"):
        Namespace().__enter__()


@pytest.mark.parametrize(("ci", "outcome"), [("false", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_unshare_the_test_is_skipped_and_fails_on_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(outcome, match="unshare of util-linux is not here"):
        Namespace().__enter__()
