"""Notices about nodes: few, and only to the authorities concerned."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import select

from api.db.models import NodeRow
from api.nodes.fleet import Fleet
from api.timestamps import timestamp_text
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.notices.support import begun, new_kinds, rows

pytestmark = pytest.mark.heavy

HOUR_S = 3600


def _say(machine: Machine, suspended: Sequence[tuple[str | None, int]]) -> None:
    """Report these suspensions and store the report."""
    machine.report(suspended=[{"authority": scope, "until": timestamp_text(until_s)} for scope, until_s in suspended])
    _settle(machine)


def _settle(machine: Machine) -> None:
    """Store the last report."""
    fleet = machine.plane.app.state.fleet
    assert isinstance(fleet, Fleet)
    fleet.reports.store_due()


@pytest.mark.parametrize("scope", ["town", None])
def test_local_suspensions_cause_one_notice_per_hour_of_their_end(town: Plane, scope: str | None) -> None:
    machine = Machine.enrolled(town, "office-1")
    job = begun(town)
    recipients = [None, "town", "zone"] if scope is None else ["town"]
    begins_s = int(town.clock.now) // HOUR_S * HOUR_S + HOUR_S
    for end_s, expected in (
        (begins_s, recipients),
        (begins_s + 1, []),
        (begins_s + 3599, []),
        (begins_s + HOUR_S, recipients),
    ):
        _say(machine, [(scope, end_s)])
        assert new_kinds(town, job.look) == [("node_suspended", to) for to in expected], end_s
        town.clock.now += 1


def test_unknown_authorities_and_those_without_ranges_at_the_site_are_not_notified(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/village", authority())
    machine = Machine.enrolled(town, "office-1")
    job = begun(town, to=("installation@example.org",))
    until_s = int(town.clock.now) + HOUR_S
    _say(machine, [("nobody", until_s), ("village", until_s), ("zone", until_s)])
    assert new_kinds(town, job.look) == [("node_suspended", "zone")]


def test_authority_whose_ban_a_local_suspension_disables_is_notified(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/federal", authority())
    town.done("PUT", "/v1/authorities/federal/bans/alpha", ban())
    body = {"ban": "federal/alpha", "authority": "town", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    machine = Machine.enrolled(town, "office-1")
    job = begun(town)
    until_s = int(town.clock.now) + HOUR_S
    for scope, to in (("zone", ["zone"]), ("town", ["federal", "town"]), (None, [None, "federal", "town", "zone"])):
        _say(machine, [(scope, until_s)])
        assert new_kinds(town, job.look) == [("node_suspended", whom) for whom in to], scope
    assert {row.authority for row in rows(town) if row.facts.get("binds")} == {"federal"}


def test_locally_selected_revision_and_its_end_are_notified(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    job = begun(town)
    town.publisher.store_in_force()
    newest = town.revision()
    chosen = {"revision": newest - 1, "manifest": 64 * "a", "held_up_to": newest}
    played: tuple[tuple[int, dict[str, object], list[str]], ...] = (
        (540, chosen, []),
        (61, chosen, ["node_held"]),
        (60, chosen, []),
        (60, {**chosen, "revision": newest - 2}, ["node_held"]),
        (60, {"revision": newest}, ["node_back"]),
    )
    for after_s, said, kinds in played:
        town.clock.now += after_s
        machine.report(**said)
        _settle(machine)
        assert [kind for kind, _ in new_kinds(town, job.look)] == kinds * 3, after_s


Seen = dict[str, int]
"""Seconds since the last report of each node."""


def _seen(plane: Plane, ago: Seen, revision: int) -> None:
    """Set when these nodes reported last. All belong to the same site."""
    with plane.database.writing() as session:
        known = {row.name: row for row in session.scalars(select(NodeRow))}
        for name, ago_s in ago.items():
            row = known.get(name)
            if row is None:
                row = NodeRow(name=name, site="default", registered_s=START, enrolled_s=START, revision=1)
                session.add(row)
            row.seen_s, row.report = int(plane.clock.now) - ago_s, {"revision": revision}


def _new_nodes(plane: Plane, look: Callable[[], object], to: str | None = "town") -> list[tuple[str, list[str]]]:
    """Return kind and nodes of the notices to one recipient that a look has made."""
    known = {row.number for row in rows(plane)}
    look()
    fresh = [row for row in rows(plane) if row.number not in known and row.authority == to]
    return [(row.kind, list(row.facts["nodes"])) for row in fresh]


@on_both_databases
def test_broken_link_causes_one_notice_per_recipient_and_one_when_it_is_repaired(town: Plane) -> None:
    job = begun(town, to=("installation@example.org",))
    town.publisher.store_in_force()
    newest = town.revision()
    names = [f"office-{number}" for number in range(4)]
    everybody: list[str | None] = [None, "town", "zone"]
    town.clock.now += 1000
    _seen(town, {name: 540 + 30 * index for index, name in enumerate(names)}, newest)
    assert new_kinds(town, job.look) == [("node_silent", to) for to in everybody]
    assert all(list(row.facts["nodes"]) == names for row in rows(town)), (
        "the notice includes nodes that will be late soon"
    )
    for _ in range(3):
        town.clock.now += 30
        assert new_kinds(town, job.look) == []
    _seen(town, dict.fromkeys(names[:3], 5), newest)
    assert new_kinds(town, job.look) == [], "the last is not back yet"
    town.clock.now += 30
    _seen(town, dict.fromkeys(names, 5), newest)
    assert new_kinds(town, job.look) == [("node_back", to) for to in everybody]
    assert all(list(row.facts["nodes"]) == names for row in rows(town))
    town.clock.now += 30
    assert new_kinds(town, job.look) == []


def test_problems_of_further_nodes_of_a_site_wait_until_an_hour_after_the_last_notice(town: Plane) -> None:
    job = begun(town)
    town.publisher.store_in_force()
    newest = town.revision()
    town.clock.now += 10_000
    ago = {"a": 601, "b": 5, "c": 5}
    played: tuple[tuple[int, Seen, list[tuple[str, list[str]]]], ...] = (
        (0, {}, [("node_silent", ["a"])]),
        (60, {"b": 601}, []),
        (60, {"c": 601}, []),
        (3479, {"b": 4200, "c": 4080}, []),
        (1, {}, [("node_silent", ["b", "c"])]),
        # A node that stays away does not prevent the notice that others are back.
        (60, {"b": 5, "c": 5}, []),
        (3540, {"b": 5, "c": 5}, [("node_back", ["b", "c"])]),
        (60, {"b": 5, "c": 5}, []),
        (3600, {"a": 5, "b": 5, "c": 5}, [("node_back", ["a"])]),
        (60, {"a": 5, "b": 5, "c": 5}, []),
        (3600, {"a": 5, "b": 601, "c": 5}, [("node_silent", ["b"])]),
    )
    for step, (after_s, changed, expected) in enumerate(played):
        town.clock.now += after_s
        ago = {name: ago_s + after_s for name, ago_s in ago.items()} | changed
        _seen(town, ago, newest)
        assert _new_nodes(town, job.look) == expected, step


def test_nodes_without_the_same_change_share_a_notice(town: Plane) -> None:
    job = begun(town)
    town.publisher.store_in_force()
    before = town.revision()
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"reply": "nodata"})
    town.publisher.store_in_force()
    since_s = int(town.clock.now)
    town.clock.now += 700
    _seen(town, {"a": 50, "b": 99, "c": 101}, before)
    assert _new_nodes(town, job.look) == [("node_behind", ["a", "b", "c"])]
    assert rows(town)[0].facts["at_s"] == since_s
    _seen(town, {"a": 5, "b": 5, "c": 5}, town.revision())
    town.clock.now += 5
    assert _new_nodes(town, job.look) == [("node_back", ["a", "b", "c"])]
