"""Notices about new names of services that are held back."""

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.notices.support import begun, new_kinds, rows
from tests.unit.api.updates.proposals import own_service, update_of

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
