"""Notices about new names of services that are held back, or that clients ask for while they are pending."""

import pytest

from api.db.models import PendingDayRow
from api.notices.due.due_updates import COUNTED_BEFORE_S
from blocklists.update_review import PENDING_S
from tests.unit.api.conftest import START, Plane, ban
from tests.unit.api.notices.support import DAY_S, begun, new_kinds, rows
from tests.unit.api.updates.proposals import GAMES, own_service, update_of

pytestmark = pytest.mark.heavy


def test_a_held_back_update_notifies_the_authority_once_also_if_a_feed_sends_it_again(town: Plane) -> None:
    own_service(town, "a.example")
    job = begun(town)
    update_of(town, "kbc.be")
    assert new_kinds(town, job.look) == [("update_held_back", "town")]
    town.clock.now += 3600
    update_of(town, "kbc.be")
    assert new_kinds(town, job.look) == []
    assert rows(town)[-1].facts["service"] == "town:games"


def test_an_update_of_the_catalogue_notifies_the_installation(town: Plane) -> None:
    own_service(town, "a.example", slug="alpha", authority=None)
    job = begun(town)
    update_of(town, "kbc.be", slug="alpha")
    assert new_kinds(town, job.look) == [("update_held_back", None)]


def test_an_update_that_is_taken_notifies_nobody(town: Plane) -> None:
    own_service(town, "a.example")
    job = begun(town)
    update_of(town, "a.example", "b.example")
    assert new_kinds(town, job.look) == []


def _counted(plane: Plane, **queries: int) -> None:
    """Count queries for pending names below example, by name, of one authority."""
    with plane.database.writing() as session:
        for label, count in queries.items():
            session.merge(
                PendingDayRow(authority="town", day="2026-09-21", service=GAMES, name=f"{label}.example", queries=count)
            )


def _pending(plane: Plane, *names: str) -> int:
    """Let new names of the own service be pending. Return the number of their update."""
    own_service(plane, "a.example")
    return update_of(plane, "a.example", *names).number


def test_pending_names_that_are_asked_often_cause_one_notice_two_days_before_they_are_enforced(town: Plane) -> None:
    number, job = _pending(town, "b.example", "c.example", "d.example"), begun(town)
    _counted(town, b=25, c=700, d=19)
    town.clock.now = START + PENDING_S - COUNTED_BEFORE_S - 1
    assert new_kinds(town, job.look) == []
    town.clock.now += 1
    assert new_kinds(town, job.look) == [("pending_names_asked", "town")]
    assert rows(town)[-1].facts == {
        "service": GAMES,
        "number": number,
        "at_s": START + PENDING_S,
        "asked": [["c.example", 500], ["b.example", 20]],
        "asked_count": 2,
    }
    _counted(town, d=4000)
    town.clock.now += DAY_S
    assert new_kinds(town, job.look) == []


def test_pending_names_that_become_asked_later_cause_the_notice_until_they_are_enforced(town: Plane) -> None:
    job = begun(town)
    _pending(town, "b.example")
    since = int(town.clock.now) + PENDING_S
    for now, queries, expected in (
        (since - DAY_S, 19, []),
        (since - 1, 20, [("pending_names_asked", "town")]),
    ):
        town.clock.now = now
        _counted(town, b=queries)
        assert new_kinds(town, job.look) == expected


@pytest.mark.parametrize("act", ["accept", "object", "wait"])
def test_names_that_are_no_longer_pending_cause_no_notice(town: Plane, act: str) -> None:
    number, job = _pending(town, "b.example", "c.example"), begun(town)
    _counted(town, b=700)
    town.clock.now = START + PENDING_S - (0 if act == "wait" else DAY_S)
    if act != "wait":
        body = {"names": ["b.example"], "reason": "our own shop"} if act == "object" else {}
        town.done("POST", f"/v1/updates/{number}/{act}", body)
    assert new_kinds(town, job.look) == []


def test_queries_for_names_of_another_update_are_not_in_the_notice(town: Plane) -> None:
    own_service(town, "a.example")
    update_of(town, "a.example", "b.example")
    town.clock.now += 3600
    second = update_of(town, "a.example", "b.example", "c.example").number
    job = begun(town)
    _counted(town, b=700, c=30)
    town.clock.now = START + PENDING_S + 60
    assert new_kinds(town, job.look) == [("pending_names_asked", "town")]
    facts = rows(town)[-1].facts
    assert (facts["number"], facts["asked"]) == (second, [["c.example", 20]])


def test_pending_names_of_the_catalogue_notify_the_installation(town: Plane) -> None:
    own_service(town, "a.example", slug="alpha", authority=None)
    update_of(town, "a.example", "b.example", slug="alpha")
    job = begun(town)
    with town.database.writing() as session:
        for authority in ("town", "zone"):
            day = {"authority": authority, "day": "2026-09-21", "service": "alpha", "name": "b.example"}
            session.add(PendingDayRow(**day, queries=12))
    town.clock.now = START + PENDING_S - DAY_S
    assert new_kinds(town, job.look) == [("pending_names_asked", None)]
    assert rows(town)[-1].facts["asked"] == [["b.example", 20]]


def test_names_that_an_update_removes_notify_the_authorities_that_ban_the_service_of_another(town: Plane) -> None:
    own_service(town, "a.example", "b.example", "c.example", "d.example")
    for slug in ("town", "zone"):
        town.done("PUT", f"/v1/authorities/{slug}/bans/{GAMES}", ban())
    job = begun(town)
    town.clock.now += 60
    number = update_of(town, "a.example", "b.example", "c.example").number
    assert new_kinds(town, job.look) == [("names_removed", "zone")]
    facts = rows(town)[-1].facts
    assert (facts["number"], facts["source"], facts["feed"]) == (1, "town", GAMES)
    assert new_kinds(town, job.look) == []
    update_of(town, "a.example", "b.example", "c.example", "e.example")
    assert (new_kinds(town, job.look), number) == ([], 1)


def test_names_that_are_held_back_or_of_a_ban_that_has_ended_notify_nobody(town: Plane) -> None:
    own_service(town, "a.example", "b.example", "c.example", "d.example")
    town.done("PUT", f"/v1/authorities/zone/bans/{GAMES}", ban())
    town.clock.now += 60
    town.done("POST", f"/v1/authorities/zone/bans/{GAMES}/end", {"reason": "it was decided so"})
    job = begun(town)
    town.clock.now += 60
    update_of(town, "a.example", "b.example", "c.example")
    assert new_kinds(town, job.look) == []
