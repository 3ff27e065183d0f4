"""Drops are the kernel's own counts, of all sockets so far, and never fall."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from errno import ENOPROTOOPT

import pytest

from dnsfilter.supervisor.vitals.dropped_datagrams import DroppedDatagrams

SENT = 200
MESSAGE = bytes(500)


def tiny() -> socket.socket:
    """Return a bound UDP socket whose buffer holds a few datagrams."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sock.bind(("127.0.0.1", 0))
    return sock


@pytest.fixture
def sender() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        yield sock


def flood(sender: socket.socket, sock: socket.socket) -> int:
    """Send more than the socket holds. Return how many datagrams it has lost, by reading those that it kept."""
    for _ in range(SENT):
        sender.sendto(MESSAGE, sock.getsockname())
    kept = 0
    sock.setblocking(False)
    with suppress(BlockingIOError):
        while sock.recv(len(MESSAGE)):
            kept += 1
    return SENT - kept


def test_all_that_the_sockets_lost_is_counted_once(sender: socket.socket) -> None:
    with tiny() as one, tiny() as other:
        drops = DroppedDatagrams()
        assert drops.read([one, other]) == 0
        lost = flood(sender, one) + flood(sender, other)
        assert 0 < lost < 2 * SENT
        assert drops.read([one, other, one]) == lost
        assert drops.read([one, other]) == lost


def test_count_of_a_closed_socket_stays(sender: socket.socket) -> None:
    drops = DroppedDatagrams()
    with tiny() as one, tiny() as other:
        lost = flood(sender, one)
        drops.read([one, other])
        one.close()
        assert drops.read([one, other]) == lost
        lost += flood(sender, other)
        assert drops.read([other]) == lost


def test_next_program_continues_the_count_also_of_sockets_that_it_does_not_get(sender: socket.socket) -> None:
    drops = DroppedDatagrams()
    with tiny() as closed, tiny() as superseded, tiny() as handed_over:
        lost = flood(sender, closed) + flood(sender, handed_over)
        drops.read([closed, superseded, handed_over])
        lost += flood(sender, superseded)
        successor = DroppedDatagrams(drops.of_closed([superseded, handed_over], [handed_over]))
        assert drops.read([superseded, handed_over]) == lost  # if the handover fails
        lost += flood(sender, handed_over)
        assert successor.read([handed_over]) == lost


def test_fullest_queue_is_that_of_the_socket_with_the_most_waiting(sender: socket.socket) -> None:
    with tiny() as empty, tiny() as full:
        drops = DroppedDatagrams()
        drops.read([empty, full])
        assert drops.fullest_bytes == 0
        sender.sendto(MESSAGE, full.getsockname())
        drops.read([empty, full])
        assert drops.fullest_bytes is not None
        assert drops.fullest_bytes > len(MESSAGE)


def test_nothing_is_reported_without_sockets() -> None:
    drops = DroppedDatagrams()
    assert drops.read([]) is None
    assert drops.fullest_bytes is None


class Limited(socket.socket):
    """A socket of a kernel that gives fewer numbers, or that does not know an option."""

    refuses = False

    def getsockopt(self, level: int, option: int, size: int = 0, /) -> bytes:  # type: ignore[override]
        if self.refuses:
            raise OSError(ENOPROTOOPT, "Protocol not available")
        return super().getsockopt(level, option, size - 4)


@pytest.mark.parametrize("refuses", [True, False])
def test_nothing_is_reported_if_the_kernel_does_not_give_it(refuses: bool) -> None:
    drops = DroppedDatagrams(7)
    with Limited(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.refuses = refuses
        assert drops.read([sock]) is None
        assert drops.of_closed([sock], [sock]) == 7
