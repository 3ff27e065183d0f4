"""The rules, one test each: the client's authority, bans, matching names, the winner, and counting."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.decide import (
    Decision,
    Standing,
    Verdict,
    consider,
    decide,
    next_exemption,
    range_of,
    standings,
)
from dnsfilter.policy.exempted_times import exemption_begins, exemption_holds
from dnsfilter.policy.model import (
    AllowedName,
    Audience,
    Binding,
    Funding,
    Ground,
    Instant,
    Mode,
    Policy,
    Service,
    Suspension,
    Term,
    Tier,
    WeeklyHours,
)
from dnsfilter.wire.names import name_text, parse_name
from tests.fuzz.examples import examples
from tests.support.policies import (
    DAY,
    HOUR,
    NOW,
    Thing,
    allowed,
    ban,
    exemption,
    instants,
    network,
    policies,
    policy,
    service,
    wire,
)

GHENT = network("192.0.2.0/24", "ghent")
MECHELEN = network("198.51.100.0/24", "mechelen")
TIKTOK = service("tiktok", ["tiktok.example"], ["login.example.org"])
FRESH = Service("fresh", "Fresh", (Tier(1, wire("tiktok.example"), enforced_from=NOW + HOUR),))


def asked(
    *things: Thing,
    client: str = "192.0.2.10",
    name: str = "www.tiktok.example",
    at: Instant = NOW,
    site: str = "default",
) -> Decision:
    """Return the decision of a policy with these objects, by default for a client of Ghent that queries TikTok."""
    return decide(policy(*things), site, ip_address(client), parse_name(name), at)


def accepted(start: Instant = 0, end: Instant | None = None, ground: Ground = Ground.AGREEMENT) -> Binding:
    """Return a binding of ban 1 to Ghent."""
    return Binding(1, 1, "ghent", ground, start, end, accepted=0)


class TestWhoseClient:
    def test_client_in_no_range_has_no_authority(self) -> None:
        assert asked(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), client="203.0.113.1") == Decision(Verdict.PASS, None)

    def test_the_most_specific_range_holds_the_client(self) -> None:
        things = (GHENT, network("192.0.2.64/26", "mechelen"), TIKTOK, ban(1, "ghent", "tiktok"))
        assert asked(*things, client="192.0.2.63").verdict is Verdict.REFUSE
        assert asked(*things, client="192.0.2.64") == Decision(Verdict.PASS, "mechelen")
        assert asked(*things, client="192.0.2.128").verdict is Verdict.REFUSE

    def test_families_do_not_mix(self) -> None:
        ranges = policy(network("0.0.0.0/0", "ghent"), network("2001:db8::/32", "mechelen"))
        found = {text: range_of(ranges, "default", ip_address(text)) for text in ("192.0.2.1", "2001:db8::1", "::1")}
        assert {text: r and r.authority for text, r in found.items()} == {
            "192.0.2.1": "ghent",
            "2001:db8::1": "mechelen",
            "::1": None,
        }

    def test_sites_have_address_plans_of_their_own(self) -> None:
        things = (GHENT, network("192.0.2.0/24", "mechelen", site="annex"), TIKTOK, ban(1, "ghent", "tiktok"))
        assert asked(*things).authority == "ghent"
        assert asked(*things, site="annex") == Decision(Verdict.PASS, "mechelen")


class TestWhichName:
    @pytest.mark.parametrize(
        ("name", "verdict"),
        [
            ("tiktok.example", Verdict.REFUSE),
            ("a.b.c.TikTok.Example", Verdict.REFUSE),
            ("nottiktok.example", Verdict.PASS),
            ("tiktok.example.org", Verdict.PASS),
            ("example", Verdict.PASS),
            (".", Verdict.PASS),
            ("login.example.org", Verdict.REFUSE),
            ("www.login.example.org", Verdict.PASS),
            ("example.org", Verdict.PASS),
        ],
    )
    def test_domains_cover_what_is_below_at_label_boundaries_and_hosts_are_exact(
        self, name: str, verdict: Verdict
    ) -> None:
        assert asked(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), name=name).verdict is verdict

    def test_dot_inside_a_label_is_not_a_boundary(self) -> None:
        assert asked(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), name=r"www\.tiktok.example").verdict is Verdict.PASS

    def test_ban_applies_to_its_tiers_only(self) -> None:
        tiers = service("tiktok", ["tiktok.example"], [], Tier(2, wire("bytes.example")), Tier(3, wire("far.example")))
        things = (GHENT, tiers, ban(1, "ghent", "tiktok"))
        verdicts = {
            name: asked(*things, name=name).verdict for name in ("tiktok.example", "bytes.example", "far.example")
        }
        assert verdicts == {
            "tiktok.example": Verdict.REFUSE,
            "bytes.example": Verdict.REFUSE,
            "far.example": Verdict.PASS,
        }

    def test_decision_has_the_longest_suffix_of_the_ban(self) -> None:
        nested = service("tiktok", ["example", "tiktok.example"], [], Tier(2, wire("www.tiktok.example")))
        decision = asked(GHENT, nested, ban(1, "ghent", "tiktok"), name="x.www.tiktok.example")
        assert name_text(decision.suffix) == "www.tiktok.example"
        decision = asked(GHENT, nested, ban(1, "ghent", "tiktok", tiers=frozenset({1})), name="x.www.tiktok.example")
        assert name_text(decision.suffix) == "tiktok.example"


class TestWhichBans:
    def test_another_authoritys_ban_does_not_apply(self) -> None:
        assert asked(GHENT, TIKTOK, ban(1, "mechelen", "tiktok")) == Decision(Verdict.PASS, "ghent")

    @pytest.mark.parametrize(
        ("funding", "audience", "verdict"),
        [
            (Funding.PUBLIC, Audience.STAFF, Verdict.REFUSE),
            (Funding.PARTLY_PUBLIC, Audience.STAFF, Verdict.REFUSE),
            (Funding.PRIVATE, Audience.STAFF, Verdict.PASS),
            (Funding.PUBLIC, Audience.PUBLIC, Verdict.PASS),
            (Funding.PUBLIC, Audience.PUPILS, Verdict.PASS),
        ],
    )
    def test_default_covers_staff_devices_with_public_or_partly_public_funding(
        self, funding: Funding, audience: Audience, verdict: Verdict
    ) -> None:
        things = (network("192.0.2.0/24", "ghent", funding, audience), TIKTOK, ban(1, "ghent", "tiktok"))
        assert asked(*things) == (
            Decision(Verdict.PASS, "ghent")
            if verdict is Verdict.PASS
            else Decision(verdict, "ghent", 1, "tiktok", False, parse_name("tiktok.example"))
        )

    def test_ban_covers_its_funding_and_audience(self) -> None:
        wifi = network("192.0.2.0/24", "ghent", Funding.PRIVATE, Audience.PUBLIC)
        wide = ban(1, "ghent", "tiktok", funding=frozenset(Funding), audience=frozenset(Audience))
        assert asked(wifi, TIKTOK, wide).verdict is Verdict.REFUSE

    def test_a_law_binds_without_acceptance(self) -> None:
        law = Binding(1, 1, "ghent", Ground.LAW, start=NOW, end=NOW + DAY)
        things = (GHENT, TIKTOK, ban(1, "mechelen", "tiktok"), law)
        verdicts = [asked(*things, at=at).verdict for at in (NOW - 1, NOW, NOW + DAY - 1, NOW + DAY)]
        assert verdicts == [Verdict.PASS, Verdict.REFUSE, Verdict.REFUSE, Verdict.PASS]
        assert asked(*things).bound

    def test_an_agreement_binds_only_once_accepted(self) -> None:
        things = (GHENT, TIKTOK, ban(1, "mechelen", "tiktok"))
        agreement = accepted()
        assert asked(*things, replace(agreement, accepted=None)).verdict is Verdict.PASS
        later = replace(agreement, accepted=NOW + 1)
        assert [asked(*things, later, at=at).verdict for at in (NOW, NOW + 1)] == [Verdict.PASS, Verdict.REFUSE]

    def test_bound_ban_covers_its_funding_and_audience(self) -> None:
        wifi = network("192.0.2.0/24", "ghent", Funding.PRIVATE, Audience.PUBLIC)
        assert asked(wifi, TIKTOK, ban(1, "mechelen", "tiktok"), accepted()).verdict is Verdict.PASS


class TestWhen:
    @pytest.mark.parametrize(
        ("terms", "edges"),
        [
            pytest.param((Term(NOW, NOW + DAY),), [NOW, NOW + DAY], id="one"),
            pytest.param((Term(NOW, NOW + 5), Term(NOW + 5, NOW + 9)), [NOW, NOW + 9], id="touching"),
            pytest.param((Term(NOW, NOW + 6), Term(NOW + 3, NOW + 9)), [NOW, NOW + 9], id="overlapping"),
            pytest.param((Term(NOW, NOW + 3), Term(NOW + 6, NOW + 9)), [NOW, NOW + 3, NOW + 6, NOW + 9], id="apart"),
            pytest.param((Term(NOW - DAY, NOW + 9, recorded=NOW + 4),), [NOW + 4, NOW + 9], id="recorded late"),
            pytest.param((Term(NOW + 4, NOW + 9, recorded=NOW),), [NOW + 4, NOW + 9], id="recorded before"),
            pytest.param((Term(NOW, NOW + 4, recorded=NOW + 9),), [], id="recorded after its end"),
            pytest.param((Term(NOW),), [NOW], id="without end"),
            pytest.param((Term(NOW, review_by=NOW + 2),), [NOW], id="a review ends nothing"),
        ],
    )
    def test_term_is_in_force_from_start_to_end_and_not_before_it_is_recorded(
        self, terms: tuple[Term, ...], edges: list[Instant]
    ) -> None:
        things = (GHENT, TIKTOK, ban(1, "ghent", "tiktok", terms=terms))
        verdicts = {at: asked(*things, at=at).verdict for at in range(NOW - 2, NOW + 12)}
        if terms[0].end == NOW + DAY:
            verdicts |= {at: asked(*things, at=at).verdict for at in (NOW + DAY - 1, NOW + DAY)}
        for at, verdict in verdicts.items():
            inside = sum(edge <= at for edge in edges) % 2 == 1
            assert verdict is (Verdict.REFUSE if inside else Verdict.PASS), at - NOW

    @pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.MONITOR])
    def test_a_lapsed_ban_neither_refuses_nor_counts(self, mode: Mode) -> None:
        lapsed = ban(1, "ghent", "tiktok", mode, (Term(0, NOW),))
        assert asked(GHENT, TIKTOK, lapsed, exemption(1, 1, ["192.0.2.0/24"])) == Decision(Verdict.PASS, "ghent")


class TestExemptions:
    def test_exactly_that_range_is_exempted(self) -> None:
        things = (GHENT, network("192.0.2.64/26", "ghent"), TIKTOK, ban(1, "ghent", "tiktok"))
        outer = exemption(1, 1, ["192.0.2.0/24"])
        assert asked(*things, outer, client="192.0.2.1").verdict is Verdict.PASS
        assert asked(*things, outer, client="192.0.2.65").verdict is Verdict.REFUSE
        inner = exemption(1, 1, ["192.0.2.64/26"])
        assert asked(*things, inner, client="192.0.2.1").verdict is Verdict.REFUSE
        assert asked(*things, inner, client="192.0.2.65").verdict is Verdict.PASS

    def test_the_same_prefix_at_another_site_is_another_range(self) -> None:
        annex = network("192.0.2.0/24", "ghent", site="annex")
        things = (GHENT, annex, TIKTOK, ban(1, "ghent", "tiktok"), exemption(1, 1, ["192.0.2.0/24"], site="annex"))
        assert asked(*things).verdict is Verdict.REFUSE
        assert asked(*things, site="annex").verdict is Verdict.PASS

    def test_name_of_an_exempted_ban_only_is_counted_as_exempted(self) -> None:
        decision = asked(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), exemption(1, 1, ["192.0.2.0/24"]))
        assert decision == Decision(Verdict.PASS, "ghent", exempted=frozenset({"tiktok"}))

    @pytest.mark.parametrize("approved", [None, NOW + 1])
    def test_nothing_is_exempted_before_approval(self, approved: Instant | None) -> None:
        asked_for = exemption(1, 1, ["192.0.2.0/24"], approved=approved)
        assert asked(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), asked_for).verdict is Verdict.REFUSE

    def test_hours_exempt_only_within_the_exemption(self) -> None:
        # NOW is Saturday 00:00 UTC; Monday 09:00 in Brussels is by then summer time, 07:00 UTC.
        monday = NOW + 2 * DAY
        weekdays = WeeklyHours(frozenset(range(5)), 9 * 60, 12 * 60, "Europe/Brussels")
        mornings = exemption(1, 1, ["192.0.2.0/24"], NOW, NOW + 4 * DAY, hours=(weekdays,))
        things = (GHENT, TIKTOK, ban(1, "ghent", "tiktok"), mornings)
        passes = {
            NOW + 8 * HOUR: False,
            monday + 7 * HOUR - 1: False,
            monday + 7 * HOUR: True,
            monday + 10 * HOUR - 1: True,
            monday + 10 * HOUR: False,
            monday + DAY + 8 * HOUR: True,
            monday + 2 * DAY + 8 * HOUR: False,
        }
        assert {at: asked(*things, at=at).verdict is Verdict.PASS for at in passes} == passes

    def test_own_exemption_does_not_lift_another_authoritys_ban(self) -> None:
        bound, own = ban(1, "mechelen", "tiktok"), ban(2, "ghent", "tiktok")
        decision = asked(GHENT, TIKTOK, bound, own, accepted(), exemption(1, 2, ["192.0.2.0/24"]))
        assert (decision.verdict, decision.ban, decision.bound) == (Verdict.REFUSE, 1, True)
        assert decision.exempted == frozenset()

    def test_a_bound_ban_can_be_exempted_by_name(self) -> None:
        things = (GHENT, TIKTOK, ban(1, "mechelen", "tiktok"), accepted(), exemption(1, 1, ["192.0.2.0/24"]))
        assert asked(*things) == Decision(Verdict.PASS, "ghent", exempted=frozenset({"tiktok"}))


class TestSuspension:
    @pytest.mark.parametrize(
        ("whose", "verdict"), [("ghent", Verdict.PASS), (None, Verdict.PASS), ("mechelen", Verdict.REFUSE)]
    )
    def test_nothing_is_refused_for_a_suspended_authority(self, whose: str | None, verdict: Verdict) -> None:
        pause = Suspension(whose, NOW, NOW + HOUR)
        things = (GHENT, TIKTOK, ban(1, "ghent", "tiktok"), pause)
        assert asked(*things).verdict is verdict
        assert [asked(*things, at=at).verdict for at in (NOW - 1, NOW + HOUR)] == [Verdict.REFUSE] * 2

    def test_suspended_refusals_are_counted_as_exempted(self) -> None:
        decision = asked(GHENT, TIKTOK, ban(1, "ghent", "tiktok"), Suspension("ghent", NOW, NOW + HOUR))
        assert decision == Decision(Verdict.PASS, "ghent", exempted=frozenset({"tiktok"}))

    @pytest.mark.parametrize(("authority", "admitted"), [(None, True), ("ghent", False)])
    def test_a_client_in_no_range_is_admitted_while_all_are_suspended(
        self, authority: str | None, admitted: bool
    ) -> None:
        things = (GHENT, TIKTOK, ban(1, "ghent", "tiktok"), Suspension(authority, NOW, NOW + HOUR))
        elsewhere = {at: asked(*things, client="203.0.113.1", at=at) for at in (NOW - 1, NOW, NOW + HOUR)}
        assert elsewhere[NOW] == Decision(Verdict.PASS, None, admitted=admitted)
        assert elsewhere[NOW - 1] == elsewhere[NOW + HOUR] == Decision(Verdict.PASS, None)

    def test_bound_bans_are_suspended_with_the_authority_they_bind(self) -> None:
        things = (GHENT, TIKTOK, ban(1, "mechelen", "tiktok"), accepted())
        assert asked(*things, Suspension("ghent", NOW, NOW + HOUR)).verdict is Verdict.PASS
        assert asked(*things, Suspension("mechelen", NOW, NOW + HOUR)).verdict is Verdict.REFUSE


class TestWhoWins:
    CDN = service("capcut", ["www.tiktok.example"])

    def test_enforcing_beats_monitoring_and_both_are_reported(self) -> None:
        decision = asked(
            GHENT,
            TIKTOK,
            ban(1, "ghent", "tiktok", Mode.MONITOR),
            ban(2, "mechelen", "tiktok"),
            Binding(1, 2, "ghent", Ground.LAW, start=0),
        )
        assert (decision.verdict, decision.ban, decision.bound) == (Verdict.REFUSE, 2, True)
        assert decision.monitored == frozenset({"tiktok"})

    def test_an_own_ban_comes_before_a_bound_one_with_a_longer_suffix(self) -> None:
        things = (GHENT, TIKTOK, self.CDN, ban(1, "mechelen", "capcut"), accepted(), ban(2, "ghent", "tiktok"))
        decision = asked(*things)
        assert (decision.ban, decision.service, decision.bound) == (2, "tiktok", False)

    def test_the_longest_suffix_comes_before_a_lower_number(self) -> None:
        things = (GHENT, TIKTOK, self.CDN, ban(1, "ghent", "tiktok"), ban(2, "ghent", "capcut"))
        assert asked(*things).ban == 2
        assert asked(*things, name="cdn.tiktok.example").ban == 1

    def test_the_lowest_number_comes_first_among_equals(self) -> None:
        things = (GHENT, TIKTOK, ban(7, "ghent", "tiktok"), ban(3, "ghent", "tiktok"))
        assert asked(*things).ban == 3

    def test_every_matching_monitoring_ban_is_counted(self) -> None:
        monitors = (ban(1, "ghent", "tiktok", Mode.MONITOR), ban(2, "ghent", "capcut", Mode.MONITOR))
        decision = asked(GHENT, TIKTOK, self.CDN, *monitors)
        assert (decision.verdict, decision.ban) == (Verdict.MONITOR, 2)
        assert decision.monitored == frozenset({"tiktok", "capcut"})

    def test_off_does_not_protect_from_other_bans(self) -> None:
        things = (GHENT, TIKTOK, ban(1, "mechelen", "tiktok"), accepted(), ban(2, "ghent", "tiktok", Mode.OFF))
        decision = asked(*things)
        assert (decision.verdict, decision.ban) == (Verdict.REFUSE, 1)

    def test_ban_that_is_off_passes_without_counting(self) -> None:
        off = ban(1, "ghent", "tiktok", Mode.OFF)
        assert asked(GHENT, TIKTOK, off, exemption(1, 1, ["192.0.2.0/24"])) == Decision(Verdict.PASS, "ghent")

    def test_a_ban_that_is_off_for_a_time_refuses_again_by_itself(self) -> None:
        off = ban(1, "ghent", "tiktok", off_until=NOW + HOUR)
        things = policy(GHENT, TIKTOK, off)
        asking = (things, "default", ip_address("192.0.2.1"), parse_name("tiktok.example"))
        verdicts = [decide(*asking, at).verdict for at in (NOW, NOW + HOUR - 1, NOW + HOUR)]
        assert verdicts == [Verdict.PASS, Verdict.PASS, Verdict.REFUSE]

    def test_exempted_ban_with_a_monitoring_one_is_not_counted_as_exempted(self) -> None:
        things = (GHENT, TIKTOK, self.CDN, ban(1, "ghent", "tiktok"), ban(2, "ghent", "capcut", Mode.MONITOR))
        decision = asked(*things, exemption(1, 1, ["192.0.2.0/24"]))
        assert decision.verdict is Verdict.MONITOR
        assert (decision.monitored, decision.exempted) == (frozenset({"capcut"}), frozenset())


@pytest.mark.parametrize(
    ("changed", "standing"),
    [
        pytest.param((ban(1, "ghent", "tiktok"),), Standing.IN_FORCE, id="in force"),
        pytest.param((ban(1, "ghent", "tiktok", Mode.OFF),), Standing.OFF, id="off"),
        pytest.param((ban(1, "ghent", "tiktok", off_until=NOW + 1),), Standing.OFF, id="off for a second"),
        pytest.param((ban(1, "mechelen", "tiktok"), accepted(NOW + 1)), Standing.NOT_BOUND, id="not bound"),
        pytest.param((ban(1, "ghent", "tiktok", terms=(Term(0, 1),)),), Standing.NOT_IN_TERM, id="not in term"),
        pytest.param(
            (ban(1, "ghent", "tiktok", audience=frozenset({Audience.PUPILS})),), Standing.NOT_COVERED, id="not covered"
        ),
        pytest.param((ban(1, "ghent", "tiktok", tiers=frozenset({2})),), Standing.OTHER_TIER, id="other tier"),
        pytest.param((ban(1, "ghent", "tiktok"), Suspension(None, NOW, NOW + 1)), Standing.SUSPENDED, id="suspended"),
        pytest.param((ban(1, "ghent", "tiktok"), exemption(1, 1, ["192.0.2.0/24"])), Standing.EXEMPTED, id="exempted"),
        pytest.param(
            (ban(1, "ghent", "tiktok"), allowed(1, "ghent", "tiktok.example")), Standing.ALLOWED, id="allowed"
        ),
        pytest.param((ban(1, "ghent", "fresh"),), Standing.PENDING, id="pending"),
    ],
)
def test_every_ban_that_is_considered_has_its_reason(changed: tuple[Thing, ...], standing: Standing) -> None:
    made: Policy = policy(GHENT, TIKTOK, FRESH, *changed)
    (considered,) = consider(made, GHENT, parse_name("tiktok.example"), NOW)
    assert considered.standing is standing


@pytest.mark.parametrize(
    ("given_name", "frees"),
    [
        pytest.param(allowed(1, "ghent", "www.tiktok.example"), True, id="the name"),
        pytest.param(allowed(1, "ghent", "www.tiktok.example", exact=True), True, id="exactly the name"),
        pytest.param(allowed(1, "ghent", "example"), True, id="a name above that of the service"),
        pytest.param(allowed(1, "ghent", "example", exact=True), False, id="exactly a name above"),
        pytest.param(allowed(1, "ghent", "x.www.tiktok.example"), False, id="a name below"),
        pytest.param(allowed(1, "ghent", "ww.tiktok.example"), False, id="another name"),
        pytest.param(allowed(1, "mechelen", "tiktok.example"), False, id="of another authority"),
        pytest.param(allowed(1, "ghent", "tiktok.example", NOW + 1), False, id="from the next second on"),
        pytest.param(allowed(1, "ghent", "tiktok.example", NOW - 1, NOW), False, id="until this second"),
        pytest.param(allowed(1, "ghent", "tiktok.example", recorded=None), False, id="waiting for approval"),
        pytest.param(allowed(1, "ghent", "tiktok.example", end=None), True, id="without an end"),
    ],
)
@pytest.mark.parametrize("mode", [Mode.ENFORCE, Mode.MONITOR])
def test_an_allowed_name_frees_what_it_covers_from_own_bans(given_name: AllowedName, frees: bool, mode: Mode) -> None:
    decision = asked(GHENT, TIKTOK, ban(1, "ghent", "tiktok", mode), given_name)
    assert (decision.verdict is Verdict.PASS) is frees
    assert decision.exempted == (frozenset({"tiktok"}) if frees else frozenset())


def test_an_allowed_name_does_not_free_from_a_bound_ban() -> None:
    things = (GHENT, TIKTOK, ban(1, "mechelen", "tiktok"), ban(2, "ghent", "tiktok"), accepted(0))
    decision = asked(*things, allowed(1, "ghent", "tiktok.example"))
    assert (decision.verdict, decision.ban, decision.bound) == (Verdict.REFUSE, 1, True)


def test_pending_names_are_monitored_until_their_instant() -> None:
    things = (GHENT, FRESH, ban(1, "ghent", "fresh"))
    until, after = (asked(*things, at=at) for at in (NOW + HOUR - 1, NOW + HOUR))
    assert (until.verdict, until.ban, until.monitored) == (Verdict.MONITOR, 1, frozenset({"fresh"}))
    assert (after.verdict, after.ban, after.monitored) == (Verdict.REFUSE, 1, frozenset())
    assert name_text(until.suffix) == name_text(after.suffix) == "tiktok.example"


def test_a_name_that_is_refused_already_is_not_pending() -> None:
    """The tier's other names are enforced, and one of them is above a pending one."""
    below = Tier(1, wire("www.tiktok.example"), enforced_from=NOW + HOUR)
    both = replace(TIKTOK, tiers=(*TIKTOK.tiers, below))
    decision, later = (asked(GHENT, both, ban(1, "ghent", "tiktok"), at=at) for at in (NOW, NOW + HOUR))
    assert (decision.verdict, decision.monitored) == (Verdict.REFUSE, frozenset())
    assert name_text(decision.suffix) == "tiktok.example"
    assert name_text(later.suffix) == "www.tiktok.example"


