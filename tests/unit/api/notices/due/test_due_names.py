"""Notices about refused and allowed names: before their end or review, as for bans."""

from typing import Any

import pytest

from api.notices.kinds import Kind
from api.notices.letters import Names, letter
from tests.unit.api.conftest import Plane
from tests.unit.api.notices.support import DAY_S, begun, new_kinds, rows

pytestmark = pytest.mark.heavy

NAMES = "/v1/authorities/town/names"
REFUSE: dict[str, Any] = {"verdict": "refuse", "reason": "phishing"}
ALLOW: dict[str, Any] = {"verdict": "allow", "reason": "the portal"}


@pytest.mark.parametrize(
    ("body", "term", "kind"),
    [
        (REFUSE, {"for": "40 days"}, "name_ending"),
        (REFUSE, {"review_by": "2026-10-31"}, "name_review"),
        (ALLOW, {"for": "40 days"}, "allowed_name_ending"),
        (ALLOW, {"review_by": "2026-10-31"}, "allowed_name_review"),
    ],
)
def test_authority_is_notified_three_times_before_the_end_or_the_review(
    town: Plane, body: dict[str, Any], term: dict[str, Any], kind: str
) -> None:
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
    job = begun(town)
    town.done("PUT", f"{NAMES}/www.example.com", {**body, **term})
    town.clock.now += 1
    found = []
    for _ in range(45):
        town.clock.now += DAY_S
        found += [one for one in new_kinds(town, job.look) if one[0] not in ("ban_monitored", "ban_lapsed")]
    assert found == [(kind, "town")] * 3
    for row in rows(town):
        if row.kind == kind:
            written = letter(Kind(kind), row.facts, None, Names({}, {}))
            assert "www.example.com" in written.subject
            assert "dnsfilterctl name" in written.text


def test_short_refusal_is_notified_one_day_before_and_when_it_has_ended(town: Plane) -> None:
    job = begun(town)
    town.done("PUT", f"{NAMES}/www.example.com", {**REFUSE, "for": "5 days"})
    found = []
    for _ in range(10):
        town.clock.now += DAY_S
        found += new_kinds(town, job.look)
    assert found == [("name_ending", "town"), ("ban_lapsed", "town")]
    lapsed = letter(Kind.BAN_LAPSED, rows(town)[-1].facts, None, Names({}, {}))
    assert "dnsfilterctl name refuse town www.example.com" in lapsed.text
