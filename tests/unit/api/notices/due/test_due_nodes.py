"""What nodes say, and that they say nothing, makes little mail, and only to those whom it concerns."""

from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import select

from api.db.models import NodeRow
from api.nodes.fleet import Fleet
from api.timestamps import timestamp_text
from tests.unit.api.conftest import START, Plane, authority, ban, on_both_databases
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.notices.support import begun, new_kinds, rows

pytestmark = pytest.mark.slow

HOUR_S = 3600


def _say(machine: Machine, suspended: Sequence[tuple[str | None, int]]) -> None:
    """Report these suspensions, and have that written down."""
    machine.report(suspended=[{"authority": scope, "until": timestamp_text(until_s)} for scope, until_s in suspended])
    _settle(machine)


def _settle(machine: Machine) -> None:
    """Have what it reported written down."""
    fleet = machine.plane.app.state.fleet
    assert isinstance(fleet, Fleet)
    fleet.board.settle()


@pytest.mark.parametrize("scope", ["town", None])
def test_whatever_ends_a_node_makes_up_each_is_told_of_an_hour_once(town: Plane, scope: str | None) -> None:
    machine = Machine.enrolled(town, "office-1")
    telling = begun(town)
    whom = ["town", "zone"] if scope is None else ["town"]
    begins_s = int(town.clock.now) // HOUR_S * HOUR_S + HOUR_S
    for end_s, told in ((begins_s, whom), (begins_s + 1, []), (begins_s + 3599, []), (begins_s + HOUR_S, whom)):
        _say(machine, [(scope, end_s)])
        assert new_kinds(town, telling.look) == [("node_suspended", to) for to in told], end_s
        town.clock.now += 1


def test_a_body_without_a_range_at_the_node_s_site_or_unknown_is_not_told(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/village", authority())
    machine = Machine.enrolled(town, "office-1")
    telling = begun(town, to=("installation@example.org",))
    until_s = int(town.clock.now) + HOUR_S
    _say(machine, [("nobody", until_s), ("village", until_s), ("zone", until_s)])
    assert new_kinds(town, telling.look) == [("node_suspended", "zone")]


def test_an_authority_whose_ban_a_suspension_on_a_node_sets_aside_is_notified_too(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/federal", authority())
    town.done("PUT", "/v1/authorities/federal/bans/alpha", ban())
    body = {"ban": "federal/alpha", "authority": "town", "ground": "law", "instrument": "law 7", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    machine = Machine.enrolled(town, "office-1")
    telling = begun(town)
    until_s = int(town.clock.now) + HOUR_S
    for scope, to in (("zone", ["zone"]), ("town", ["federal", "town"]), (None, ["federal", "town", "zone"])):
        _say(machine, [(scope, until_s)])
        assert new_kinds(town, telling.look) == [("node_suspended", whom) for whom in to], scope
    assert {row.authority for row in rows(town) if row.facts.get("binds")} == {"federal"}


def test_a_revision_chosen_by_hand_is_told_as_such_and_that_it_is_over(town: Plane) -> None:
    machine = Machine.enrolled(town, "office-1")
    telling = begun(town)
    town.publisher.settle()
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
        assert [kind for kind, _ in new_kinds(town, telling.look)] == kinds * 2, after_s


Seen = dict[str, int]
"""By node, how many seconds ago it reported."""


def _seen(plane: Plane, ago: Seen, revision: int) -> None:
    """Have exactly these nodes, all of the same site."""
    with plane.database.writing() as session:
        known = {row.name: row for row in session.scalars(select(NodeRow))}
        for name, ago_s in ago.items():
            row = known.get(name)
            if row is None:
                row = NodeRow(name=name, site="default", registered_s=START, enrolled_s=START, revision=1)
                session.add(row)
            row.seen_s, row.report = int(plane.clock.now) - ago_s, {"revision": revision}


def _told(plane: Plane, look: Callable[[], object], to: str | None = "town") -> list[tuple[str, list[str]]]:
    """Of what somebody was told anew by a look: kind and nodes."""
    known = {row.number for row in rows(plane)}
    look()
    fresh = [row for row in rows(plane) if row.number not in known and row.authority == to]
    return [(row.kind, list(row.facts["nodes"])) for row in fresh]


@on_both_databases
def test_a_link_that_is_cut_makes_one_notice_to_each_whom_it_concerns_and_one_that_it_is_mended(town: Plane) -> None:
    telling = begun(town, to=("installation@example.org",))
    town.publisher.settle()
    newest = town.revision()
    names = [f"office-{number}" for number in range(4)]
    everybody: list[str | None] = [None, "town", "zone"]
    town.clock.now += 1000
    _seen(town, {name: 540 + 30 * place for place, name in enumerate(names)}, newest)
    assert new_kinds(town, telling.look) == [("node_silent", to) for to in everybody]
    assert all(list(row.facts["nodes"]) == names for row in rows(town)), "those that will be late soon are among them"
    for _ in range(3):
        town.clock.now += 30
        assert new_kinds(town, telling.look) == []
    _seen(town, dict.fromkeys(names[:3], 5), newest)
    assert new_kinds(town, telling.look) == [], "the last is not back yet"
    town.clock.now += 30
    _seen(town, dict.fromkeys(names, 5), newest)
    assert new_kinds(town, telling.look) == [("node_back", to) for to in everybody]
    assert all(list(row.facts["nodes"]) == names for row in rows(town))
    town.clock.now += 30
    assert new_kinds(town, telling.look) == []


def test_what_befalls_further_nodes_of_a_site_within_the_hour_is_told_when_that_is_over(town: Plane) -> None:
    telling = begun(town)
    town.publisher.settle()
    newest = town.revision()
    town.clock.now += 10_000
    ago = {"a": 601, "b": 5, "c": 5}
    played: tuple[tuple[int, Seen, list[tuple[str, list[str]]]], ...] = (
        (0, {}, [("node_silent", ["a"])]),
        (60, {"b": 601}, []),
        (60, {"c": 601}, []),
        (3479, {"b": 4200, "c": 4080}, []),
        (1, {}, [("node_silent", ["b", "c"])]),
        # One that is not to be had any more does not keep from telling that others are back.
        (60, {"b": 5, "c": 5}, []),
        (3540, {"b": 5, "c": 5}, [("node_back", ["b", "c"])]),
        (60, {"b": 5, "c": 5}, []),
        (3600, {"a": 5, "b": 5, "c": 5}, [("node_back", ["a"])]),
        (60, {"a": 5, "b": 5, "c": 5}, []),
        (3600, {"a": 5, "b": 601, "c": 5}, [("node_silent", ["b"])]),
    )
    for place, (after_s, changed, told) in enumerate(played):
        town.clock.now += after_s
        ago = {name: ago_s + after_s for name, ago_s in ago.items()} | changed
        _seen(town, ago, newest)
        assert _told(town, telling.look) == told, place


def test_nodes_that_lack_the_same_change_are_told_of_together(town: Plane) -> None:
    telling = begun(town)
    town.publisher.settle()
    before = town.revision()
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"reply": "nodata"})
    town.publisher.settle()
    since_s = int(town.clock.now)
    town.clock.now += 700
    _seen(town, {"a": 50, "b": 99, "c": 101}, before)
    assert _told(town, telling.look) == [("node_behind", ["a", "b", "c"])]
    assert rows(town)[0].facts["at_s"] == since_s
    _seen(town, {"a": 5, "b": 5, "c": 5}, town.revision())
    town.clock.now += 5
    assert _told(town, telling.look) == [("node_back", ["a", "b", "c"])]
