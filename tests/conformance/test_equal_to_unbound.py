"""The node and Unbound get the same questions and use the same servers; their answers agree.

No ban applies to the questions: thousands of ordinary ones and some odd ones. The only differences are those in the
table of differences.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import dns.flags
import dns.rcode
import dns.rdatatype
import pytest

from tests.support.authoritative_truth import walked
from tests.support.knot import Knot
from tests.support.nodes import Node
from tests.support.odd_questions import odd_questions
from tests.support.parallel_questions import Asker
from tests.support.questions import Asked, Edns, questions
from tests.support.reply_comparison import Pair, RecordSet, Seen, differing, seen
from tests.support.unbound import Unbound
from tests.support.unbound_differences import DIFFERENCES, explained
from tests.support.varied_zones import SIGNED, VARIED

pytestmark = pytest.mark.slow

NUMBER = 10_000
SEED = 20230310
LONGEST_DENIAL_S = 3_600
SHOWN = 5
ODD_AT_A_TIME = 80
"""Odd questions per second. Most are errors to Unbound, which sends at most 100 errors a second."""
DAYS_S = 1_000_000
"""Seconds, more than any TTL of the zones."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Every question with both replies: first cold, then warm, then over TCP if UDP truncated it.

    A pair that differs also holds the authority's answer. `took_s` is the time for all queries. `originals` are the
    authority's TTLs of our answers. `lasting` is how long a denial with a SOA may be kept (RFC 2308 section 5).
    """

    pairs: tuple[Pair, ...]
    took_s: int
    originals: Mapping[RecordSet, int]
    lasting: Mapping[RecordSet, int]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    """Ask both resolvers each question twice, over its transport, and return the replies."""
    asked = questions(VARIED, NUMBER, SEED)
    with Knot(VARIED, signed=SIGNED) as authority, Unbound(authority.hostport) as unbound:
        with Node(tmp_path_factory.mktemp("node"), authority.hostport) as node:
            began = time.monotonic()
            pairs = [pair for _ in ("cold", "warm") for pair in _pairs(node, unbound, asked)]
            pairs += [pair for _ in ("cold", "warm") for pair in _odd_pairs(node, unbound)]
            cut = dict.fromkeys(replace(pair.asked, stream=True) for pair in pairs if pair.ours.cut)
            pairs += _pairs(node, unbound, list(cut))
            took_s = int(time.monotonic() - began) + 1
        known = _with_truth(authority, pairs, took_s)
        yield Compared(tuple(known), took_s, _originals(authority, pairs), _lasting(authority, pairs))


def _pairs(node: Node, unbound: Unbound, asked: Sequence[Asked]) -> list[Pair]:
    replies = zip(asked, _replies(node.port, asked), _replies(unbound.port, asked), strict=True)
    return [Pair(each, seen(ours), seen(theirs)) for each, ours, theirs in replies]


def _odd_pairs(node: Node, unbound: Unbound) -> Iterator[Pair]:
    asked = odd_questions()
    for start in range(0, len(asked), ODD_AT_A_TIME):
        time.sleep(1)
        yield from _pairs(node, unbound, asked[start : start + ODD_AT_A_TIME])


def _replies(port: int, asked: Sequence[Asked]) -> list[bytes]:
    with Asker(("127.0.0.1", port)) as asker:
        return asker.ask_all([(each.stream, each.wire()) for each in asked])


def _with_truth(authority: Knot, pairs: Sequence[Pair], took_s: int) -> list[Pair]:
    """Return `pairs`. Add the authority's answer to each pair that differs."""
    asked = list(dict.fromkeys(pair.asked for pair in pairs if differing(pair, took_s)))
    truths = dict(zip(asked, walked(lambda legs: _replies(authority.port, legs), asked), strict=True))
    return [replace(pair, truth=truths.get(pair.asked)) for pair in pairs]


def _originals(authority: Knot, pairs: Sequence[Pair]) -> dict[RecordSet, int]:
    """Return the authority's TTL of every record set in our answers, except answers to ANY."""
    keys = sorted({key for pair in pairs if pair.asked.qtype != dns.rdatatype.ANY for key in pair.ours.ttls})
    return {key: found.ttls[key] for key, found in _held(authority, keys).items()}


def _lasting(authority: Knot, pairs: Sequence[Pair]) -> dict[RecordSet, int]:
    """Return how long each SOA in our denials may be kept: by the authority's TTL and MINIMUM, and an hour at most."""
    keys = sorted({key for pair in pairs for key in pair.ours.denial_ttls})
    held = _held(authority, keys)
    minimum = {key: int.from_bytes(data[-4:], "big") for key in keys for data in held[key].answer[key]}
    return {key: min(held[key].ttls[key], minimum[key], LONGEST_DENIAL_S) for key in keys}


