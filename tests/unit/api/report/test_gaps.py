"""Times without effect: each instant counts once, for all clients or for some."""

from api.report.gaps import Gap, Suspended, full_gaps, partial_gaps
from api.report.schemas import Cause
from api.report.scope_changes import LeftOut
from api.report.timeline import ModeSpan
from dnsfilter.policy.model import Mode

IN_FORCE = ((0, 100),)
OFF = ModeSpan(10, 30, Mode.OFF, "why", 1, 7)
ON = ModeSpan(30, 100, Mode.ENFORCE, "", 2, 7)
NOTHING = Suspended((), (), {})


def test_a_time_that_is_off_and_suspended_at_once_counts_once() -> None:
    suspended = Suspended(((20, 40),), ((35, 50),), {"office-1": ((35, 50),)})
    full = full_gaps(IN_FORCE, [OFF, ON], suspended)
    assert full == [Gap(10, 30, Cause.OFF), Gap(30, 40, Cause.SUSPENDED), Gap(40, 50, Cause.LOCAL)]
    assert sum(gap.end - gap.start for gap in full) == 40
    assert partial_gaps(IN_FORCE, full, suspended, []) == []


def test_only_times_in_which_a_term_was_in_force_count() -> None:
    suspended = Suspended(((0, 100),), (), {})
    assert full_gaps(((40, 50), (60, 70)), [ON], suspended) == [
        Gap(40, 50, Cause.SUSPENDED),
        Gap(60, 70, Cause.SUSPENDED),
    ]


def test_a_node_of_several_leaves_out_its_clients_only() -> None:
    suspended = Suspended((), (), {"office-1": ((5, 20),)})
    full = full_gaps(IN_FORCE, [OFF, ON], suspended)
    assert full == [Gap(10, 30, Cause.OFF)]
    assert partial_gaps(IN_FORCE, full, suspended, []) == [Gap(5, 10, Cause.LOCAL, nodes=("office-1",))]


def test_what_an_act_took_out_of_the_scope_is_without_effect_for_it() -> None:
    out = LeftOut(50, 90, [], [], ["pupils"])
    full = full_gaps(((0, 80),), [OFF, ON], NOTHING)
    assert partial_gaps(((0, 80),), full, NOTHING, [out]) == [Gap(50, 80, Cause.SCOPE, left_out=out)]
