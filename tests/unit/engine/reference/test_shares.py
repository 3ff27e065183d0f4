"""The question that is evicted when the table is full, in the table of each engine."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.cache.keys import CacheKey
from dnsfilter.config.node_config import Limits
from dnsfilter.engine.reference.room import CROWDED_FROM, MOST_EXCHANGES
from dnsfilter.engine.reference.shares import HEAVY, LOOKS, OLD_MS
from tests.fuzz.examples import examples
from tests.support.engines import KINDS
from tests.unit.engine.tables import Bench, bench, waiter
from tests.unit.engine.tables import key_of as key

pytestmark = pytest.mark.heavy

CROWD = [number.to_bytes(4, "big") for number in range(MOST_EXCHANGES)]
FEW = CROWD[:30]
OTHER = b"\x7f\0\7\x0a"


def fill(at: Bench, keys: Callable[[int], CacheKey], clients: list[bytes] = FEW, *, first: int = 0) -> list[CacheKey]:
    """Open exchanges from number `first` on until the table is full, at the instant 0."""
    made = [keys(number) for number in range(first, MOST_EXCHANGES)]
    for number, opening in enumerate(made):
        at.open(opening, clients[number % len(clients)], 0)
    return made


def find_evictable(at: Bench, client: bytes, opening: CacheKey, now_ms: int) -> CacheKey | None:
    leaving = at.table.find_evictable(opening, client, now_ms)
    return None if leaving is None else leaving.key


def finish(at: Bench, opening: CacheKey) -> None:
    exchange = at.table.find(opening)
    assert exchange is not None
    at.table.finish(exchange)


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
def test_oldest_question_of_a_silent_zone_is_evicted_for_other_zones(
    kind: str, silent_key: Callable[[int], CacheKey], clients: list[bytes]
) -> None:
    with bench(kind) as at:
        keys = fill(at, silent_key, clients)
        for name in ("new.example", "new.co.uk", "new.example.org", "org"):
            assert find_evictable(at, OTHER, key(name), OLD_MS) == keys[0]


def test_oldest_question_of_a_heavy_client_is_evicted_if_each_zone_has_one_question(kind: str) -> None:
    with bench(kind) as at:
        keys = fill(at, lambda n: key(f"x.silent{n}.example{n}"))
        assert find_evictable(at, OTHER, key("new.example.org"), OLD_MS) == keys[0]
        assert find_evictable(at, FEW[0], key("new.example.org"), OLD_MS) is None


def test_next_question_of_a_heavy_zone_gets_no_place(kind: str) -> None:
    with bench(kind) as at:
        keys = fill(at, silent)
        assert find_evictable(at, FEW[0], silent(-1), OLD_MS) is None
        # A client without pending questions gets a place, a crowd of such clients does not.
        assert find_evictable(at, OTHER, silent(-1), OLD_MS) == keys[0]
    with bench(kind) as at:
        fill(at, silent, CROWD)
        assert find_evictable(at, OTHER, silent(-1), OLD_MS) is None


def test_question_of_a_heavy_client_in_another_zone_gets_a_place(kind: str) -> None:
    with bench(kind) as at:
        keys = fill(at, silent)
        assert find_evictable(at, FEW[0], key("new.example.org"), OLD_MS) == keys[0]


def test_no_question_is_evicted_while_there_is_room_or_the_client_has_none_or_it_is_young(kind: str) -> None:
    with bench(kind, limits=Limits(waiting_per_client=200)) as at:
        keys = fill(at, silent)
        new = key("new.example.org")
        assert find_evictable(at, OTHER, new, OLD_MS - 1) is None
        last = at.table.find(keys[-1])
        assert last is not None
        for _ in range(200):
            at.table.join(last, waiter(OTHER))
        assert find_evictable(at, OTHER, new, OLD_MS) is None
        at.table.dismiss(last)
        assert find_evictable(at, OTHER, new, OLD_MS) == keys[0]
        finish(at, keys[7])
        assert find_evictable(at, OTHER, new, OLD_MS) is None


def test_no_question_is_evicted_if_no_group_is_heavy(kind: str) -> None:
    with bench(kind) as at:
        few = HEAVY - 1
        fill(at, lambda n: key(f"x{n}.silent{n // few}.example{n // few}"), CROWD)
        assert find_evictable(at, OTHER, key("new.example.org"), OLD_MS) is None


def test_light_questions_are_skipped_a_few_at_a_time(kind: str) -> None:
    with bench(kind) as at:
        few = LOOKS + 1
        for number in range(few):
            at.open(key(f"slow.zone{number}.org"), CROWD[100 + number], 0)
        keys = fill(at, silent, first=few)
        assert find_evictable(at, OTHER, key("new.example.org"), OLD_MS) is None
        for place in range(100):
            assert find_evictable(at, OTHER, key("new.example.org"), OLD_MS) == keys[place]
            finish(at, keys[place])
            at.open(key(f"new{place}.site{place}.net"), OTHER, OLD_MS)


def test_finished_questions_no_longer_count(kind: str) -> None:
    with bench(kind) as at:
        keys = fill(at, silent)
        assert find_evictable(at, OTHER, key("new.example.org"), OLD_MS) == keys[0]
        for number, opening in enumerate(keys[: 1 - HEAVY]):
            finish(at, opening)
            at.open(key(f"x.other{number}.example{number}"), b"many" + CROWD[number], OLD_MS)
        assert find_evictable(at, OTHER, key("new.example.org"), 2 * OLD_MS) is None


def test_table_is_crowded_from_three_quarters_on(kind: str) -> None:
    with bench(kind) as at:
        fill(at, silent, first=MOST_EXCHANGES - CROWDED_FROM + 1)
        assert not at.table.is_crowded()
        at.open(key("new.example.org"), OTHER, 0)
        assert at.table.is_crowded()


LABELS = ("a", "b", "c")
names = st.builds(
    lambda first, rest: ".".join((f"x{first}", *rest)),
    st.integers(0, 9999),
    st.lists(st.sampled_from(LABELS), max_size=4),
)
questions = st.tuples(names, st.integers(0, 2), st.integers(0, 60))
spread = st.lists(questions, min_size=5, max_size=30)
steps = st.lists(st.tuples(questions, st.sampled_from((0, 1, 150, 400))), max_size=60)


@pytest.mark.slow
@pytest.mark.skipif("compiled" not in KINDS, reason="there is no twin")
@examples(25)
@given(filling=spread, asked=steps)
def test_both_tables_evict_the_same_questions(
    filling: list[tuple[str, int, int]], asked: list[tuple[tuple[str, int, int], int]]
) -> None:
    limits = Limits(waiting_per_client=4096)
    with bench("reference", limits=limits) as reference, bench("compiled", limits=limits) as twin:
        both = reference, twin
        for number in range(MOST_EXCHANGES):
            name, view, client = filling[number % len(filling)]
            opening, address = key(f"y{number}.{name}", view), bytes((10, 0, client, number % 3))
            for at in both:
                at.open(opening, address, number // 100)
        now_ms = 100
        for number, ((name, view, client), wait_ms) in enumerate(asked):
            now_ms += wait_ms
            opening, address = key(f"z{number}.{name}", view), bytes((10, 0, client, 0))
            leaving = find_evictable(reference, address, opening, now_ms)
            assert find_evictable(twin, address, opening, now_ms) == leaving
            for at in both:
                if leaving is not None:
                    finish(at, leaving)
                    at.open(opening, address, now_ms)
