"""The cache compared with a plain dictionary, over arbitrary histories."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from dnsfilter.cache.answer_cache import AnswerCache, Entry, lifetime_s
from dnsfilter.wire.answer import Answer
from dnsfilter.wire.iana import Type
from tests.fuzz.examples import examples
from tests.unit.cache.messages import Rr, address, answer, denial, failure, key

MAX_BYTES = 24_000
STALE_S = 30
NAMES = [f"n{number}.example.org" for number in range(30)]


def text_of(name: str, records: int) -> Answer:
    return answer(name, [Rr(name, Type.TXT, 60, "x" * 200)] * records, qtype=Type.TXT)


def some_answer(name: str, kind: int, ttl: int) -> Answer:
    match kind:
        case 0:
            return failure(name)
        case 1:
            return denial(name, ttl)
        case 2:
            return text_of(name, ttl % 8)
        case _:
            return address(name, ttl)


class CacheMachine(RuleBasedStateMachine):
    """Puts, gets and time. `newest` is the last conclusive entry of each name, or None if it must not be cached."""

    def __init__(self) -> None:
        super().__init__()
        self.cache = AnswerCache(MAX_BYTES, STALE_S)
        self.newest: dict[str, Entry | None] = {}
        self.now_ms = 0

    @rule(
        name=st.sampled_from(NAMES),
        kind=st.integers(0, 5),
        ttl=st.integers(0, 100),
        leads_to=st.lists(st.binary(min_size=1, max_size=255), max_size=3),
    )
    def put(self, name: str, kind: int, ttl: int, leads_to: list[bytes]) -> None:
        message = some_answer(name, kind, ttl)
        entry = self.cache.put(key(name), message, tuple(leads_to), False, self.now_ms)
        assert entry.answer is message
        assert entry.expires_ms - self.now_ms == lifetime_s(message) * 1_000
        if kind != 0:
            self.newest[name] = entry if entry.size else None

    @rule(name=st.sampled_from(NAMES))
    def get(self, name: str) -> None:
        found = self.cache.get(key(name), self.now_ms)
        if found is not None:
            assert found is self.newest[name]
            assert self.now_ms < found.expires_ms + STALE_S * 1_000

    @rule(ms=st.integers(0, 60_000))
    def wait(self, ms: int) -> None:
        self.now_ms += ms

    @invariant()
    def sizes_are_bounded_and_add_up(self) -> None:
        assert 0 <= self.cache.bytes <= MAX_BYTES
        held = [*self.cache._probation.values(), *self.cache._protected.values()]
        assert len(self.cache) == len(held)
        assert self.cache.bytes == sum(entry.size for entry in held)
        assert self.cache._protected_bytes == sum(entry.size for entry in self.cache._protected.values())
        assert all(entry.size for entry in held)


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(examples(60), stateful_step_count=60)