LAW = Binding(1, 1, "ghent", Ground.LAW, 0, NOW + 60, new_names_at_once=True)
AFTER = Binding(2, 1, "ghent", Ground.LAW, NOW + 60)
AGREED = Binding(3, 1, "ghent", Ground.AGREEMENT, 0, accepted=0)


@pytest.mark.parametrize(
    ("bindings", "expected"),
    [
        pytest.param((replace(LAW, new_names_at_once=False),), Verdict.MONITOR, id="a law that asks for nothing"),
        pytest.param((LAW,), Verdict.REFUSE, id="a law that asks for new names at once"),
        pytest.param((AGREED, LAW), Verdict.REFUSE, id="with an agreement before it"),
        pytest.param((AGREED, replace(LAW, end=NOW)), Verdict.MONITOR, id="a law that has ended"),
        pytest.param((AGREED, replace(LAW, start=NOW + 1)), Verdict.MONITOR, id="a law that begins later"),
        pytest.param((replace(LAW, authority="diest"), AGREED), Verdict.MONITOR, id="a law for another authority"),
    ],
)
def test_law_that_asks_for_new_names_at_once_refuses_pending_names(
    bindings: tuple[Binding, ...], expected: Verdict
) -> None:
    decision = asked(GHENT, FRESH, ban(1, "mechelen", "fresh"), *bindings)
    assert (decision.verdict, decision.bound) == (expected, True)


