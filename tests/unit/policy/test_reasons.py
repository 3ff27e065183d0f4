"""Explanations: every ban considered, and the reason in words."""

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.policy.decide import Standing, decide
from dnsfilter.policy.model import Binding, Funding, Ground, Mode, Policy, Suspension, Term, Tier
from dnsfilter.policy.reasons import DecisionCause, Explanation, explain
from dnsfilter.wire.names import parse_name
from tests.fuzz.examples import examples
from tests.support.policies import (
    HOUR,
    NOW,
    Thing,
    allowed,
    ban,
    clients_of,
    exemption,
    instants,
    names_of,
    network,
    policies,
    policy,
    service,
    sites,
    wire,
)

GHENT = network("192.0.2.0/24", "ghent")
TIKTOK = service("tiktok", ["tiktok.example"])
OTHER = service("other", ["other.example"])
WWW = service("www", ["www.tiktok.example"])
FRESH = service("fresh", (), (), Tier(1, wire("tiktok.example"), enforced_from=NOW + HOUR))
BOUND = Binding(1, 1, "ghent", Ground.LAW, start=0)


def explained(*things: Thing, client: str = "192.0.2.10", name: str = "www.tiktok.example") -> Explanation:
    return explain(policy(*things), "default", ip_address(client), parse_name(name), NOW)


@pytest.mark.parametrize(
    ("things", "reason"),
    [
        pytest.param((TIKTOK, ban(1, "ghent", "tiktok")), "the client is in no registered range", id="unregistered"),
        pytest.param(
            (TIKTOK, ban(1, "ghent", "tiktok"), Suspension("ghent", NOW, NOW + 60)),
            "the client is in no registered range",
            id="unregistered, an authority suspended",
        ),
        pytest.param(
            (TIKTOK, ban(1, "ghent", "tiktok"), Suspension(None, NOW, NOW + 60)),
            "the client is in no registered range, and is answered because all are suspended",
            id="unregistered, all suspended",
        ),
        pytest.param(
            (GHENT, OTHER, ban(1, "ghent", "other")), "the name belongs to no service of the catalogue", id="name"
        ),
        pytest.param((GHENT, TIKTOK, WWW), "no ban on tiktok, www concerns ghent", id="no ban"),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "ghent", "tiktok", terms=(Term(0, 1),))),
            "no ban is in force here for this name",
            id="lapsed",
        ),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "ghent", "tiktok"), Suspension("ghent", NOW, NOW + 60)),
            "not refused: bans are suspended for ghent",
            id="suspended",
        ),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "ghent", "tiktok"), exemption(1, 1, ["192.0.2.0/24"])),
            "not refused: exemption 1 from ghent/tiktok holds",
            id="exempted",
        ),
        pytest.param(
            (
                GHENT,
                TIKTOK,
                ban(1, "mechelen", "tiktok", Mode.OFF),
                BOUND,
                ban(2, "ghent", "tiktok", off_until=NOW + 1),
            ),
            "not refused: mechelen/tiktok is off, ghent/tiktok is off",
            id="off",
        ),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "ghent", "tiktok"), allowed(1, "ghent", "tiktok.example", NOW - HOUR, NOW + HOUR)),
            "not refused: ghent allows tiktok.example and all below it since 28 March 2026 00:00:00 CET, "
            "until 28 March 2026 02:00:00 CET: test",
            id="allowed",
        ),
        pytest.param(
            (
                GHENT,
                TIKTOK,
                ban(1, "ghent", "tiktok"),
                allowed(1, "ghent", "www.tiktok.example", NOW, None, exact=True, recorded=NOW),
            ),
            "not refused: ghent allows www.tiktok.example since 28 March 2026 01:00:00 CET: test",
            id="exactly this name allowed, without an end",
        ),
        pytest.param(
            (
                GHENT,
                TIKTOK,
                ban(1, "mechelen", "tiktok"),
                BOUND,
                ban(2, "ghent", "tiktok"),
                allowed(1, "ghent", "tiktok.example"),
            ),
            "ban 1 of mechelen on tiktok: the only one in force here",
            id="allowed, and a bound ban",
        ),
        pytest.param(
            (GHENT, FRESH, ban(1, "ghent", "fresh")),
            "ban 1 of ghent on fresh: tiktok.example is pending, and only monitored until 28 March 2026 02:00:00 CET",
            id="pending",
        ),
        pytest.param(
            (GHENT, FRESH, TIKTOK, ban(1, "ghent", "fresh"), ban(2, "ghent", "tiktok")),
            "ban 2 of ghent on tiktok: enforcing beats monitoring",
            id="pending for another ban",
        ),
        pytest.param(
            (GHENT, FRESH, ban(1, "mechelen", "fresh"), replace(BOUND, new_names_at_once=True)),
            "ban 1 of mechelen on fresh: the only one in force here; tiktok.example is pending elsewhere, and "
            "binding 1 refuses it at once",
            id="pending, but not by a law that asks for new names at once",
        ),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "ghent", "tiktok", Mode.OFF, (Term(0, 1),))),
            "no ban is in force here for this name",
            id="off and lapsed",
        ),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "ghent", "tiktok")),
            "ban 1 of ghent on tiktok: the only one in force here",
            id="only one",
        ),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "mechelen", "tiktok"), BOUND, ban(2, "ghent", "tiktok", Mode.MONITOR)),
            "ban 1 of mechelen on tiktok: enforcing beats monitoring",
            id="enforcing",
        ),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "mechelen", "tiktok"), BOUND, ban(2, "ghent", "tiktok")),
            "ban 2 of ghent on tiktok: the authority's own decision comes before a bound one",
            id="own",
        ),
        pytest.param(
            (GHENT, TIKTOK, WWW, ban(1, "ghent", "tiktok"), ban(2, "ghent", "www")),
            "ban 2 of ghent on www: it names the longest suffix",
            id="longest",
        ),
        pytest.param(
            (GHENT, TIKTOK, ban(1, "ghent", "tiktok"), ban(2, "ghent", "tiktok")),
            "ban 1 of ghent on tiktok: it has the lowest number",
            id="lowest",
        ),
    ],
)
def test_reason_is_in_words(things: tuple[Thing, ...], reason: str) -> None:
    assert explained(*things).reason == reason


