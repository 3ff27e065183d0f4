"""The bounds on what waits: for each client, for all, and for questions."""

from collections.abc import Callable

import pytest

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Limits
from dnsfilter.engine.room import MOST_EXCHANGES, OwnRoom, Room

LIMITS = Limits(waiting=40, waiting_per_client=8)

FLOODER = b"\x7f\0\5\x0a"
OTHER = b"\x7f\0\5\x0b"


def key(number: int) -> CacheKey:
    return CacheKey(0, b"\x03" + number.to_bytes(3, "big") + b"\0", 1, 1, False, False)


def test_one_client_has_its_own_bound_and_room_again_once_it_waits_for_less() -> None:
    room = OwnRoom(LIMITS)
    for _ in range(LIMITS.waiting_per_client):
        room.enter(FLOODER)
    with pytest.raises(OverflowError, match="too many questions of one client"):
        room.enter(FLOODER)
    room.enter(OTHER)
    room.leave(FLOODER)
    room.enter(FLOODER)


def test_all_clients_together_have_a_bound() -> None:
    room = OwnRoom(LIMITS)
    for number in range(LIMITS.waiting):
        room.enter(number.to_bytes(4, "big"))
    with pytest.raises(OverflowError, match="too many clients"):
        room.enter(OTHER)


def test_the_last_eighth_of_the_seats_is_for_clients_with_few(make_room: Callable[..., Room]) -> None:
    room = make_room(Limits(waiting=128, waiting_per_client=16))
    heavy, light = [bytes((10, 0, 0, n)) for n in range(7)], [bytes((10, 0, 1, n)) for n in range(8)]
    for client in heavy * 16:
        room.enter(client)
    for client in light * 2:
        with pytest.raises(OverflowError):
            room.enter(heavy[0])
        room.enter(client)
    for client in (*heavy, *light, OTHER):
        with pytest.raises(OverflowError):
            room.enter(client)


def test_a_question_without_room_takes_none_from_its_client() -> None:
    room = OwnRoom(Limits())
    for number in range(MOST_EXCHANGES):
        room.enter(number.to_bytes(4, "big"), opening=key(number))
    for _ in range(2 * Limits().waiting_per_client):
        with pytest.raises(OverflowError, match="questions on their way"):
            room.enter(FLOODER, opening=key(MOST_EXCHANGES))
    room.shut(key(0))
    room.enter(FLOODER, opening=key(MOST_EXCHANGES))


def test_nothing_is_begun_elsewhere() -> None:
    assert OwnRoom(LIMITS).hand_over(key(1)) is None


def test_an_ipv6_client_is_its_64() -> None:
    room = OwnRoom(LIMITS)
    for number in range(LIMITS.waiting_per_client):
        room.enter(bytes.fromhex("20010db800000001") + number.to_bytes(8, "big"))
    with pytest.raises(OverflowError, match="too many questions of one client"):
        room.enter(bytes.fromhex("20010db8000000010000000000000063"))
    room.enter(bytes.fromhex("20010db8000000020000000000000063"))
    room.leave(bytes.fromhex("20010db80000000100000000000000ff"))
    room.enter(bytes.fromhex("20010db8000000010000000000000063"))
