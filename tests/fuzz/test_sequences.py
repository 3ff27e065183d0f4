"""One engine through arbitrary sequences: clients ask, upstreams answer, time passes, policies change.

In any order, each reply obeys the rules of the policy in force when it was sent. No client gets a reply twice. At the
end every client has its reply.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import dns.message
import dns.name
import dns.rcode
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.node_config import Strategy
from dnsfilter.engine.interface import Miss, Reply
from dnsfilter.engine.slow_path.local import PROBE_NAME
from dnsfilter.policy.model import Mode
from dnsfilter.telemetry.metrics import Transport
from tests.contract.cases import office
from tests.fuzz.examples import examples
from tests.fuzz.seeds import ANSWERS, LABEL, QNAME, QUERIES, addressed
from tests.support.engines import GHENT, MECHELEN, UNREGISTERED, Client, Rig, query, running
from tests.support.message_mutations import Mutant, mutants
from tests.support.oracle import check_reply, read_query
from tests.support.policies import NOW
from tests.support.scripted import Scripted, reply, silent
from tests.support.weighted_choices import often

BANNED = (dns.name.from_text("tiktok.com"), dns.name.from_text("cdn.example.net"))
MOST_MS = 45_000
"""The most by which a sequence moves the clock, which must stay behind the machine's own."""
GIVEN_UP_MS = 5_000
"""The time after which an exchange has an answer or has failed."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A client asks, by datagram or by stream."""

    client: str
    message: Mutant
    transport: Transport


@dataclass(frozen=True, slots=True)
class Say:
    """An upstream answers one of the questions that it got, perhaps late or a second time."""

    answer: Mutant
    whom: int


@dataclass(frozen=True, slots=True)
class Stream:
    """The streams that the engine requests return this answer, or none."""

    answer: Mutant | None


@dataclass(frozen=True, slots=True)
class Fail:
    """Upstreams refuse everything, so that only the cache can answer."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Time passes."""

    milliseconds: int


@dataclass(frozen=True, slots=True)
class Swap:
    """Ghent's ban gets another mode."""

    mode: Mode


Step: TypeAlias = Ask | Say | Stream | Fail | Wait | Swap


def _queries(names: Sequence[str], qtypes: Sequence[str]) -> dict[str, bytes]:
    return {
        f"{name} {qtype} {fields}": query(name, qtype, id=7, **fields)
        for name in names
        for qtype in qtypes
        for fields in ({"edns": False}, {"payload": 512}, {"do": True}, {"cd": True})
    }


SAME = _queries([QNAME], ["A"])
"""Queries that share cache entries and pending questions, from clients that get different answers."""
OTHERS = {**_queries([QNAME], ["HTTPS"]), **_queries(["n0000001.example.org", "www.tiktok.com"], ["A"]), **QUERIES}
SHORT_LIVED = {name: data for name, data in ANSWERS.items() if "short-lived" in name}
answers = often((1, mutants(SHORT_LIVED, 0)), (1, mutants(ANSWERS, 0)), (1, mutants(ANSWERS, 3)))
asks = st.builds(
    Ask,
    st.sampled_from((GHENT, MECHELEN, MECHELEN, UNREGISTERED)),
    often((2, mutants(SAME, 0)), (1, mutants(OTHERS, 1))),
    st.sampled_from(Transport),
)
says = st.builds(Say, answers, st.one_of(st.just(0), st.integers(0, 20)))
steps: st.SearchStrategy[Step] = often(
    (3, asks),
    (3, says),
    (1, st.just(Fail())),
    (1, st.builds(Stream, often((1, st.none()), (3, answers)))),
    (1, st.builds(Wait, st.sampled_from((1, 1_200, 3_000, 3_000, 12_000)))),
    (1, st.builds(Swap, st.sampled_from((Mode.ENFORCE, Mode.OFF, Mode.MONITOR)))),
)

beginnings: st.SearchStrategy[list[Step]] = st.one_of(
    st.just([]),
    # An entry that is stale from the start.
    st.tuples(
        st.builds(Ask, st.just(MECHELEN), mutants(SAME, 0), st.just(Transport.UDP)),
        st.builds(Say, mutants(SHORT_LIVED, 0), st.just(0)),
        st.just(Wait(3_000)),
    ).map(list),
)


@dataclass(slots=True)
class Pending:
    """A pending query: by datagram with its socket, by stream with its ticket."""

    ask: Ask
    socket: Client | None = None
    ticket: int = 0


