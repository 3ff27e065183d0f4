"""Who is notified that a ban was switched off, and that it is back."""

import pytest

from tests.unit.api.conftest import Plane, ban, on_both_databases
from tests.unit.api.notices.support import begun, new_kinds, rows

pytestmark = pytest.mark.slow

BAN = "/v1/authorities/town/bans/alpha"
HOUR_S = 3600


def _bind(town: Plane, **more: str) -> None:
    body = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "decree 2", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", {**body, **more})


def _both(kind: str) -> list[tuple[str, str | None]]:
    return [(kind, "town"), (kind, "zone")]


def test_switching_off_and_the_return_notify_the_authority_and_those_bound(town: Plane) -> None:
    _bind(town)
    telling = begun(town)
    town.done("PATCH", BAN, {"mode": "off", "for": "1 hour"})
    assert new_kinds(town, telling.look) == _both("ban_off")
    assert rows(town)[-1].facts["until_s"] == int(town.clock.now) + HOUR_S
    town.clock.now += HOUR_S - 1
    assert new_kinds(town, telling.look) == []
    town.clock.now += 1
    assert new_kinds(town, telling.look) == _both("ban_back")
    assert new_kinds(town, telling.look) == []


def test_who_is_bound_from_before_by_a_binding_recorded_later_is_notified_too(town: Plane) -> None:
    telling = begun(town)
    town.done("PATCH", BAN, {"mode": "off"})
    town.clock.now += 60
    _bind(town, start="2026-09-01")
    assert new_kinds(town, telling.look) == [*_both("ban_off"), ("binding_by_law", "zone")]


def test_a_mode_that_is_set_as_a_provisional_ban_is_confirmed_is_notified_too(town: Plane) -> None:
    beta, decision = "/v1/authorities/town/bans/beta", {"legal_basis": "decree 2", "reference": "C-2"}
    town.done("PUT", beta, {"provisional": True})
    telling = begun(town)
    town.done("PUT", beta, {"provisional": False, "mode": "off", "decision": decision, "terms": [{"for": "6 months"}]})
    assert new_kinds(town, telling.look) == [("ban_off", "town")]


def test_what_was_set_back_before_anybody_looked_is_notified_all_the_same(town: Plane) -> None:
    telling = begun(town)
    for mode in ("off", "enforce"):
        town.done("PATCH", BAN, {"mode": mode})
        town.clock.now += 60
    assert new_kinds(town, telling.look) == [("ban_back", "town"), ("ban_off", "town")]


@pytest.mark.parametrize("first", ["off", "monitor"])
def test_a_ban_that_has_never_refused_is_not_back(town: Plane, first: str) -> None:
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(mode=first))
    telling = begun(town)
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "enforce"})
    assert new_kinds(town, telling.look) == []
    town.clock.now += 1
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "monitor"})
    town.clock.now += 1
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "enforce"})
    assert new_kinds(town, telling.look) == [("ban_back", "town"), ("ban_monitored", "town")]


def test_a_ban_that_has_not_begun_is_not_back(town: Plane) -> None:
    beta = "/v1/authorities/town/bans/beta"
    town.done("PUT", beta, ban(terms=[{"start": "2027-01-01", "for": "6 months"}]))
    telling = begun(town)
    town.done("PATCH", beta, {"mode": "off", "for": "1 hour"})
    assert new_kinds(town, telling.look) == [("ban_off", "town")]
    town.clock.now += HOUR_S
    assert new_kinds(town, telling.look) == []
    town.done("PATCH", beta, {"mode": "off"})
    assert new_kinds(town, telling.look) == [("ban_off", "town")]
    town.clock.now += 1
    town.done("PATCH", beta, {"mode": "enforce"})
    assert new_kinds(town, telling.look) == []


def test_a_ban_that_went_on_with_a_successor_while_off_is_back(town: Plane) -> None:
    town.done("PATCH", BAN, {"mode": "off", "for": "1 hour"})
    decision = {"legal_basis": "decree 343", "reference": "decree 2026/4"}
    merger = {"into": "zone", "reason": "the two are one", "decision": decision}
    town.done("POST", "/v1/authorities/town/merge", merger)
    telling = begun(town)
    town.clock.now += HOUR_S
    assert ("ban_back", "zone") in new_kinds(town, telling.look)


@on_both_databases
def test_a_return_by_itself_is_notified_though_the_mode_was_set_again_before_anybody_looked(town: Plane) -> None:
    telling = begun(town)
    town.done("PATCH", BAN, {"mode": "off", "for": "1 hour"})
    assert new_kinds(town, telling.look) == [("ban_off", "town")]
    town.clock.now += HOUR_S + 1
    town.done("PATCH", BAN, {"reply": "nxdomain"})
    town.done("PATCH", BAN, {"mode": "off"})
    assert new_kinds(town, telling.look) == [("ban_back", "town"), ("ban_off", "town")]
    assert new_kinds(town, telling.look) == []


@pytest.mark.parametrize(("before", "after", "kind"), [("enforce", "monitor", "monitored"), ("monitor", "off", "off")])
def test_every_change_that_takes_something_away_is_notified(town: Plane, before: str, after: str, kind: str) -> None:
    town.done("PATCH", BAN, {"mode": before})
    telling = begun(town)
    town.done("PATCH", BAN, {"mode": after})
    assert new_kinds(town, telling.look) == [(f"ban_{kind}", "town")]


def test_of_a_ban_that_has_not_begun_only_its_authority_is_notified_and_of_another_reason_nobody(town: Plane) -> None:
    town.done("PUT", "/v1/authorities/town/bans/beta", ban(terms=[{"start": "2027-01-01", "for": "6 months"}]))
    body = {"ban": "town/beta", "authority": "zone", "ground": "law", "instrument": "decree 2", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", body)
    telling = begun(town)
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "off"})
    assert new_kinds(town, telling.look) == [("ban_off", "town")]
    town.clock.now += 1
    town.done("PATCH", "/v1/authorities/town/bans/beta", {"mode": "off", "mode_reason": "a test"})
    assert new_kinds(town, telling.look) == []
