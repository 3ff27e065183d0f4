"""Single names: what people type, what a name covers, which tiers it concerns, and what contradicts what."""

import pytest

from dnsfilter.policy.model import AllowedName, Ban, Mode, Policy, Service, Term, Tier
from dnsfilter.policy.single_names import (
    concerns,
    contradictions,
    covers,
    default_review,
    is_plain_refusal,
    is_single_name,
    latest_end,
    parse_single_name,
    single_name,
    with_single_names,
)
from dnsfilter.wire.names import name_text, parse_name

ZONE = "Europe/Brussels"
START = 1_790_000_000


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("Example.COM.", "example.com"),
        ("https://www.example.com/login?x=1", "www.example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("_dmarc.example.com", "_dmarc.example.com"),
    ],
)
def test_what_people_type_is_a_name(typed: str, name: str) -> None:
    assert name_text(parse_single_name(typed)) == name


@pytest.mark.parametrize(
    "typed", ["com", ".", "192.0.2.1", "a b.example.com", r"a\.b.example.com", "*.example.com", ""]
)
def test_what_is_no_name_of_a_host_is_refused(typed: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_single_name(typed)


def test_names_have_a_dot_and_slugs_have_none() -> None:
    assert [is_single_name(text) for text in ("example.com", "tiktok", "ghent:games")] == [True, False, False]
    assert single_name("example.com").tiers == (
        Tier(1, domains=frozenset({parse_name("example.com")})),
        Tier(2, hosts=frozenset({parse_name("example.com")})),
    )
    catalogue = {"alpha": Service("alpha", "Alpha", ())}
    assert with_single_names(catalogue, ["alpha"]) is catalogue
    assert list(with_single_names(catalogue, ["b.example", "a.example", "alpha"])) == [
        "alpha",
        "a.example",
        "b.example",
    ]


@pytest.mark.parametrize(
    ("name", "exact", "other", "expected"),
    [
        ("example.com", False, "example.com", True),
        ("example.com", False, "www.example.com", True),
        ("example.com", True, "example.com", True),
        ("example.com", True, "www.example.com", False),
        ("www.example.com", False, "example.com", False),
        ("example.com", False, "wwwexample.com", False),
    ],
)
def test_name_covers_what_is_below_it(name: str, exact: bool, other: str, expected: bool) -> None:
    assert covers(parse_name(name), exact, parse_name(other)) is expected


@pytest.mark.parametrize(
    ("name", "exact", "tiers", "expected"),
    [
        ("cdn.alpha.example", False, {1}, True),
        ("alpha.example", True, {1}, True),
        ("example", False, {1}, True),
        ("example", True, {1}, False),
        ("host.example", True, {2}, True),
        ("a.host.example", False, {2}, False),
        ("alpha.example", False, {2}, False),
        ("aalpha.example", False, {1}, False),
    ],
)
def test_name_concerns_tiers_that_refuse_it_or_a_name_below_it(
    name: str, exact: bool, tiers: set[int], expected: bool
) -> None:
    domains, hosts = (frozenset({parse_name(text)}) for text in ("alpha.example", "host.example"))
    service = Service("alpha", "Alpha", (Tier(1, domains=domains), Tier(2, hosts=hosts)))
    assert concerns(service, tiers, parse_name(name), exact) is expected


def test_dates_are_counted_in_months_to_the_end_of_a_day() -> None:
    assert default_review(START, ZONE) == 1_805_670_000, "2027-03-22 00:00 CET"
    assert latest_end(START, ZONE) == 1_821_564_000, "2027-09-22 00:00 CEST"


def _ban(name: str, start: int = 0, end: int | None = None, authority: str = "ghent", tier: int = 1) -> Ban:
    return Ban(1, authority, name, Mode.ENFORCE, (Term(start, end),), tiers=frozenset({tier}))


@pytest.mark.parametrize(
    ("ban", "allowed", "expected"),
    [
        (_ban("www.example.com"), ("example.com", False, 0, None), True),
        (_ban("example.com"), ("example.com", True, 0, None), True),
        (_ban("www.example.com"), ("example.com", True, 0, None), False),
        (_ban("example.com"), ("www.example.com", False, 0, None), False),
        (_ban("example.com", 0, 10), ("example.com", False, 10, None), False),
        (_ban("example.com", 0, 10), ("example.com", False, 9, 20), True),
        (_ban("example.com", authority="diest"), ("example.com", False, 0, None), False),
    ],
)
def test_allowed_name_contradicts_refused_names_that_it_covers_meanwhile(
    ban: Ban, allowed: tuple[str, bool, int, int | None], expected: bool
) -> None:
    name, exact, start, end = allowed
    held = AllowedName(1, "ghent", parse_name(name), exact, start, end)
    assert bool(list(contradictions(Policy(1, bans=(ban,), allowed=(held,))))) is expected


def test_refusal_is_plain_unless_something_else_was_chosen() -> None:
    assert is_plain_refusal(_ban("example.com"))
    assert is_plain_refusal(_ban("example.com", tier=2))
    assert not is_plain_refusal(_ban("tiktok"))
    assert not is_plain_refusal(_ban("example.com", tier=3))
