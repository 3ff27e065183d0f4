"""Ten thousand questions that no ban concerns, to us and to Unbound in front of the same servers: the answers agree."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import dns.rdatatype
import pytest

from tests.support.asking import Asker
from tests.support.authority import Knot
from tests.support.comparing import Pair, RecordSet, differing, seen
from tests.support.differences import DIFFERENCES, explained
from tests.support.nodes import Node
from tests.support.questions import Asked, Edns, questions
from tests.support.unbound import Unbound
from tests.support.varied import SIGNED, VARIED

NUMBER = 10_000
SEED = 20230310
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Compared:
    """Every question with both replies, cold first and then warm.

    `took_s` is how long all the asking took, `originals` are the authority's own TTLs of what we answered.
    """

    pairs: tuple[Pair, ...]
    took_s: int
    originals: Mapping[RecordSet, int]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Compared]:
    """The replies to all questions, each asked twice of both, over UDP or TCP as it says."""
    asked = questions(VARIED, NUMBER, SEED)
    with Knot(VARIED, signed=SIGNED) as authority, Unbound(authority.hostport) as unbound:
        with Node(tmp_path_factory.mktemp("node"), authority.hostport) as node:
            began = time.monotonic()
            rounds = [(_replies(node.port, asked), _replies(unbound.port, asked)) for _ in ("cold", "warm")]
            took_s = int(time.monotonic() - began) + 1
        pairs = tuple(
            Pair(each, seen(mine), seen(other))
            for ours, theirs in rounds
            for each, mine, other in zip(asked, ours, theirs, strict=True)
        )
        yield Compared(pairs, took_s, _originals(authority, pairs))


def _replies(port: int, asked: Sequence[Asked]) -> list[bytes]:
    with Asker(("127.0.0.1", port)) as asker:
        return asker.ask_all([(each.stream, each.wire()) for each in asked])


def _originals(authority: Knot, pairs: Sequence[Pair]) -> dict[RecordSet, int]:
    """The TTL of every record set that we answered with, but those made up for ANY, as its authority says it."""
    keys = sorted({key for pair in pairs if pair.asked.qtype != dns.rdatatype.ANY for key in pair.ours.ttls})
    edns = Edns(4096, do=True)
    asked = [Asked(owner, covered or rtype, False, False, False, edns, True) for owner, rtype, covered in keys]
    return {key: seen(reply).ttls[key] for key, reply in zip(keys, _replies(authority.port, asked), strict=True)}


def test_answers_agree_but_for_known_differences(compared: Compared) -> None:
    """Rcode, flags but AA, question, answer as sets, SOA of a denial, EDNS, and TTLs but for the time that passed."""
    unknown = [
        f"{sorted(aspect.value for aspect in left)} differ\n{pair}"
        for pair in compared.pairs
        if (left := explained(pair, differing(pair, compared.took_s))[1])
    ]
    assert len(compared.pairs) == 2 * NUMBER
    assert not unknown, f"{len(unknown)} answers differ without a known reason:\n" + "\n".join(unknown[:SHOWN])


def test_every_known_difference_occurs(compared: Compared) -> None:
    used: Counter[str] = Counter()
    for pair in compared.pairs:
        used.update(explained(pair, differing(pair, compared.took_s))[0])
    assert set(used) == {row.id for row in DIFFERENCES}


def test_no_ttl_is_above_the_original_or_below_what_the_time_has_left(compared: Compared) -> None:
    for pair in compared.pairs:
        for key, ttl in pair.ours.ttls.items() if pair.asked.qtype != dns.rdatatype.ANY else ():
            original = compared.originals[key]
            # What has run out in the meantime was asked for anew.
            least = original - compared.took_s if original > compared.took_s else 0
            assert least <= ttl <= original, pair
