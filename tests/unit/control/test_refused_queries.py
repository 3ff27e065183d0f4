"""Pseudonyms: equal for a client on one day of one node, and different otherwise. No address is kept."""

from datetime import date
from itertools import count

import pytest

from dnsfilter.control import refused_queries as module
from dnsfilter.control.refused_queries import RefusedQueries, RefusedQuery
from dnsfilter.engine.refused_clients import RefusedClient
from dnsfilter.policy.calendar import local_midnight
from dnsfilter.policy.instants import DEFAULT_ZONE
from tests.support.policies import NOW

MIDNIGHT = local_midnight(date(2026, 3, 29), DEFAULT_ZONE)
A, B, V6 = bytes((127, 0, 5, 10)), bytes((127, 0, 5, 11)), bytes(16)


def refused(client: bytes = A, authority: str = "ghent", queries: int = 1) -> RefusedClient:
    return RefusedClient(client, authority, "tiktok", "ghent", "own", queries)


def taken(queries: RefusedQueries, now_s: int) -> list[tuple[int, str, int]]:
    """Return minute, pseudonym and number of each count."""
    return [(each.minute_s, each.client, number) for each, number in queries.take(99, now_s).items()]


def pseudonym(queries: RefusedQueries, client: RefusedClient, now_s: int) -> str:
    queries.add([client], now_s)
    ((_, found, _),) = taken(queries, now_s)
    return found


def test_queries_of_all_workers_are_added_by_minute_under_one_pseudonym() -> None:
    queries = RefusedQueries()
    queries.add([refused(), refused(queries=2)], NOW)
    queries.add([refused(queries=4)], NOW + 59)
    queries.add([refused()], NOW + 60)
    first, second = taken(queries, NOW + 60)
    assert (first[0], first[2], second[0], second[2]) == (NOW, 7, NOW + 60, 1)
    assert first[1] == second[1]
    assert taken(queries, NOW + 60) == []


def test_pseudonyms_differ_by_client_authority_day_and_start() -> None:
    queries = RefusedQueries()
    at = MIDNIGHT - 1
    names = [pseudonym(queries, each, at) for each in (refused(), refused(B), refused(V6), refused(A, "police"))]
    names += [pseudonym(queries, refused(), MIDNIGHT), pseudonym(RefusedQueries(), refused(), at)]
    assert len(set(names)) == 6
    assert {len(name) for name in names} == {16}
    assert pseudonym(queries, refused(), MIDNIGHT + 86_000 - 3600) == names[4]


@pytest.mark.parametrize("read", [False, True])
def test_key_is_forgotten_when_its_day_is_over(read: bool) -> None:
    keys = (bytes((number,)) * 32 for number in count(1))
    queries = RefusedQueries(lambda: next(keys))
    queries.add([refused()], MIDNIGHT - 1)
    old = queries._key
    if read:
        queries.take(0, MIDNIGHT)
    else:
        queries.add([], MIDNIGHT)
    assert queries._key != old
    assert queries._key == b"\2" * 32


def test_only_some_wait_and_few_are_taken_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 3)
    queries = RefusedQueries()
    queries.add([refused(bytes((0, 0, 0, number))) for number in range(5)], NOW)
    queries.add([refused(bytes(4))], NOW)
    assert list(queries.take(2, NOW).values()) == [2, 1]
    assert list(queries.take(2, NOW).values()) == [1]


def test_no_address_is_kept() -> None:
    queries = RefusedQueries()
    queries.add([refused()], NOW)
    (found,) = queries.take(1, NOW)
    assert found == RefusedQuery(NOW, "ghent", "tiktok", "ghent", "own", found.client)
    assert A.hex() not in found.client
