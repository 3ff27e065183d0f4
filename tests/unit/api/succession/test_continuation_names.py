"""Names of an authority that closes or merges."""

import pytest

from api.timestamps import timestamp_text
from tests.unit.api.conftest import START, Plane
from tests.unit.api.names.test_service import ALLOW, BELOW, REFUSE, put, verdict

pytestmark = pytest.mark.heavy

DECISION = {"organ": "council", "reference": "C-2", "date": "2026-09-21", "legal_basis": "decree 2"}
MERGE = {"into": "zone", "reason": "a merger", "decision": DECISION}


def test_names_end_with_their_authority(town: Plane) -> None:
    put(town, "example.com", REFUSE)
    put(town, BELOW, ALLOW)
    town.done("POST", "/v1/authorities/town/close", {"at": "2026-10-01", "reason": "a merger", "decision": DECISION})
    for name in ("example.com", BELOW):
        assert town.done("GET", f"/v1/authorities/town/names/{name}")["ended"] == "2026-09-30T22:00:00Z"


def test_names_continue_with_the_successor(town: Plane) -> None:
    put(town, "example.com", {**REFUSE, "exact": True})
    put(town, BELOW, ALLOW)
    town.clock.now += 60
    merged = town.done("POST", "/v1/authorities/town/merge", MERGE)
    pairs = {(one["object"], one["by"]) for one in merged["continued"]}
    assert {("ban/town/example.com", "ban/zone/example.com"), (f"name/town/{BELOW}", f"name/zone/{BELOW}")} <= pairs
    assert [verdict(town, name) for name in ("example.com", "www.example.com", BELOW)] == ["refuse", "pass", "pass"]
    kept = town.done("GET", f"/v1/authorities/zone/names/{BELOW}")
    assert (kept["start"], kept["reason"]) == (timestamp_text(START + 60), ALLOW["reason"])


@pytest.mark.parametrize(("mine", "theirs"), [(ALLOW, REFUSE), (REFUSE, ALLOW)])
def test_successor_that_decides_otherwise_must_end_that_first(town: Plane, mine: object, theirs: object) -> None:
    put(town, "example.com", mine)
    town.done("PUT", "/v1/authorities/zone/names/example.com", theirs)
    refused = town.call("POST", "/v1/authorities/town/merge", MERGE)
    assert (refused.status_code, "dnsfilterctl name remove zone example.com" in refused.text) == (409, True)
