"""New names of an update on a node: monitored until their time, then refused by the same snapshot."""

from ipaddress import ip_address

import pytest

from api.updates.schemas import Source
from blocklists.update_review import PENDING_S
from dnsfilter.policy.decide import Verdict
from dnsfilter.wire.names import parse_name
from tests.support.opened_snapshot import opened
from tests.unit.api.conftest import START, Plane
from tests.unit.api.updates.proposals import own_service, update_of

SERVICE = "alpha"
CLIENT = ip_address("192.0.2.7")


def verdicts(plane: Plane, name: str) -> list[Verdict]:
    """Return what the node's snapshot says now, a second before the names are due, and when they are."""
    snapshot = opened(plane.store)
    instants = (int(plane.clock()), START + PENDING_S - 1, START + PENDING_S)
    return [snapshot.decide(CLIENT, parse_name(name), at).verdict for at in instants]


@pytest.fixture
def banned(town: Plane) -> Plane:
    """Return a control plane in which a ban concerns one name."""
    own_service(town, "a.example", slug=SERVICE, authority=None)
    return town


def test_pending_names_are_refused_when_the_time_has_passed_without_a_new_snapshot(banned: Plane) -> None:
    update_of(banned, "a.example", "b.example", slug=SERVICE)
    assert verdicts(banned, "www.b.example") == [Verdict.MONITOR, Verdict.MONITOR, Verdict.REFUSE]
    assert verdicts(banned, "a.example") == [Verdict.REFUSE] * 3


def test_a_name_that_a_pending_one_replaces_stays_refused(banned: Plane) -> None:
    update_of(banned, "www.a.example", "b.example", slug=SERVICE, source=Source.EDIT)
    update_of(banned, "a.example", "b.example", slug=SERVICE)
    assert verdicts(banned, "www.a.example") == [Verdict.REFUSE] * 3
    assert verdicts(banned, "mail.a.example") == [Verdict.MONITOR, Verdict.MONITOR, Verdict.REFUSE]


def test_an_edited_name_is_refused_at_once(banned: Plane) -> None:
    update_of(banned, "a.example", "b.example", source=Source.EDIT, slug=SERVICE)
    assert verdicts(banned, "b.example") == [Verdict.REFUSE] * 3


def test_accepted_names_are_refused_at_once_and_those_objected_to_never(banned: Plane) -> None:
    number = update_of(banned, "a.example", "b.example", "c.example", slug=SERVICE).number
    banned.done("POST", f"/v1/updates/{number}/object", {"names": ["c.example"], "reason": "our own shop"})
    banned.done("POST", f"/v1/updates/{number}/accept", {})
    assert verdicts(banned, "b.example") == [Verdict.REFUSE] * 3
    assert verdicts(banned, "c.example") == [Verdict.PASS] * 3
