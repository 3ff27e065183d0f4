"""Notices about bans that are switched off or enforced again."""

import pytest

from tests.unit.api.conftest import Plane, ban, on_both_databases
from tests.unit.api.notices.support import begun, new_kinds, rows

pytestmark = pytest.mark.heavy

BAN = "/v1/authorities/town/bans/alpha"
HOUR_S = 3600


def _bind(town: Plane, **more: str) -> None:
    body = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "decree 2", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", {**body, **more})


def _both(kind: str) -> list[tuple[str, str | None]]:
    return [(kind, "town"), (kind, "zone")]


def test_switching_off_and_the_return_notify_the_authority_and_those_bound(town: Plane) -> None:
    _bind(town)
    job = begun(town)
    town.done("PATCH", BAN, {"mode": "off", "for": "1 hour"})
    assert new_kinds(town, job.look) == _both("ban_off")
    assert rows(town)[-1].facts["until_s"] == int(town.clock.now) + HOUR_S
    town.clock.now += HOUR_S - 1
    assert new_kinds(town, job.look) == []
    town.clock.now += 1
    assert new_kinds(town, job.look) == _both("ban_back")
    assert new_kinds(town, job.look) == []


def test_authority_bound_retroactively_is_notified_of_an_earlier_mode_change(town: Plane) -> None:
    job = begun(town)
    town.done("PATCH", BAN, {"mode": "off"})
    town.clock.now += 60
    _bind(town, start="2026-09-01")
    assert new_kinds(town, job.look) == [*_both("ban_off"), ("binding_by_law", "zone")]


def test_mode_set_on_confirming_a_provisional_ban_is_notified(town: Plane) -> None:
    beta, decision = "/v1/authorities/town/bans/beta", {"legal_basis": "decree 2", "reference": "C-2"}
    town.done("PUT", beta, {"provisional": True})
    job = begun(town)
    town.done("PUT", beta, {"provisional": False, "mode": "off", "decision": decision, "terms": [{"for": "6 months"}]})
    assert new_kinds(town, job.look) == [("ban_off", "town")]


def test_modes_changed_and_reverted_between_two_looks_are_notified(town: Plane) -> None:
    job = begun(town)
    for mode in ("off", "enforce"):
        town.done("PATCH", BAN, {"mode": mode})
        town.clock.now += 60
    assert new_kinds(town, job.look) == [("ban_back", "town"), ("ban_off", "town")]


@pytest.mark.parametrize("first", ["off", "monitor"])
def test_a_ban_that_has_never_refused_is_not_back(town: Plane, first: str) -> None:
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(mode=first))
    job = begun(town)
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "enforce"})
    assert new_kinds(town, job.look) == []
    town.clock.now += 1
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "monitor"})
    town.clock.now += 1
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "enforce"})
    assert new_kinds(town, job.look) == [("ban_back", "town"), ("ban_monitored", "town")]


def test_a_ban_that_has_not_begun_is_not_back(town: Plane) -> None:
    beta = "/v1/authorities/town/bans/beta"
    town.done("PUT", beta, ban(terms=[{"start": "2027-01-01", "for": "6 months"}]))
    job = begun(town)
    town.done("PATCH", beta, {"mode": "off", "for": "1 hour"})
    assert new_kinds(town, job.look) == [("ban_off", "town")]
    town.clock.now += HOUR_S
    assert new_kinds(town, job.look) == []
    town.done("PATCH", beta, {"mode": "off"})
    assert new_kinds(town, job.look) == [("ban_off", "town")]
    town.clock.now += 1
    town.done("PATCH", beta, {"mode": "enforce"})
    assert new_kinds(town, job.look) == []


def test_ban_that_a_successor_took_over_while_off_is_back(town: Plane) -> None:
    town.done("PATCH", BAN, {"mode": "off", "for": "1 hour"})
    decision = {"legal_basis": "decree 343", "reference": "decree 2026/4"}
    merger = {"into": "zone", "reason": "the two are one", "decision": decision}
    town.done("POST", "/v1/authorities/town/merge", merger)
    job = begun(town)
    town.clock.now += HOUR_S
    assert ("ban_back", "zone") in new_kinds(town, job.look)


@on_both_databases
def test_automatic_return_is_notified_although_the_mode_was_changed_before_the_next_look(town: Plane) -> None:
    job = begun(town)
    town.done("PATCH", BAN, {"mode": "off", "for": "1 hour"})
    assert new_kinds(town, job.look) == [("ban_off", "town")]
    town.clock.now += HOUR_S + 1
    town.done("PATCH", BAN, {"reply": "nxdomain"})
    town.done("PATCH", BAN, {"mode": "off"})
    assert new_kinds(town, job.look) == [("ban_back", "town"), ("ban_off", "town")]
    assert new_kinds(town, job.look) == []


@pytest.mark.parametrize(("before", "after", "kind"), [("enforce", "monitor", "monitored"), ("monitor", "off", "off")])
def test_every_weaker_mode_is_notified(town: Plane, before: str, after: str, kind: str) -> None:
    town.done("PATCH", BAN, {"mode": before})
    job = begun(town)
    town.done("PATCH", BAN, {"mode": after})
    assert new_kinds(town, job.look) == [(f"ban_{kind}", "town")]


def test_mode_of_a_future_ban_is_notified_to_its_authority_only_and_a_new_reason_to_none(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"start": "2027-01-01", "for": "6 months"}]))
    body = {"ban": "town/beta", "authority": "zone", "ground": "law", "instrument": "decree 2", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    job = begun(town)
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "off"})
    assert new_kinds(town, job.look) == [("ban_off", "town")]
    town.clock.now += 1
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "off", "mode_reason": "a test"})
    assert new_kinds(town, job.look) == []
