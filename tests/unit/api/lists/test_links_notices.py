"""Notices about prohibited lists: one mail for many bans, and what a follower has not adopted."""

from typing import Any

import pytest

from api.notices.kinds import Kind
from api.notices.letters import Names, letter
from tests.unit.api.conftest import Plane
from tests.unit.api.lists.conftest import LIST
from tests.unit.api.lists.test_links import AGREEMENT, FOLLOWING, LAW, LINKS, OWN
from tests.unit.api.lists.test_service import ADDITION
from tests.unit.api.notices.support import DAY_S, begun, new_kinds, rows

pytestmark = pytest.mark.heavy


def _text(facts: Any, kind: Kind) -> str:
    return " ".join(letter(kind, facts, None, Names({}, {"tech01": "Tech One"})).text.split())


def test_a_list_that_is_switched_off_causes_one_notice_that_names_it(adopted: Plane) -> None:
    notifier = begun(adopted)
    adopted.done("PATCH", LIST, {"mode": "off", "mode_reason": "election"})
    assert new_kinds(adopted, notifier.look) == [("ban_off", "federal")]
    facts = rows(adopted)[-1].facts
    assert (facts["ban"], len(facts["services"])) == ("federal/prohibited", 26)
    text = _text(facts, Kind.BAN_OFF)
    assert "Prohibited technologies (Tech One, tech02, tech03, tech04, tech05 and 21 more)" in text
    assert "dnsfilterctl prohibited-list show federal prohibited" in text
    assert new_kinds(adopted, notifier.look) == []


def test_a_single_ban_of_a_list_causes_its_own_notice(adopted: Plane) -> None:
    notifier = begun(adopted)
    adopted.done("PATCH", "/v1/authorities/federal/bans/tech02", {"mode": "off"})
    assert new_kinds(adopted, notifier.look) == [("ban_off", "federal")]
    assert rows(adopted)[-1].facts["ban"] == "federal/tech02"


def test_a_law_and_an_agreement_cause_one_notice_with_their_link(adopted: Plane) -> None:
    notifier = begun(adopted)
    adopted.done("POST", LINKS, LAW)
    assert new_kinds(adopted, notifier.look) == [("binding_by_law", "ghent")]
    number = adopted.done("POST", LINKS, {**AGREEMENT, "authority": "mechelen"})["number"]
    assert new_kinds(adopted, notifier.look) == [("binding_proposed", "mechelen")]
    facts = rows(adopted)[-1].facts
    assert facts["number"] == number
    assert f"dnsfilterctl list-link accept {number}" in _text(facts, Kind.BINDING_PROPOSED)
    adopted.done("POST", f"{LINKS}/{number}/accept")
    adopted.clock.now += 60
    assert new_kinds(adopted, notifier.look) == [("binding_accepted", "federal")]


def test_bans_of_a_list_that_end_cause_one_notice_to_each_authority(adopted: Plane) -> None:
    notifier = begun(adopted)
    adopted.done("POST", LINKS, LAW)
    notifier.look()
    adopted.clock.now += 155 * DAY_S
    found = new_kinds(adopted, notifier.look)
    assert found == [("ban_ending", "federal"), ("bound_ban_ending", "ghent")]
    text = _text(rows(adopted)[-2].facts, Kind.BAN_ENDING)
    assert "dnsfilterctl prohibited-list renew federal prohibited" in text


def test_a_follower_hears_of_each_addition_until_it_has_adopted_it(adopted: Plane) -> None:
    notifier = begun(adopted)
    number = adopted.done("POST", LINKS, FOLLOWING)["number"]
    assert new_kinds(adopted, notifier.look) == [("list_addition", "mechelen")]
    adopted.done("POST", f"{LINKS}/{number}/adopt", OWN)
    adopted.clock.now += 60
    assert new_kinds(adopted, notifier.look) == []
    adopted.done("POST", f"{LIST}/versions", {**ADDITION, "add": ["tech27", "tech28"]})
    assert new_kinds(adopted, notifier.look) == [("list_addition", "mechelen")]
    facts = rows(adopted)[-1].facts
    assert (facts["services"], facts["number"]) == (["tech27", "tech28"], number)
    assert f"dnsfilterctl list-link adopt {number} --legal-basis BASIS --reference REFERENCE" in _text(
        facts, Kind.LIST_ADDITION
    )
