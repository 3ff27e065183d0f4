"""What a node says of suspensions makes little mail, and only to those whom they concern."""

from collections.abc import Sequence

import pytest

from api.moments import moment_text
from api.nodes.fleet import Fleet
from tests.unit.api.conftest import Plane, authority
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.notices.support import begun, new_kinds

HOUR_S = 3600


def _say(machine: Machine, suspended: Sequence[tuple[str | None, int]]) -> None:
    """Report these suspensions, and have that written down."""
    machine.report(suspended=[{"authority": scope, "until": moment_text(until_s)} for scope, until_s in suspended])
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