@dataclass(slots=True)
class Course:
    """The run of one sequence."""

    rig: Rig
    mode: Mode = Mode.ENFORCE
    spent_ms: int = 0
    revision: int = 1
    pending: list[Pending] = field(default_factory=list)

    def take(self, step: Step) -> None:
        """Carry out a step. Check the replies that follow against the rules."""
        match step:
            case Ask():
                self._ask(step)
            case Say():
                self._say(step)
            case Stream(answer):
                said = None if answer is None else answer.data
                self.rig.complete(lambda _, message: said and addressed(said, message, self._label(message)))
            case Fail():
                self._fail()
            case Wait(milliseconds) if self.spent_ms + milliseconds <= MOST_MS:
                self.spent_ms += milliseconds
                self.rig.pass_time(milliseconds)
            case Wait():
                pass
            case Swap(mode):
                self.mode, self.revision = mode, self.revision + 1
                self.rig.swap(office(mode=mode, revision=self.revision), NOW)
        self.rig.settle()
        self.listen()

    def _ask(self, ask: Ask) -> None:
        message = ask.message.data
        if ask.transport is Transport.UDP:
            self.pending.append(Pending(ask, self.rig.send(message, ask.client)))
            return
        match self.rig.judge(message, ask.client, ask.transport):
            case Reply(found):
                self._check(ask, found)
            case Miss() as miss:
                self.pending.append(Pending(ask, ticket=self.rig.forward(miss)))
            case _:
                assert read_query(message) is None

    def _say(self, say: Say) -> None:
        asked = [(upstream, asked) for upstream in self.rig.upstreams for asked in reversed(upstream.asked)]
        if asked:
            upstream, whom = asked[say.whom % len(asked)]
            upstream.say(whom, addressed(say.answer.data, whom.message, self._label(whom.message)))

    def _fail(self) -> None:
        for _ in range(2):  # the engine asks the second upstream after the first has refused
            for upstream in self.rig.upstreams:
                for asked in upstream.asked:
                    upstream.say(asked, reply(asked, rcode=dns.rcode.REFUSED))
            self.rig.settle()

    def _label(self, message: bytes) -> bytes:
        """Return the question's first label if it is as long as that of the seeds' name, else the seeds' label."""
        return message[12:21] if message[12] == LABEL[0] else LABEL

    def listen(self) -> None:
        """Check every reply that has come."""
        for waiting in list(self.pending):
            heard = self.rig.answered.pop(waiting.ticket, None) if waiting.socket is None else waiting.socket.receive()
            if heard is not None:
                self._check(waiting.ask, heard)
                assert waiting.socket is None or waiting.socket.receive() is None
                self.pending.remove(waiting)

    def _check(self, ask: Ask, heard: bytes) -> None:
        refused = ask.client == GHENT and self.mode is Mode.ENFORCE
        check_reply(ask.message.data, heard, ask.transport, banned=BANNED if refused else ())
        if ask.client == UNREGISTERED and heard[3] & 15 not in (dns.rcode.FORMERR, dns.rcode.NOTIMP):
            assert heard[6:10] == bytes(4) or PROBE_NAME in ask.message.data.lower()

    def end(self) -> None:
        """Check that every due reply comes after all waits, and that the engine still answers."""
        for _ in range(10):
            self.rig.complete(lambda _upstream, _message: None)
            self.rig.pass_time(GIVEN_UP_MS // 4)
            self.listen()
        assert [waiting for waiting in self.pending if read_query(waiting.ask.message.data) is not None] == []
        for upstream in self.rig.upstreams:
            upstream.behave = lambda asked: (reply(asked, (f"{asked.name}. 300 A 198.51.100.1",)),)
        last = self.rig.ask(query("last.example.org"), MECHELEN)
        assert (last.rcode(), len(last.answer)) == (dns.rcode.NOERROR, 1)


@examples(50)
@given(st.sampled_from(Strategy), st.booleans(), st.booleans(), beginnings, st.lists(steps, min_size=10, max_size=30))
def test_any_sequence_keeps_every_rule(
    kind: str, strategy: Strategy, vary_case: bool, cookies: bool, beginning: list[Step], sequence: list[Step]
) -> None:
    upstreams = Scripted(silent), Scripted(silent)
    with running(kind, office(), *upstreams, strategy=strategy, vary_case=vary_case, cookies=cookies) as rig:
        course = Course(rig)
        for step in (*beginning, *sequence):
            course.take(step)
        course.end()
