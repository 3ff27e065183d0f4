"""The cache in C behaves as `AnswerCache` below capacity, for any history. Other tests fill it."""

import resource
import subprocess
import sys

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dnsfilter.cache.answer_cache import AnswerCache, Entry
from dnsfilter.cache.keys import CacheKey
from dnsfilter.wire.answer import Answer, follow, parse_answer, prune_answer
from dnsfilter.wire.iana import Rcode, Type
from dnsfilter.wire.names import parse_name
from tests.fuzz.examples import examples
from tests.support.caches import facts
from tests.unit.cache.messages import TC, Rr, address, answer, denial, failure, key
from tests.unit.wire.build import answered

compiled = pytest.importorskip("dnsfilter.engine._engine")

MAX_BYTES = 10_000_000
STALE_S = 30
NAMES = ["example.org", "www.example.org", "a.www.example.org", "www.example.net"]


def cacheable(message: bytes) -> Answer:
    parsed = parse_answer(message)
    return prune_answer(parsed, follow(parsed, parsed.question), True)


def chain(name: str, ttl: int) -> Answer:
    """Return an alias, two addresses with different TTLs, and a server's address in the additional section."""
    lines = (f"{name}. 300 CNAME web.example.net.", f"web.example.net. {ttl} A 192.0.2.1")
    server = ("example.net. 900 NS ns.example.net.",)
    additional = ("ns.example.net. 9 A 192.0.2.3",)
    return cacheable(answered(name, "A", (*lines, "web.example.net. 70 A 192.0.2.2"), server, additional))


def some_answer(name: str, kind: int, ttl: int) -> Answer:
    shapes = (
        lambda: failure(name),
        lambda: denial(name, ttl),
        lambda: denial(name, ttl, Rcode.NOERROR),
        lambda: answer(name, [Rr(name, Type.A, 60)], flags=0x8180 | TC),
        lambda: answer(name, [Rr(name, Type.TXT, ttl, "x" * 200)] * (ttl % 8), qtype=Type.TXT),
        lambda: chain(name, ttl),
        lambda: address(name, ttl),
    )
    return shapes[kind]()


keys = st.builds(
    CacheKey,
    st.integers(0, 2),
    st.sampled_from(list(map(parse_name, NAMES))),
    st.sampled_from([1, 28]),
    st.sampled_from([1, 3]),
    st.booleans(),
    st.booleans(),
)


class TwinMachine(RuleBasedStateMachine):
    """The same puts, gets and times for both caches, far below their limits."""

    def __init__(self) -> None:
        super().__init__()
        self.readable = AnswerCache(MAX_BYTES, STALE_S, True)
        self.fast = compiled.Store(MAX_BYTES, STALE_S, True)
        self.now_ms = 5_000

    @rule(
        where=keys,
        name=st.sampled_from(NAMES),
        kind=st.integers(0, 6),
        ttl=st.integers(0, 100),
        leads_to=st.lists(st.binary(min_size=1, max_size=255), max_size=3).map(tuple),
        ad=st.booleans(),
    )
    def put(self, where: CacheKey, name: str, kind: int, ttl: int, leads_to: tuple[bytes, ...], ad: bool) -> None:
        message = some_answer(name, kind, ttl)
        entry = self.readable.put(where, message, leads_to, ad, self.now_ms)
        other = self.fast.put(where, message, leads_to, ad, self.now_ms)
        assert other.answer is message
        assert facts(other) == facts(entry)
        assert bool(other.size) == bool(entry.size)

    @rule(where=keys)
    def get(self, where: CacheKey) -> None:
        assert facts(self.fast.get(where, self.now_ms)) == facts(self.readable.get(where, self.now_ms))

    @rule(where=keys, hits=st.integers(1, 3))
    def hit(self, where: CacheKey, hits: int) -> None:
        for _ in range(hits):
            assert self.fast.note_hit(where, self.now_ms) == self.readable.note_hit(where, self.now_ms)

    @rule(ms=st.integers(0, 60_000))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @invariant()
    def both_hold_as_many(self) -> None:
        assert len(self.fast) == len(self.readable)
        assert (self.fast.bytes == 0) == (self.readable.bytes == 0)


TestTwinMachine = TwinMachine.TestCase
TestTwinMachine.settings = settings(examples(80), stateful_step_count=40)