def test_clients_of_the_banning_authority_and_monitoring_bans_do_not_get_new_names_earlier() -> None:
    things = GHENT, MECHELEN, FRESH, LAW, AFTER
    enforcing, monitoring = (ban(1, "mechelen", "fresh", mode) for mode in (Mode.ENFORCE, Mode.MONITOR))
    assert asked(*things, enforcing, client="198.51.100.1").verdict is Verdict.MONITOR
    assert asked(*things, monitoring).verdict is Verdict.MONITOR
    found = [asked(*things, enforcing, at=at).verdict for at in (NOW, NOW + 59, NOW + 60, NOW + HOUR)]
    assert found == [Verdict.REFUSE, Verdict.REFUSE, Verdict.MONITOR, Verdict.REFUSE]


def test_a_monitoring_ban_has_no_pending_names() -> None:
    made = policy(GHENT, FRESH, ban(1, "ghent", "fresh", Mode.MONITOR))
    (considered,) = consider(made, GHENT, parse_name("tiktok.example"), NOW)
    assert (considered.standing, considered.pending_until) == (Standing.IN_FORCE, None)


def test_a_range_shows_its_bans_as_for_a_name_that_is_refused() -> None:
    """Neither an allowed name nor a pending one of the same tier changes what holds for the range."""
    early = Tier(1, wire("a.example"), enforced_from=NOW + HOUR)
    both = replace(TIKTOK, tiers=(early, *TIKTOK.tiers))
    made = policy(GHENT, both, FRESH, ban(1, "ghent", "tiktok"), ban(2, "ghent", "fresh"))
    made = replace(made, allowed=(allowed(1, "ghent", "example"),))
    assert [item.standing for item in standings(made, GHENT, NOW)] == [Standing.IN_FORCE, Standing.PENDING]


