"""What a ban covered and replied over time, from its acts."""

from typing import Any

from api.db.base import Json
from api.db.models import AuditRow
from api.report.scope_changes import LeftOut, addressed, changed_fields, left_out, state_at

WITHIN = (1_000, 9_000)
BAN: Json = {
    "tiers": [1, 2],
    "funding": ["public", "partly_public"],
    "audience": ["staff"],
    "reply": "refused",
    "addresses": [],
}


def acts(*changes: tuple[int, dict[str, Any]]) -> list[AuditRow]:
    """Return the acts at some times, each with its changes of the ban before it."""
    found: list[AuditRow] = []
    for seq, (at, changed) in enumerate(changes, start=1):
        before = found[-1].after if found else None
        found.append(AuditRow(seq=seq, time_s=at, account=7, before=before, after={**(before or BAN), **changed}))
    return found


def test_what_was_taken_out_is_left_out_until_it_is_covered_again() -> None:
    known = acts(
        (500, {}),
        (2_000, {"tiers": [1]}),
        (3_000, {"reply": "nodata"}),
        (4_000, {"funding": ["public"]}),
        (6_000, {"tiers": [1, 2], "funding": ["public", "partly_public"]}),
    )
    assert left_out(known, WITHIN) == [
        LeftOut(2_000, 4_000, [2], [], []),
        LeftOut(4_000, 6_000, [2], ["partly_public"], []),
    ]


def test_what_was_taken_out_before_the_time_is_left_out_in_all_of_it() -> None:
    assert left_out(acts((100, {}), (200, {"audience": []})), WITHIN) == [LeftOut(1_000, 9_000, [], [], ["staff"])]


def test_what_was_never_covered_is_not_left_out() -> None:
    assert left_out(acts((100, {}), (2_000, {"audience": ["staff", "public"]})), WITHIN) == []


def test_changes_of_scope_and_reply_are_found_and_others_are_not() -> None:
    known = acts((100, {}), (200, {"mode": "off"}), (300, {"reply": "address", "addresses": ["192.0.2.1"]}))
    assert [changed_fields(act) for act in known] == [(), [], ["reply", "addresses"]]


def test_times_with_addresses_as_reply_are_found() -> None:
    known = acts((100, {"reply": "address"}), (2_000, {"reply": "refused"}), (8_000, {"reply": "address"}))
    assert addressed(known, WITHIN) == ((1_000, 2_000), (8_000, 9_000))


def test_the_scope_of_a_time_is_that_of_the_last_act_before_its_end() -> None:
    known = acts((100, {}), (2_000, {"tiers": [1]}), (9_000, {"tiers": [2]}))
    state = state_at(known, WITHIN[1])
    assert state is not None
    assert state["tiers"] == [1]
    assert state_at([], WITHIN[1]) is None
