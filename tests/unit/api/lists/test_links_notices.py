"""Notices about prohibited lists: one mail for many bans, what a follower has not adopted, new services."""

from typing import Any

import pytest

from api.db.models import NoticeRow
from api.notices.kinds import Kind
from api.notices.letters import Names, letter
from api.notices.repository import KEPT_S
from tests.unit.api.conftest import Plane
from tests.unit.api.lists.conftest import ADOPTION, LIST, load_bots
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
    text = _text(facts, Kind.LIST_ADDITION)
    assert "An approver of your authority adopts these services, by a decision of your own:" in text
    assert f"dnsfilterctl list-link adopt {number} --legal-basis BASIS --reference REFERENCE" in text


def _of_category(plane: Plane) -> None:
    """Adopt a list of the services of a category."""
    plane.done("PUT", LIST, {"category": "ai"})
    plane.done("POST", f"{LIST}/adopt", ADOPTION)


def test_services_that_the_category_of_a_list_gets_are_proposed_once_each(federal: Plane) -> None:
    _of_category(federal)
    notifier = begun(federal)
    load_bots(federal, "newbot", "otherbot")
    assert new_kinds(federal, notifier.look) == [("list_proposal", "federal")]
    assert rows(federal)[-1].facts == {
        "list": "federal/prohibited",
        "title": "",
        "category": "ai",
        "services": ["newbot", "otherbot"],
    }
    federal.done("PUT", LIST, {"declined": ["newbot"]})
    assert new_kinds(federal, notifier.look) == []
    load_bots(federal, "newbot", "otherbot", "thirdbot", number=8)
    assert new_kinds(federal, notifier.look) == [("list_proposal", "federal")]
    assert rows(federal)[-1].facts["services"] == ["thirdbot"]
    assert federal.done("GET", LIST)["service_count"] == 15


def test_proposal_that_nobody_decides_is_not_sent_again_when_old_notices_go(federal: Plane) -> None:
    _of_category(federal)
    federal.done("POST", f"{LIST}/terms", {"for": "1 year", "decision": {"reference": "2026/9"}})
    notifier = begun(federal)
    load_bots(federal, "newbot")
    notifier.look()
    assert rows(federal)[-1].kind == "list_proposal"
    with federal.database.writing() as session:
        session.get_one(NoticeRow, rows(federal)[-1].number).next_try_s = None
    for _ in range(2):
        federal.clock.now += KEPT_S
        assert ("list_proposal", "federal") not in new_kinds(federal, notifier.look)


def test_list_that_is_not_adopted_or_over_gets_no_proposals(federal: Plane) -> None:
    federal.done("PUT", LIST, {"category": "ai"})
    notifier = begun(federal)
    load_bots(federal, "newbot")
    assert new_kinds(federal, notifier.look) == []
    federal.done("POST", f"{LIST}/adopt", ADOPTION)
    federal.clock.now += 60
    federal.done("POST", f"{LIST}/end", {"reason": "annulled"})
    assert ("list_proposal", "federal") not in new_kinds(federal, notifier.look)
