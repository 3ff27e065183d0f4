"""What an act lifts: every query that is refused before it and not after it, and nothing else."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.publish.lifted_refusals import LiftedRefusal, lifted_refusals
from dnsfilter.policy.decide import Verdict, decide, matched_tiers, range_of
from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import (
    Address,
    Audience,
    Binding,
    Funding,
    Ground,
    Instant,
    Mode,
    Policy,
    Reply,
    Suspension,
    Term,
    Tier,
    WireName,
)
from tests.fuzz.examples import examples
from tests.support.policies import (
    NOW,
    Thing,
    allowed,
    ban,
    clients,
    exemption,
    moments,
    names,
    network,
    policies,
    policy,
    service,
    sites,
    wire,
)

TIKTOK = service("tiktok", ["tiktok.example"], (), Tier(2, wire("cdn.example"), wire()))
OFFICE = network("192.0.2.0/24", "ghent")
GUESTS = replace(OFFICE, audience=Audience.PUBLIC)
INNER = network("192.0.2.64/26", "ghent", audience=Audience.PUBLIC)
STAFF = network("192.0.2.64/26", "ghent")
BAN = ban(1, "ghent", "tiktok")
OTHER = ban(2, "mechelen", "tiktok")
AGREED = Binding(1, 2, "ghent", Ground.AGREEMENT, 0, accepted=0)
BY_LAW = Binding(2, 3, "ghent", Ground.LAW, 0)
NATIONAL = ban(3, "diest", "tiktok")
PAGE = ("198.51.100.80",)
WHEN = (Term(0, NOW + 100),)
BASE = (OFFICE, TIKTOK, BAN)
SHORTER = replace(BAN, terms=(Term(0, NOW + 60),))
ADDRESS = ban(1, "ghent", "tiktok", reply=Reply.ADDRESS, addresses=PAGE)


def _lifted(before: tuple[Thing, ...], after: tuple[Thing, ...], *deciders: str) -> tuple[LiftedRefusal, ...]:
    return lifted_refusals(policy(*before), policy(*after), deciders or ("ghent",), NOW)


@pytest.mark.parametrize(
    "after",
    [
        pytest.param((OFFICE, TIKTOK), id="ban removed"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, mode=Mode.OFF)), id="off"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, mode=Mode.MONITOR)), id="monitor"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, off_until=NOW + 60)), id="off for a time"),
        pytest.param((OFFICE, TIKTOK, SHORTER), id="ended later"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, terms=(Term(NOW + 60),))), id="begins later"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, tiers=frozenset({1}))), id="tier left out"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, funding=frozenset({Funding.PRIVATE}))), id="funding left out"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, audience=frozenset({Audience.PUPILS}))), id="audience left out"),
        pytest.param((OFFICE, TIKTOK, ADDRESS), id="an address instead"),
        pytest.param((GUESTS, TIKTOK, BAN), id="range of another audience"),
        pytest.param((replace(OFFICE, funding=Funding.PRIVATE), TIKTOK, BAN), id="range of another funding"),
        pytest.param((replace(OFFICE, authority="diest"), TIKTOK, BAN), id="range of another authority"),
        pytest.param((TIKTOK, BAN), id="range removed"),
        pytest.param((OFFICE, INNER, TIKTOK, BAN), id="inner range of another audience"),
        pytest.param((OFFICE, TIKTOK, BAN, exemption(1, 1, ["192.0.2.0/24"])), id="exempted"),
        pytest.param((*BASE, allowed(1, "ghent", "www.tiktok.example")), id="a name below allowed"),
        pytest.param((*BASE, allowed(1, "ghent", "example")), id="a name above allowed"),
        pytest.param((*BASE, allowed(1, "ghent", "tiktok.example", exact=True)), id="exactly a name allowed"),
        pytest.param(
            (*BASE, allowed(1, "ghent", "other.example")), id="a name whose answers may lead to refused names"
        ),
    ],
)
def test_every_way_to_refuse_less_is_found(after: tuple[Thing, ...]) -> None:
    found = _lifted(BASE, after)
    assert found
    assert {one.decider for one in found} == {"ghent"}
    assert _lifted(BASE, after, "mechelen", "diest") == ()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(BASE, BASE, id="nothing"),
        pytest.param(BASE, (OFFICE, STAFF, TIKTOK, BAN), id="inner range of the same kind"),
        pytest.param((OFFICE, STAFF, TIKTOK, BAN), BASE, id="inner range of the same kind removed"),
        pytest.param((*BASE, INNER), BASE, id="inner range of another kind removed"),
        pytest.param(BASE, (replace(OFFICE, label="hall"), TIKTOK, BAN), id="label"),
        pytest.param(BASE, (OFFICE, TIKTOK, replace(BAN, audience=frozenset(Audience))), id="wider"),
        pytest.param((OFFICE, TIKTOK, SHORTER), BASE, id="longer"),
        pytest.param(BASE, (OFFICE, TIKTOK, replace(BAN, reply=Reply.NXDOMAIN)), id="refused otherwise"),
        pytest.param((OFFICE, TIKTOK, ADDRESS), BASE, id="no address any more"),
        pytest.param(
            (OFFICE, TIKTOK, replace(BAN, mode=Mode.MONITOR)),
            (OFFICE, TIKTOK, replace(BAN, mode=Mode.OFF)),
            id="counts",
        ),
        pytest.param((OFFICE, TIKTOK, replace(BAN, terms=(Term(0, NOW),))), (OFFICE, TIKTOK), id="lapsed"),
        pytest.param((*BASE, NATIONAL, BY_LAW), (OFFICE, TIKTOK, NATIONAL, BY_LAW), id="a ban by law still refuses"),
        pytest.param(
            (*BASE, OTHER, AGREED, NATIONAL, BY_LAW),
            (OFFICE, TIKTOK, OTHER, AGREED, NATIONAL, BY_LAW),
            id="a ban by law still refuses after one by agreement",
        ),
        pytest.param((*BASE, OTHER, AGREED), (*BASE, OTHER), id="the own ban still refuses"),
        pytest.param(
            (OFFICE, TIKTOK, OTHER, AGREED), (OFFICE, STAFF, TIKTOK, OTHER, AGREED), id="the same ban refuses"
        ),
        pytest.param((*BASE, exemption(1, 1, ["192.0.2.0/24"])), BASE, id="exemption revoked"),
        pytest.param((*BASE, allowed(1, "ghent", "tiktok.example")), BASE, id="allowed name removed"),
        pytest.param(
            (OFFICE, TIKTOK, allowed(1, "ghent", "example")),
            (OFFICE, TIKTOK, allowed(1, "ghent", "example"), allowed(2, "ghent", "other.example")),
            id="allowed already, without an own ban",
        ),
        pytest.param(BASE, (*BASE, allowed(1, "mechelen", "tiktok.example")), id="allowed by another authority"),
        pytest.param(BASE, (*BASE, allowed(1, "ghent", "tiktok.example", end=NOW)), id="no longer allowed"),
        pytest.param(
            (*BASE, allowed(1, "ghent", "tiktok.example")),
            (*BASE, allowed(2, "ghent", "www.tiktok.example")),
            id="less allowed than before",
        ),
        pytest.param(
            (*BASE, NATIONAL, BY_LAW),
            (*BASE, NATIONAL, BY_LAW, allowed(1, "ghent", "tiktok.example")),
            id="a ban by law still refuses an allowed name",
        ),
        pytest.param(
            (OFFICE, service("tiktok", ["tiktok.example"]), BAN),
            (OFFICE, service("tiktok", ["tiktok.example"]), replace(BAN, tiers=frozenset({1}))),
            id="a tier that the service does not have",
        ),
    ],
)
def test_what_refuses_as_much_lifts_nothing(before: tuple[Thing, ...], after: tuple[Thing, ...]) -> None:
    assert _lifted(before, after) == ()


def test_a_fleet_that_is_removed_is_not_held_by_a_range_around_its_block() -> None:
    around, fleet = network("100::/48", "ghent"), network("100::1:0:0/96", "ghent")
    assert _lifted((around, fleet, TIKTOK, BAN), (around, TIKTOK, BAN)) == _lifted((fleet, TIKTOK, BAN), (TIKTOK, BAN))
    assert _lifted((fleet, TIKTOK, BAN), (TIKTOK, BAN))


def test_ban_by_agreement_does_not_make_up_for_an_own_ban() -> None:
    """Its authority can end it alone: nobody in ghent would have approved that."""
    found = _lifted((*BASE, OTHER, AGREED), (OFFICE, TIKTOK, OTHER, AGREED))
    assert {(one.decider, one.addresses) for one in found} == {("ghent", ())}


def test_act_during_a_suspension_counts_because_the_suspension_can_end_earlier() -> None:
    suspended = (*BASE, Suspension("ghent", NOW - 60, NOW + 60))
    off = (OFFICE, TIKTOK, replace(BAN, off_until=NOW + 60), suspended[-1])
    assert {(one.start, one.end) for one in _lifted(suspended, off)} == {(NOW, NOW + 60)}


CHAT = service("messenger", ["chat.tiktok.example"])
ON_CHAT = ban(4, "ghent", "messenger", reply=Reply.ADDRESS, addresses=PAGE)


TWO_TIERS = service("tiktok", ["tiktok.example"], (), Tier(2, wire("chat.tiktok.example"), wire()))
ON_ONE = (OFFICE, TWO_TIERS, replace(OTHER, tiers=frozenset({1})), AGREED)
ON_TWO = replace(ADDRESS, tiers=frozenset({2}))


@pytest.mark.parametrize(
    ("before", "after", "services"),
    [
        pytest.param(BASE, (OFFICE, TIKTOK, ADDRESS), {"tiktok"}, id="of the ban"),
        pytest.param((*BASE, CHAT), (*BASE, CHAT, ON_CHAT), {"tiktok"}, id="of a ban on a name below"),
        pytest.param(ON_ONE, (*ON_ONE, ON_TWO), {"tiktok"}, id="of an own ban on another tier"),
        pytest.param((*BASE, CHAT, ON_CHAT), (OFFICE, TIKTOK, ADDRESS, CHAT, ON_CHAT), {"tiktok"}, id="known there"),
        pytest.param((*BASE, CHAT, ON_CHAT), (*BASE, CHAT, ON_CHAT, STAFF), set(), id="as before"),
    ],
)
def test_other_addresses_are_found_and_named(
    before: tuple[Thing, ...], after: tuple[Thing, ...], services: set[str]
) -> None:
    found = _lifted(before, after)
    assert {one.service for one in found} == services
    assert {one.addresses for one in found} <= {PAGE}


def test_only_the_time_that_is_lost_is_lifted() -> None:
    found = _lifted((OFFICE, TIKTOK, replace(BAN, terms=WHEN)), (OFFICE, TIKTOK, SHORTER))
    assert {(one.start, one.end) for one in found} == {(NOW + 60, NOW + 100)}
    assert {(one.start, one.end) for one in _lifted(BASE, (OFFICE, TIKTOK))} == {(NOW, FOREVER)}


def test_range_is_named_and_a_ban_lifts_for_its_kinds() -> None:
    (first, _) = _lifted(BASE, (OFFICE, INNER, TIKTOK, BAN))
    assert (first.site, first.prefix, first.audience, first.tier) == ("default", "192.0.2.64/26", Audience.STAFF, 1)
    kinds = {(one.prefix, one.funding, one.audience) for one in _lifted(BASE, (OFFICE, TIKTOK))}
    assert kinds == {("", Funding.PUBLIC, Audience.STAFF), ("", Funding.PARTLY_PUBLIC, Audience.STAFF)}


WITHDRAWN = replace(AGREED, end=NOW + 1)
BOUND = (OFFICE, TIKTOK, OTHER, AGREED)


@pytest.mark.parametrize(
    ("after", "deciders", "decider"),
    [
        pytest.param((OFFICE, TIKTOK, OTHER, WITHDRAWN), ("ghent",), "ghent", id="withdrawn there"),
        pytest.param((OFFICE, TIKTOK, OTHER, WITHDRAWN), ("mechelen",), "mechelen", id="ended by the ban's authority"),
        pytest.param((OFFICE, TIKTOK, replace(OTHER, mode=Mode.OFF), AGREED), ("mechelen",), "mechelen", id="off"),
        pytest.param((OFFICE, TIKTOK, replace(OTHER, mode=Mode.OFF), AGREED), ("ghent",), None, id="off elsewhere"),
        pytest.param((GUESTS, TIKTOK, OTHER, AGREED), ("ghent",), "ghent", id="range"),
        pytest.param((GUESTS, TIKTOK, OTHER, AGREED), ("mechelen",), None, id="range of another"),
        pytest.param((*BOUND, ADDRESS), ("ghent",), "ghent", id="an own ban gives an address"),
    ],
)
def test_authority_that_decides_is_that_of_the_ban_or_of_the_ranges(
    after: tuple[Thing, ...], deciders: tuple[str, ...], decider: str | None
) -> None:
    assert {one.decider for one in _lifted(BOUND, after, *deciders)} == ({decider} if decider else set())


def test_exempted_range_counts_although_another_ban_refuses_elsewhere() -> None:
    exempted = exemption(1, 1, ["192.0.2.0/24"])
    found = _lifted((*BASE, OTHER, AGREED, exempted), (*BASE, OTHER, WITHDRAWN, exempted))
    assert {one.prefix for one in found} == {"192.0.2.0/24"}


def _given(held: Policy, number: int | None) -> frozenset[Address]:
    """Return the addresses that the clients of a ban get."""
    replying = (one for one in held.bans if one.number == number and one.reply is Reply.ADDRESS)
    return frozenset(address for one in replying for address in one.addresses)


@st.composite
def _changes(draw: st.DrawFn) -> tuple[Policy, Policy]:
    before, other = draw(policies()), draw(policies())
    parts = draw(st.sets(st.sampled_from(("ranges", "bans", "bindings", "exemptions", "allowed")), min_size=1))
    if "bans" not in parts:
        kept = {one.number for one in before.bans}
        other = replace(
            other,
            bindings=tuple(one for one in other.bindings if one.ban in kept),
            exemptions=tuple(one for one in other.exemptions if one.ban in kept),
        )
    after = replace(before, **{part: getattr(other, part) for part in parts})
    held = {one.number for one in after.bans}
    bindings = tuple(one for one in after.bindings if one.ban in held)
    return before, replace(after, bindings=bindings, exemptions=tuple(e for e in after.exemptions if e.ban in held))


def test_allowed_name_lifts_only_itself_while_it_is_allowed_and_refused() -> None:
    held = allowed(1, "ghent", "www.tiktok.example", NOW + 10, NOW + 200)
    found = _lifted((OFFICE, TIKTOK, replace(BAN, terms=WHEN)), (OFFICE, TIKTOK, replace(BAN, terms=WHEN), held))
    assert {(one.name, one.service, one.tier, one.start, one.end, one.addresses) for one in found} == {
        ("www.tiktok.example", "tiktok", 1, NOW + 10, NOW + 100, ())
    }
    assert {(one.site, one.prefix) for one in found} == {("", "")}


@pytest.mark.parametrize(
    "base",
    [
        pytest.param((OFFICE, TIKTOK), id="no ban"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, mode=Mode.MONITOR)), id="only counted"),
        pytest.param((OFFICE, TIKTOK, replace(BAN, terms=(Term(0, NOW),))), id="lapsed"),
        pytest.param((OFFICE, TIKTOK, NATIONAL, BY_LAW), id="only a ban by law"),
    ],
)
def test_name_that_no_own_ban_refuses_yet_is_lifted_from_later_ones(base: tuple[Thing, ...]) -> None:
    found = _lifted(base, (*base, allowed(1, "ghent", "other.example", NOW + 10, NOW + 200)))
    assert {(one.name, one.service, one.tier, one.start, one.end, one.decider) for one in found} == {
        ("other.example", "", 0, NOW + 10, NOW + 200, "ghent")
    }
    assert {(one.funding, one.audience) for one in found} == {
        (Funding.PUBLIC, Audience.STAFF),
        (Funding.PARTLY_PUBLIC, Audience.STAFF),
    }


@pytest.mark.heavy
@examples(60)
@given(_changes(), sites, clients, names, moments.filter(lambda at: at >= NOW))
def test_any_query_refused_before_and_not_after_or_with_another_address_is_lifted(
    change: tuple[Policy, Policy], site: str, client: Address, name: WireName, at: Instant
) -> None:
    before, after = change
    was, becomes = (decide(each, site, client, name, at) for each in change)
    if was.verdict is not Verdict.REFUSE:
        return
    given = _given(after, becomes.ban) if becomes.verdict is Verdict.REFUSE else frozenset[Address]()
    if becomes.verdict is Verdict.REFUSE and given <= _given(before, was.ban):
        return
    held = range_of(before, site, client)
    assert held is not None
    tiers = {one.slug: set(matched_tiers(one, name)) for one in before.services}
    found = lifted_refusals(before, after, ("ghent", "mechelen"), NOW)
    assert any(
        (one.authority, one.funding, one.audience) == (held.authority, held.funding, held.audience)
        and one.tier in tiers[one.service]
        and one.start <= at < one.end
        and set(one.addresses) == set(map(str, given))
        for one in found
    )
