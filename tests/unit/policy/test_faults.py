"""Rules for any policy, from any source."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from dnsfilter.policy.bounds import MAX_SUSPENSION_S
from dnsfilter.policy.faults import prefix_fault, problems
from dnsfilter.policy.model import (
    AllowedName,
    Audience,
    Authority,
    Ban,
    Binding,
    Closing,
    Exemption,
    FormalDecision,
    Funding,
    Ground,
    Kind,
    Mode,
    Policy,
    Range,
    Reply,
    Service,
    Site,
    Suspension,
    Term,
    Tier,
    WeeklyHours,
)
from dnsfilter.policy.text_faults import text_fault

DAY_S = 86_400
PREFIX = ip_network("192.0.2.0/24")
GHENT = Authority("ghent", Kind.MUNICIPALITY, (("nl", "Stad Gent"),), ("nl",), "Europe/Brussels", "ict@ghent.example")
DIEST = replace(GHENT, slug="diest")
RANGE = Range(PREFIX, "ghent", Funding.PUBLIC, Audience.STAFF)
TERM = Term(0, DAY_S)
BAN = Ban(10, "ghent", "tiktok", Mode.ENFORCE, (TERM,))
OTHER = replace(BAN, number=11, authority="diest")
NINE = tuple(ip_address(f"192.0.2.{number}") for number in range(1, 10))
BINDING = Binding(1, 10, "diest", Ground.LAW, 0)
EXEMPTION = Exemption(1, 10, frozenset({PREFIX}), 0, DAY_S)
ALLOWED = AllowedName(1, "ghent", b"\x01a\0", False, 0, DAY_S)
SOUND = Policy(
    revision=1,
    authorities=(GHENT, DIEST),
    ranges=(RANGE,),
    services=(Service("tiktok", "TikTok", (Tier(1),)), Service("capcut", "CapCut", (Tier(1),))),
    bans=(BAN, OTHER),
    bindings=(BINDING,),
    exemptions=(EXEMPTION,),
    suspensions=(Suspension("ghent", 0, MAX_SUSPENSION_S), Suspension(None, 0, 60)),
    allowed=(ALLOWED,),
)
FOLLOWING = FormalDecision(follows=11)


def _closing(authority: Authority, at: int = DAY_S, **more: Any) -> Authority:
    return replace(authority, closing=Closing(at, **more))


# Everything of ghent, or binding diest, ends with the first day.
CLOSED = replace(
    SOUND,
    authorities=(_closing(GHENT, successor="diest"), _closing(DIEST)),
    bindings=(replace(BINDING, end=DAY_S),),
    allowed=(),
)


def test_a_sound_policy_has_no_problem() -> None:
    assert problems(SOUND) == ()
    assert problems(Policy(revision=1)) == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"ranges": (RANGE, RANGE)},
        {"ranges": (replace(RANGE, prefix=ip_network("169.254.0.0/24")),)},
        {"authorities": (DIEST,)},
        {"authorities": tuple(replace(authority, contact="") for authority in SOUND.authorities)},
        {"sites": (Site("annex"),)},
        {"exemptions": (replace(EXEMPTION, ranges=frozenset({ip_network("192.0.2.0/25")})),)},
        {"bans": (replace(BAN, terms=()), OTHER)},
        {"bans": (replace(BAN, service="absent"), OTHER)},
        {"services": SOUND.services[1:]},
        {"authorities": (_closing(GHENT, 60), DIEST), "bindings": (), "exemptions": (), "allowed": ()},
        {"revision": 2},
    ],
)
def test_earlier_sound_policy_hides_no_problem(changes: dict[str, Any]) -> None:
    changed = replace(SOUND, **changes)
    assert problems(changed, SOUND) == problems(changed)
    assert bool(problems(changed)) == ("revision" not in changes)


def test_unchanged_service_may_not_be_of_a_removed_authority() -> None:
    tier = Tier(1, domains=frozenset({b"\x01a\0"}))
    sound = Policy(1, (GHENT, DIEST), services=(Service("diest:x", "X", (tier,)),))
    assert problems(sound) == ()
    (found,) = problems(replace(sound, authorities=(GHENT,)), sound)
    assert found.location == "service[0].authority"


def test_unchanged_ban_may_not_follow_a_removed_one() -> None:
    following = replace(BAN, terms=(replace(TERM, decision=FOLLOWING),), decision=FOLLOWING)
    sound = replace(SOUND, bans=(following, OTHER))
    assert problems(sound) == ()
    found = problems(replace(sound, bans=(following,)), sound)
    assert [each.location for each in found] == ["ban[0].decision.follows", "ban[0].term[0].decision.follows"]


@pytest.mark.parametrize(
    "changes",
    [
        {"ranges": (RANGE, RANGE)},
        {"authorities": (replace(DIEST, contact=""),)},
        {"bans": (replace(BAN, terms=()),)},
    ],
)
def test_parts_equal_to_a_sound_policy_are_not_checked_again(changes: dict[str, Any]) -> None:
    unsound = replace(Policy(1, SOUND.authorities, SOUND.sites), **changes)
    assert problems(replace(unsound, revision=2), unsound) == ()


@pytest.mark.parametrize(
    ("policy", "location"),
    [
        (replace(SOUND, authorities=(GHENT, DIEST, DIEST)), "authority[2].slug"),
        (replace(SOUND, authorities=(GHENT, replace(DIEST, languages=("nl", "nl")))), "authority[1].languages"),
        (replace(SOUND, authorities=(GHENT, replace(DIEST, time_zone="localtime"))), "authority[1].time_zone"),
        (replace(SOUND, authorities=(GHENT, replace(DIEST, contact="a" * 1001))), "authority[1].contact"),
        (replace(SOUND, authorities=(GHENT, replace(DIEST, group="a\tb"))), "authority[1].group"),
        (
            replace(SOUND, authorities=(GHENT, replace(DIEST, filtering_database="A b"))),
            "authority[1].filtering_database",
        ),
        (replace(SOUND, sites=(Site("default"), Site("default"))), "site[1].slug"),
        (replace(SOUND, services=(*SOUND.services, SOUND.services[0])), "service[2].slug"),
        (replace(SOUND, ranges=(RANGE, replace(RANGE, authority="diest"))), "range[1].prefix"),
        (replace(SOUND, ranges=(RANGE, replace(RANGE, prefix=ip_network("fe80::/64")))), "range[1].prefix"),
        (replace(SOUND, ranges=(RANGE, replace(RANGE, site="annex"))), "range[1].site"),
        (replace(SOUND, bans=(BAN, replace(OTHER, number=10))), "ban[1].number"),
        (replace(SOUND, bans=(BAN, OTHER, replace(OTHER, number=12))), "ban[2]"),
        (replace(SOUND, bans=(BAN, replace(OTHER, terms=()))), "ban[1]"),
        (replace(SOUND, bans=(BAN, replace(OTHER, terms=(Term(0),)))), "ban[1].term[0]"),
        (replace(SOUND, bans=(BAN, replace(OTHER, terms=(TERM, Term(5, 5))))), "ban[1].term[1].end"),
        (replace(SOUND, bans=(BAN, replace(OTHER, terms=(Term(-1, 5),)))), "ban[1].term[0].start"),
        (replace(SOUND, bans=(BAN, replace(OTHER, terms=(Term(0, 1 << 40),)))), "ban[1].term[0].end"),
        (replace(SOUND, bans=(BAN, replace(OTHER, terms=(Term(0, 5, -1),)))), "ban[1].term[0].review_by"),
        (
            replace(SOUND, bans=(BAN, replace(OTHER, provisional=True, terms=(Term(0, 4 * DAY_S),)))),
            "ban[1].term[0].end",
        ),
        (replace(SOUND, bans=(BAN, replace(OTHER, tiers=frozenset({1, 3})))), "ban[1].tiers"),
        (replace(SOUND, bans=(BAN, replace(OTHER, tiers=frozenset({2})))), "ban[1].tiers"),
        (replace(SOUND, bans=(BAN, replace(OTHER, tiers=frozenset()))), "ban[1].tiers"),
        (replace(SOUND, bans=(BAN, replace(OTHER, audience=frozenset()))), "ban[1].audience"),
        (replace(SOUND, bans=(BAN, replace(OTHER, reply=Reply.ADDRESS))), "ban[1].addresses"),
        (replace(SOUND, bans=(BAN, replace(OTHER, reply=Reply.ADDRESS, addresses=NINE))), "ban[1].addresses"),
        (
            replace(SOUND, bans=(BAN, replace(OTHER, reply=Reply.ADDRESS, addresses=(ip_address("224.0.0.1"),)))),
            "ban[1].addresses",
        ),
        (replace(SOUND, bans=(BAN, replace(OTHER, decision=FOLLOWING))), "ban[1].decision.follows"),
        (replace(SOUND, bans=(BAN, replace(OTHER, service="capcut", decision=FormalDecision(follows=10)))),
         "ban[1].decision.follows"),
        (replace(SOUND, bans=(BAN, replace(OTHER, decision=FormalDecision(follows=9)))), "ban[1].decision.follows"),
        (replace(SOUND, bindings=(BINDING, BINDING)), "binding[1].number"),
        (replace(SOUND, bindings=(replace(BINDING, authority="ghent"),)), "binding[0].of"),
        (replace(SOUND, bindings=(replace(BINDING, ban=9),)), "binding[0].of"),
        (
            replace(SOUND, bindings=(replace(BINDING, ground=Ground.AGREEMENT, new_names_at_once=True),)),
            "binding[0].new_names_at_once",
        ),
        (replace(SOUND, bindings=(replace(BINDING, end=0),)), "binding[0].end"),
        (replace(SOUND, exemptions=(replace(EXEMPTION, ban=9),)), "exemption[0].of"),
        (replace(SOUND, exemptions=(replace(EXEMPTION, ranges=frozenset()),)), "exemption[0].ranges"),
        (replace(SOUND, exemptions=(replace(EXEMPTION, site="annex"),)), "exemption[0].site"),
        (replace(SOUND, exemptions=(replace(EXEMPTION, end=366 * DAY_S),)), "exemption[0].end"),
        (replace(SOUND, exemptions=(replace(EXEMPTION, hours=(WeeklyHours(frozenset({7}), 0, 1, "UTC"),)),)),
         "exemption[0].hours"),
        (replace(SOUND, exemptions=(replace(EXEMPTION, hours=(WeeklyHours(frozenset({1}), 5, 5, "UTC"),)),)),
         "exemption[0].hours"),
        (replace(SOUND, exemptions=(replace(EXEMPTION, hours=(WeeklyHours(frozenset({1}), 0, 5, "Mars"),)),)),
         "exemption[0].hours"),
        (replace(SOUND, suspensions=(Suspension("nobody", 0, 60),)), "suspension[0].authority"),
        (replace(SOUND, suspensions=(Suspension(None, 0, MAX_SUSPENSION_S + 1),)), "suspension[0].end"),
        (replace(SOUND, suspensions=(Suspension(None, 60, 60),)), "suspension[0].end"),
        (replace(SOUND, allowed=(ALLOWED, ALLOWED)), "allowed[1].number"),
        (replace(SOUND, allowed=(replace(ALLOWED, authority="nobody"),)), "allowed[0].authority"),
        (replace(SOUND, allowed=(replace(ALLOWED, end=0),)), "allowed[0].end"),
        (replace(SOUND, allowed=(replace(ALLOWED, end=None),)), "allowed[0]"),
        (replace(SOUND, allowed=(replace(ALLOWED, end=None, review_by=-1),)), "allowed[0].review_by"),
        (replace(SOUND, allowed=(replace(ALLOWED, name=b"\0"),)), "allowed[0].name"),
        (replace(SOUND, allowed=(replace(ALLOWED, name=b"\1A\0"),)), "allowed[0].name"),
        (replace(SOUND, allowed=(replace(ALLOWED, reason="a\tb"),)), "allowed[0].reason"),
        (replace(SOUND, services=(replace(SOUND.services[0], tiers=(Tier(1), Tier(1))),)), "service[0].tier[1]"),
        (replace(SOUND, services=(replace(SOUND.services[0], tiers=(Tier(1), Tier(1, enforced_from=0))),)),
         "service[0].tier[1].enforced_from"),
    ],
)  # fmt: skip
def test_each_contradiction_is_one_problem_at_its_place(policy: Policy, location: str) -> None:
    assert [problem.location for problem in problems(policy)] == [location]


def test_bans_and_bindings_end_when_the_authority_closes() -> None:
    assert problems(CLOSED) == ()
    # A term that is ended in the second in which it begins ends in the next.
    late = replace(BAN, terms=(TERM, Term(DAY_S, DAY_S + 1)))
    assert problems(replace(CLOSED, bans=(late, OTHER))) == ()


@pytest.mark.parametrize(
    ("changes", "locations"),
    [
        ({"bans": (replace(BAN, terms=(TERM, Term(0, DAY_S + 1))), OTHER)}, ["ban[0].term[1].end"]),
        ({"bans": (BAN, replace(OTHER, terms=(Term(0, None, 5),)))}, ["ban[1].term[0].end"]),
        ({"exemptions": (replace(EXEMPTION, end=DAY_S + 1),)}, ["exemption[0].end"]),
        ({"bindings": (BINDING,), "authorities": (GHENT, _closing(DIEST))}, ["binding[0].end"]),
        ({"bindings": (BINDING,), "authorities": (_closing(GHENT), DIEST)}, ["binding[0].end"]),
        ({"authorities": (_closing(GHENT, -1), DIEST)}, ["authority[0].closes", "ban[0].term[0].end"]),
        ({"authorities": (_closing(GHENT, 1 << 40), DIEST)}, ["authority[0].closes"]),
        ({"authorities": (_closing(GHENT, reason="a\nb"), DIEST)}, ["authority[0].closed_reason"]),
        ({"allowed": (replace(ALLOWED, end=DAY_S + 1),)}, ["allowed[0].end"]),
        (
            {"authorities": (_closing(GHENT, decision=FormalDecision(link="x:y")), DIEST)},
            ["authority[0].closed_decision.link"],
        ),
        (
            {"bans": (replace(BAN, decision=FormalDecision(link="https://[x")), OTHER)},
            ["ban[0].decision.link"],
        ),
        ({"authorities": (_closing(GHENT, successor="nobody"), DIEST)}, ["authority[0].successor"]),
        ({"authorities": (_closing(GHENT, successor="ghent"), DIEST)}, ["authority[0].successor"]),
        (
            {"authorities": (_closing(GHENT, successor="diest"), _closing(DIEST, DAY_S - 1))},
            ["authority[0].successor", "ban[1].term[0].end", "binding[0].end"],
        ),
        (
            {"authorities": (_closing(GHENT, successor="diest"), _closing(DIEST, successor="ghent"))},
            ["authority[0].successor", "authority[1].successor"],
        ),
    ],
)
def test_end_after_a_closing_is_a_problem(changes: dict[str, Any], locations: list[str]) -> None:
    found = [problem.location for problem in problems(replace(CLOSED, **changes))]
    if "bindings" not in changes and locations[0].endswith("closes"):
        found = [location for location in found if location[:7] not in ("binding", "exempti")]
    assert found == locations


def test_only_authorities_on_a_circle_of_mergers_are_reported() -> None:
    successors = {"a": "b", "b": "c", "c": "d", "d": "b", "e": "f", "f": None}
    merged = tuple(_closing(replace(GHENT, slug=slug), successor=after) for slug, after in successors.items())
    emptied: dict[str, Any] = dict.fromkeys(("ranges", "bans", "bindings", "exemptions", "suspensions", "allowed"), ())
    found = problems(replace(SOUND, authorities=merged, **emptied))
    assert [problem.location for problem in found] == [f"authority[{index}].successor" for index in (1, 2, 3)]


def test_an_exemption_lasts_a_year_by_the_calendar() -> None:
    leap_start, leap_end = 1_709_247_600, 1_740_697_200  # 2024-03-01 and 2025-02-28 00:00 in Brussels
    year = replace(EXEMPTION, start=leap_start, end=leap_start + 365 * DAY_S)
    assert problems(replace(SOUND, exemptions=(year,))) == ()
    clamped = replace(EXEMPTION, start=leap_start - DAY_S, end=leap_end)  # from 29 February to 28 February
    assert problems(replace(SOUND, exemptions=(clamped,))) == ()
    assert len(problems(replace(SOUND, exemptions=(replace(clamped, end=leap_end + 1),)))) == 1


def test_exemption_may_name_a_range_that_the_ban_does_not_cover() -> None:
    wifi = replace(RANGE, prefix=ip_network("198.51.100.0/24"), audience=Audience.PUBLIC)
    policy = replace(SOUND, ranges=(RANGE, wifi), exemptions=(replace(EXEMPTION, ranges=frozenset({wifi.prefix})),))
    assert problems(policy) == ()


@pytest.mark.parametrize(
    ("prefix", "faulty"),
    [("192.0.2.0/24", False), ("0.0.0.0/0", False), ("::/0", False), ("127.0.5.0/24", False), ("fe80::/10", True),
     ("fe81::1/128", True), ("169.254.7.0/24", True), ("::ffff:0:0/96", True), ("::ffff:192.0.2.1/128", True),
     ("2001:db8::%x/32", True)],
)  # fmt: skip
def test_mapped_link_local_and_scoped_prefixes_are_rejected(prefix: str, faulty: bool) -> None:
    assert (prefix_fault(ip_network(prefix)) is not None) is faulty


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Stad\u00a0Gent – décision n° 7, 漢字 😀", None),
        ("می\u200cخواهم, क्\u200dष", None),
        ("two\nlines", "has a line break or another control character"),
        ("C1 \x9b31m", "has a line break or another control character"),
        ("a\u202eb", "has an invisible character: U+202E"),
        ("a\u2066b", "has an invisible character: U+2066"),
        ("a\u200bb", "has an invisible character: U+200B"),
        ("soft\u00adhyphen", "has an invisible character: U+00AD"),
        ("\ufeffmark", "has an invisible character: U+FEFF"),
        ("tag \U000e0041", "has an invisible character: U+E0041"),
        ("half \ud83d", "has an invisible character: U+D83D"),
    ],
)
def test_misleading_text_is_a_problem(text: str, fault: str | None) -> None:
    assert text_fault(text) == fault
    wrong = problems(replace(SOUND, bans=(replace(BAN, decision=FormalDecision(reference=text)), OTHER)))
    expected = [] if fault is None else [("ban[0].decision.reference", fault)]
    assert [(problem.location, problem.message) for problem in wrong] == expected
