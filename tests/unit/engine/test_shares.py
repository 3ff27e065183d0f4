"""Which question gives way when the table is full, in the room of each engine."""

from collections.abc import Callable

import pytest

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.model import Limits
from dnsfilter.engine.room import CROWDED_FROM, MOST_EXCHANGES, Room
from dnsfilter.engine.shares import HEAVY, LOOKS, OLD_MS
from dnsfilter.wire.names import parse_name

CROWD = [number.to_bytes(4, "big") for number in range(MOST_EXCHANGES)]
FEW = CROWD[:30]
OTHER = b"\x7f\0\7\x0a"
LIMITS = Limits()


def key(name: str, view: int = 0, qclass: int = 1) -> CacheKey:
    return CacheKey(view, parse_name(name), 1, qclass, False, False)


def fill(room: Room, keys: Callable[[int], CacheKey], clients: list[bytes] = FEW, *, first: int = 0) -> list[CacheKey]:
    """Take up all the places from number `first` on, at the instant 0."""
    made = [keys(number) for number in range(first, MOST_EXCHANGES)]
    for number, opening in enumerate(made):
        room.enter(clients[number % len(clients)], opening, 0)
    return made


def silent(number: int) -> CacheKey:
    return key(f"x{number}.silent.example")


SILENT: dict[str, Callable[[int], CacheKey]] = {
    "one zone": silent,
    "one zone below a public suffix": lambda n: key(f"x{n}.silent.co.uk"),
    "a zone of four labels": lambda n: key(f"x{n}.a.silent.co.uk"),
    "labels that vary at every depth": lambda n: key(
        f"x{n}{('', f'.y{n}', f'.z{n}.y{n}', '.a.b')[n % 4]}.silent.example"
    ),
    "twenty zones": lambda n: key(f"x{n}.silent{n % 20}.example"),
    "a conditional zone": lambda n: key(f"x{n}.y{n}.z{n}.corp", view=1),
    "another class": lambda n: key(f"x{n}.silent.example", qclass=4),
}


@pytest.mark.parametrize("clients", [FEW, CROWD], ids=["few clients", "a crowd"])
@pytest.mark.parametrize("silent_key", SILENT.values(), ids=list(SILENT))
def test_the_oldest_of_a_silent_zone_gives_way_to_other_zones(
    make_room: Callable[..., Room], silent_key: Callable[[int], CacheKey], clients: list[bytes]
) -> None:
    room = make_room(LIMITS)
    keys = fill(room, silent_key, clients)
    for name in ("new.example", "new.co.uk", "new.example.org", "org"):
        assert room.giving_way(OTHER, key(name), OLD_MS) == keys[0]


def test_the_oldest_of_a_heavy_client_gives_way_where_each_zone_has_one_question(
    make_room: Callable[..., Room],
) -> None:
    room = make_room(LIMITS)
    keys = fill(room, lambda n: key(f"x.silent{n}.example{n}"))
    assert room.giving_way(OTHER, key("new.example.org"), OLD_MS) == keys[0]
    assert room.giving_way(FEW[0], key("new.example.org"), OLD_MS) is None


def test_a_heavy_zone_s_own_next_question_gets_no_place(make_room: Callable[..., Room]) -> None:
    room = make_room(LIMITS)
    keys = fill(room, silent)
    assert room.giving_way(FEW[0], silent(-1), OLD_MS) is None
    # Of a client that has nothing on its way, it does; of a crowd of such clients, not.
    assert room.giving_way(OTHER, silent(-1), OLD_MS) == keys[0]
    room = make_room(LIMITS)
    fill(room, silent, CROWD)
    assert room.giving_way(OTHER, silent(-1), OLD_MS) is None


def test_a_heavy_client_s_question_under_another_zone_gets_a_place(make_room: Callable[..., Room]) -> None:
    room = make_room(LIMITS)
    keys = fill(room, silent)
    assert room.giving_way(FEW[0], key("new.example.org"), OLD_MS) == keys[0]


def test_no_question_gives_way_while_there_is_room_or_no_seat_or_it_is_young(make_room: Callable[..., Room]) -> None:
    room = make_room(Limits(waiting_per_client=200))
    keys = fill(room, silent)
    new = key("new.example.org")
    assert room.giving_way(OTHER, new, OLD_MS - 1) is None
    for _ in range(200):
        room.enter(OTHER)
    assert room.giving_way(OTHER, new, OLD_MS) is None
    room.leave(OTHER)
    assert room.giving_way(OTHER, new, OLD_MS) == keys[0]
    room.shut(keys[7])
    assert room.giving_way(OTHER, new, OLD_MS) is None


def test_no_question_gives_way_where_nobody_is_heavy(make_room: Callable[..., Room]) -> None:
    room = make_room(LIMITS)
    few = HEAVY - 1
    fill(room, lambda n: key(f"x{n}.silent{n // few}.example{n // few}"), CROWD)
    assert room.giving_way(OTHER, key("new.example.org"), OLD_MS) is None


def test_light_questions_are_passed_over_a_few_at_a_time(make_room: Callable[..., Room]) -> None:
    room = make_room(LIMITS)
    few = LOOKS + 1
    light = [key(f"slow.zone{number}.org") for number in range(few)]
    for number, opening in enumerate(light):
        room.enter(CROWD[100 + number], opening, 0)
    keys = fill(room, silent, first=few)
    assert room.giving_way(OTHER, key("new.example.org"), OLD_MS) is None
    for at in range(100):
        assert room.giving_way(OTHER, key("new.example.org"), OLD_MS) == keys[at]
        room.shut(keys[at])
        room.enter(OTHER, key(f"new{at}.site{at}.net"), OLD_MS)


def test_what_is_over_counts_no_more(make_room: Callable[..., Room]) -> None:
    room = make_room(LIMITS)
    keys = fill(room, silent)
    assert room.giving_way(OTHER, key("new.example.org"), OLD_MS) == keys[0]
    for number, opening in enumerate(keys[: 1 - HEAVY]):
        room.shut(opening)
        room.enter(b"many" + CROWD[number], key(f"x.other{number}.example{number}"), OLD_MS)
        room.leave(FEW[number % len(FEW)])
    assert room.giving_way(OTHER, key("new.example.org"), 2 * OLD_MS) is None


def test_a_table_that_is_three_quarters_full_is_crowded(make_room: Callable[..., Room]) -> None:
    room = make_room(LIMITS)
    fill(room, silent, first=MOST_EXCHANGES - CROWDED_FROM + 1)
    assert not room.is_crowded()
    room.enter(OTHER, key("new.example.org"), 0)
    assert room.is_crowded()