class CrowdedMachine(RuleBasedStateMachine):
    """More answers than there is room for: `get` returns the newest put, and memory stays below its limit."""

    most = 40_000

    def __init__(self) -> None:
        super().__init__()
        self.cache = compiled.Store(self.most, STALE_S)
        self.newest: dict[CacheKey, Entry | None] = {}
        self.now_ms = 0

    @rule(
        number=st.integers(0, 200),
        kind=st.integers(0, 6),
        ttl=st.integers(0, 100),
        leads_to=st.lists(st.binary(min_size=1, max_size=255), max_size=12).map(tuple),
    )
    def put(self, number: int, kind: int, ttl: int, leads_to: tuple[bytes, ...]) -> None:
        where = key(f"n{number}.example.org")
        message = some_answer(f"n{number}.example.org", kind, ttl)
        entry = self.cache.put(where, message, leads_to, False, self.now_ms)
        if kind not in (0, 3):
            self.newest[where] = entry if entry.size else None
        if entry.size:
            assert facts(self.cache.get(where, self.now_ms)) == facts(entry)

    @rule(number=st.integers(0, 200))
    def get(self, number: int) -> None:
        where = key(f"n{number}.example.org")
        entry = self.cache.get(where, self.now_ms)
        if entry is not None:
            assert facts(entry) == facts(self.newest[where])
            assert self.now_ms < entry.expires_ms + STALE_S * 1_000

    @rule(ms=st.integers(0, 60_000))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @invariant()
    def memory_is_bounded(self) -> None:
        assert 0 <= self.cache.bytes <= self.most
        assert (self.cache.bytes == 0) == (len(self.cache) == 0)
        assert self.cache.bytes >= 200 * len(self.cache)


TestCrowdedMachine = CrowdedMachine.TestCase
TestCrowdedMachine.settings = settings(examples(60), stateful_step_count=60)


def test_answer_larger_than_an_eighth_of_the_cache_is_returned_but_not_cached() -> None:
    large = answer(answers=[Rr("www.example.org", Type.TXT, 300, "x" * 255) for _ in range(40)], qtype=Type.TXT)
    size = compiled.Store(MAX_BYTES, 0).put(key(), large, (), False, 0).size
    index = max(8, (1 << (8 * size // 256).bit_length() - 1) * 8)
    for max_bytes, is_kept in ((8 * size + index, True), (8 * size + index - 1, False)):
        cache = compiled.Store(max_bytes, 0)
        cache.put(key(), address(), (), False, now_ms=0)
        entry = cache.put(key(), large, (), False, now_ms=0)
        assert entry.answer is large
        assert (cache.get(key(), 0) is not None) == is_kept
        assert entry.size == (size if is_kept else 0)


def test_oldest_entry_on_probation_is_evicted_first() -> None:
    size = compiled.Store(MAX_BYTES, 0).put(key("n0.example.org"), address("n0.example.org"), (), False, 0).size
    count = 100
    cache = compiled.Store(count * size + 8 * 64, 0)
    for number in range(10, 10 + count + 1):
        cache.put(key(f"{number}.example.org"), address(f"{number}.example.org"), (), False, now_ms=0)
    gone = [n for n in range(10, 10 + count + 1) if cache.get(key(f"{n}.example.org"), 0) is None]
    assert gone == list(range(10, 10 + len(gone)))
    assert 1 <= len(gone) <= 10


def test_most_recently_used_entry_is_protected_longest() -> None:
    cache = compiled.Store(100_000, 0)
    names = [f"n{number}.example.org" for number in range(150)]
    for name in names:
        cache.put(key(name), address(name), (), False, now_ms=0)
        cache.get(key(name), 0)
    for name in names[:50]:
        cache.get(key(name), 2_000)
    for number in range(2_000):
        name = f"x{number}.example.org"
        cache.put(key(name), address(name, 900), (), False, now_ms=3_000)
        if number < 200:
            cache.get(key(name), 3_000)
    held = {name for name in names if cache.get(key(name), 3_001) is not None}
    assert set(names[:50]) <= held
    assert len(held) < 150


MEASURE = """
from dnsfilter.cache.keys import CacheKey
from dnsfilter.engine._engine import Store
from dnsfilter.wire.answer import follow, parse_answer
from tests.support.name_floods import answered, names

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

answers = [parse_answer(answered(message)) for message in names(200, 1)]
targets = [follow(answer, answer.question).targets for answer in answers]
before = resident()
cache = Store(SIZE, 3600)
for flood in range(3):
    for number in range(50_000):
        which = number * 7919 % 200
        label = b"%d-%d" % (flood, number)
        key = CacheKey(0, bytes((len(label),)) + label + b"\\7example\\0", 1, 1, False, False)
        cache.put(key, answers[which], targets[which], False, number)
        if number % 3 == 0:
            cache.get(key, number)
    assert SIZE * 9 // 10 < cache.bytes <= SIZE, cache.bytes
    print(resident() - before)
"""


@pytest.mark.slow
@pytest.mark.memory
def test_full_cache_uses_the_memory_it_reports_and_a_longer_flood_no_more() -> None:
    size = 12_000_000
    script = MEASURE.replace("SIZE", str(size))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    taken = list(map(int, done.stdout.split()))
    slack = 64 * resource.getpagesize()
    assert all(size // 2 < memory < size * 5 // 4 + slack for memory in taken), taken