def _held(authority: Knot, keys: Sequence[RecordSet]) -> dict[RecordSet, Seen]:
    """Return the authority's answer for each record set in `keys`."""
    edns = Edns(4096, do=True)
    asked = [Asked(owner, covered or rtype, False, False, False, edns, True) for owner, rtype, covered in keys]
    return {key: seen(reply) for key, reply in zip(keys, _replies(authority.port, asked), strict=True)}


def test_answers_agree_but_for_known_differences(compared: Compared) -> None:
    """Compare rcode, flags except AA, question, answer, SOA and proofs of a denial, EDNS and TTLs.

    Answers are compared as sets, and TTLs may differ by the time that passed.
    """
    unknown = [
        f"{sorted(aspect.value for aspect in left)} differ\n{pair}"
        for pair in compared.pairs
        if (left := explained(pair, differing(pair, compared.took_s))[1])
    ]
    assert len(compared.pairs) > 2 * (NUMBER + len(odd_questions()))
    assert not unknown, f"{len(unknown)} answers differ without a known reason:\n" + "\n".join(unknown[:SHOWN])


def test_every_known_difference_occurs(compared: Compared) -> None:
    used: Counter[str] = Counter()
    for pair in compared.pairs:
        used.update(explained(pair, differing(pair, compared.took_s))[0])
    assert set(used) == {row.id for row in DIFFERENCES}


def test_what_is_truncated_over_udp_is_complete_over_tcp(compared: Compared) -> None:
    cut = {replace(pair.asked, stream=True) for pair in compared.pairs if pair.ours.cut}
    complete = {pair.asked for pair in compared.pairs if pair.asked.stream and not pair.ours.cut}
    assert cut
    assert cut - complete == set()


def test_no_ttl_is_above_the_original_or_below_what_the_time_has_left(compared: Compared) -> None:
    for pair in compared.pairs:
        for key, ttl in pair.ours.ttls.items() if pair.asked.qtype != dns.rdatatype.ANY else ():
            assert _least(compared.originals[key], compared) <= ttl <= compared.originals[key], pair


def test_no_soa_of_a_denial_lasts_longer_than_its_ttl_and_minimum(compared: Compared) -> None:
    denials = 0
    for pair in compared.pairs:
        for key, ttl in pair.ours.denial_ttls.items():
            denials += 1
            assert _least(compared.lasting[key], compared) <= ttl <= compared.lasting[key], pair
    assert denials


def _least(original: int, compared: Compared) -> int:
    """Return the lowest TTL that `original` may have now: 0 if it can have expired and been asked again."""
    return original - compared.took_s if original > compared.took_s else 0


def _forged(pair: Pair) -> Iterator[Pair]:
    """Yield copies of `pair`, each with one error in our reply that is wrong for any question."""
    ours, theirs = pair.ours, pair.theirs
    nowhere = {(b"\x07nowhere\0", int(dns.rdatatype.A), 0): frozenset({bytes(4)})}
    wrong = [
        replace(ours, rcode=dns.rcode.NOTAUTH),
        replace(ours, flags=ours.flags ^ dns.flags.AD),
        replace(ours, question=ours.question + b"\0"),
        replace(ours, edns=(1, False, 1232)),
        replace(ours, answer={**ours.answer, **nowhere}),
        replace(ours, proofs={**ours.proofs, **nowhere}),
    ]
    if ours.answer:
        wrong.append(replace(ours, answer={key: data | {b"\0not so"} for key, data in ours.answer.items()}))
    if ours.denial:
        wrong.append(replace(ours, denial=dict.fromkeys(ours.denial, frozenset({b"\0not so"}))))
    # The TTLs of what only we have are compared with the original's, not with Unbound's.
    if ours.ttls.keys() & theirs.ttls.keys():
        wrong.append(replace(ours, ttls={key: ttl + DAYS_S for key, ttl in ours.ttls.items()}))
    if ours.denial_ttls.keys() & theirs.denial_ttls.keys():
        wrong.append(replace(ours, denial_ttls={key: ttl + DAYS_S for key, ttl in ours.denial_ttls.items()}))
    yield from (replace(pair, ours=each) for each in wrong)


def test_no_known_difference_explains_what_is_wrong_in_an_answer(compared: Compared) -> None:
    passed = [
        forged
        for pair in compared.pairs
        if differing(pair, compared.took_s)
        for forged in _forged(pair)
        if not explained(forged, differing(forged, compared.took_s))[1]
    ]
    assert not passed, f"{len(passed)} wrong answers pass for right:\n" + "\n".join(map(str, passed[:SHOWN]))
