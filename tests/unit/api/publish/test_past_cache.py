"""A past policy is rebuilt once for many questions, unless its stored versions were altered."""

from sqlalchemy import text
from sqlalchemy.orm import Session

from api.publish.past_cache import MAX_KEPT, PastPolicyCache
from api.publish.past_policies import LoadedServices, Publication, kept_publication_at
from tests.unit.api.conftest import START, Plane, on_both_databases


def _at(session: Session, seconds: int) -> Publication:
    return kept_publication_at(session, START + seconds)


def _held(plane: Plane) -> LoadedServices:
    return LoadedServices(plane.publisher.catalogue, plane.publisher.packaged)


@on_both_databases
def test_last_past_policies_are_cached(town: Plane) -> None:
    for seconds in range(1, MAX_KEPT + 2):
        town.clock.now = START + seconds
        town.done("PUT", f"/v1/sites/site-{seconds}", {"name": "Site"})
    town.publisher.store_in_force()
    cache, held = PastPolicyCache(), _held(town)
    with town.database.reading() as session:
        made = [cache.of(session, _at(session, seconds), held) for seconds in range(1, MAX_KEPT + 1)]
        assert [reproduced for _, reproduced in made] == [True] * MAX_KEPT
        assert len({past.policy.revision for past, _ in made}) == MAX_KEPT
        again = [cache.of(session, _at(session, seconds), held) for seconds in range(1, MAX_KEPT + 1)]
        assert all(first is second for first, second in zip(made, again, strict=True))
        cache.of(session, _at(session, MAX_KEPT + 1), held)
        assert cache.of(session, _at(session, MAX_KEPT), held) is made[-1]
        assert cache.of(session, _at(session, 1), held) is not made[0]


@on_both_databases
def test_altered_past_policy_is_rebuilt(town: Plane) -> None:
    town.publisher.store_in_force()
    cache, held = PastPolicyCache(), _held(town)
    with town.database.reading() as session:
        assert cache.of(session, _at(session, 0), held)[1] is True
    with town.database.writing() as session:
        change = "UPDATE versions SET body = CAST(replace(CAST(body AS text), '\"enforce\"', '\"monitor\"') AS json)"
        session.execute(
            text(change if town.database.engine.name == "postgresql" else change.replace(" AS json", " AS text"))
        )
    with town.database.reading() as session:
        assert cache.of(session, _at(session, 0), held)[1] is False