@examples(20)
@given(policies(), st.data())
def test_an_exemption_begins_at_the_first_instant_at_which_it_holds(made: Policy, data: st.DataObject) -> None:
    at, later = data.draw(instants(made)), data.draw(instants(made))
    for exempted in made.exemptions:
        begins = exemption_begins(exempted, at)
        assert (begins == at) == exemption_holds(exempted, at)
        assert begins is None or (begins >= at and exemption_holds(exempted, begins))
        if at <= later and (begins is None or later < begins):
            assert not exemption_holds(exempted, later)


def test_next_exemption_is_the_first_approved_one_in_that_range() -> None:
    own = ["192.0.2.0/24"]
    things = (
        exemption(1, 1, own, NOW + 3 * HOUR),
        exemption(2, 1, own, NOW + 2 * HOUR),
        exemption(3, 1, own, NOW + HOUR, approved=NOW + 1),
        exemption(4, 1, own, NOW + HOUR, approved=None),
        exemption(5, 2, own, NOW + HOUR),
        exemption(6, 1, ["192.0.2.0/25"], NOW + HOUR),
        exemption(7, 1, own, NOW + HOUR, site="annex"),
        exemption(8, 1, own, NOW - DAY, NOW),
    )
    banned = ban(1, "ghent", "tiktok")
    found = next_exemption(policy(GHENT, TIKTOK, banned, ban(2, "ghent", "tiktok"), *things), GHENT, banned, NOW)
    assert found is not None
    assert (found[0].number, found[1]) == (2, NOW + 2 * HOUR)
    assert next_exemption(policy(GHENT, TIKTOK, banned), GHENT, banned, NOW) is None