def test_own_exemption_and_a_bound_ban_that_still_refuses_are_both_reported() -> None:
    found = explained(
        GHENT, TIKTOK, ban(1, "mechelen", "tiktok"), BOUND, ban(2, "ghent", "tiktok"), exemption(5, 2, ["192.0.2.0/24"])
    )
    bound, own = found.considered
    assert (bound.ban.number, bound.standing, bound.binding) == (1, Standing.IN_FORCE, BOUND)
    assert (own.ban.number, own.standing) == (2, Standing.EXEMPTED)
    assert own.exemption is not None
    assert own.exemption.number == 5
    assert found.range == GHENT
    assert found.services == ("tiktok",)


@pytest.mark.heavy
@examples(60)
@given(policies(), sites, st.data())
def test_an_explanation_is_of_the_decision_and_always_has_a_reason(
    made: Policy, site: str, data: st.DataObject
) -> None:
    client, name, at = data.draw(clients_of(made)), data.draw(names_of(made)), data.draw(instants(made))
    found = explain(made, site, client, name, at)
    assert found.decision == decide(made, site, client, name, at)
    assert found.reason
    assert (found.range is None) == (found.decision.authority is None)
    if found.decision.ban is not None:
        assert found.reason.startswith(f"ban {found.decision.ban} of ")


@pytest.mark.parametrize(
    ("things", "cause", "about"),
    [
        ((TIKTOK, ban(1, "ghent", "tiktok")), DecisionCause.UNREGISTERED, None),
        ((GHENT, OTHER, ban(1, "ghent", "other")), DecisionCause.NO_SERVICE, None),
        ((GHENT, TIKTOK), DecisionCause.NO_BAN, None),
        ((GHENT, TIKTOK, ban(1, "ghent", "tiktok")), DecisionCause.BAN, 1),
        ((GHENT, TIKTOK, ban(1, "ghent", "tiktok"), Suspension("ghent", NOW, NOW + 60)), DecisionCause.SUSPENDED, 1),
        ((GHENT, TIKTOK, ban(1, "ghent", "tiktok"), exemption(1, 1, ["192.0.2.0/24"])), DecisionCause.EXEMPTED, 1),
        ((GHENT, TIKTOK, ban(1, "ghent", "tiktok"), allowed(1, "ghent", "tiktok.example")), DecisionCause.ALLOWED, 1),
        (
            # The first ban is off, but would not apply to these devices anyway.
            (
                GHENT,
                TIKTOK,
                ban(1, "mechelen", "tiktok", Mode.OFF, funding=frozenset({Funding.PRIVATE})),
                BOUND,
                ban(2, "ghent", "tiktok", Mode.OFF),
            ),
            DecisionCause.OFF,
            2,
        ),
        ((GHENT, TIKTOK, ban(1, "ghent", "tiktok", terms=(Term(0, 1),))), DecisionCause.NOT_IN_FORCE, None),
    ],
)
def test_the_cause_names_what_a_decision_rests_on(
    things: tuple[Thing, ...], cause: DecisionCause, about: int | None
) -> None:
    found = explained(*things)
    assert (found.cause, found.about and found.about.ban.number) == (cause, about)
