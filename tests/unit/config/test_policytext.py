"""A policy written to a file is read back as the same policy."""

import datetime
import tomllib
from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.config.policyfile import parse_policy
from dnsfilter.config.policytext import dump_policy
from dnsfilter.policy.calendar import local_midnight
from dnsfilter.policy.faults import problems
from dnsfilter.policy.model import (
    DAY_S,
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
    Instant,
    Kind,
    Mode,
    Policy,
    Range,
    Reply,
    Service,
    Site,
    Term,
    Tier,
    Usage,
    WeeklyHours,
)
from dnsfilter.policy.single_names import EXACTLY, WITH_ALL_BELOW, with_single_names
from dnsfilter.wire.names import parse_name

NOW = 1_678_462_200
SERVICES = {slug: Service(slug, slug.title(), (Tier(1), Tier(2), Tier(3))) for slug in ("tiktok", "capcut")}
ZONES = ("Europe/Brussels", "UTC", "America/Havana")
SITES = ("default", "annex")
PREFIXES = tuple(map(ip_network, ("192.0.2.0/24", "192.0.2.0/25", "198.51.100.7/32", "2001:db8::/48")))
YEAR_S = 364 * 86_400

text = st.text(st.characters(exclude_categories=("Cc", "Cf", "Cs", "Zl", "Zp")), max_size=12)
some_text = text.filter(bool)
days = st.dates(datetime.date(1990, 1, 1), datetime.date(2100, 1, 1))
instants = st.one_of(
    st.integers(631_152_000, 4_102_444_800),
    st.builds(local_midnight, days, st.sampled_from(ZONES)),
)


def ends(start: int, longest: int) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(1, longest), st.integers(1, longest // 86_400).map(lambda n: n * 86_400)).map(
        lambda length: start + length
    )


@st.composite
def decisions(draw: st.DrawFn, follows: int | None) -> FormalDecision:
    return FormalDecision(
        organ=draw(text),
        reference=draw(text),
        date=draw(st.one_of(text, days.map(str))),
        legal_basis=draw(text),
        advice=draw(text),
        link=draw(st.sampled_from(("", "https://example.org/a?b=c"))),
        follows=draw(st.sampled_from((None, follows))),
    )


@st.composite
def terms(draw: st.DrawFn, follows: int | None) -> Term:
    start = draw(instants)
    end = draw(st.one_of(st.none(), ends(start, 20 * YEAR_S)))
    review_by = draw(instants if end is None else st.one_of(st.none(), instants))
    return Term(start, end, review_by, NOW, draw(decisions(follows)))


@st.composite
def bans(draw: st.DrawFn, number: int, authority: str, service: str, follows: int | None) -> Ban:
    reply, mode = draw(st.sampled_from(Reply)), draw(st.sampled_from(Mode))
    return Ban(
        number=number,
        authority=authority,
        service=service,
        mode=mode,
        terms=tuple(draw(st.lists(terms(follows), min_size=1, max_size=2))),
        reply=reply,
        addresses=(ip_address("192.0.2.80"), ip_address("2001:db8::80")) if reply is Reply.ADDRESS else (),
        tiers=frozenset(draw(st.sets(st.integers(1, 3), min_size=1))),
        funding=frozenset(draw(st.sets(st.sampled_from(Funding), min_size=1))),
        audience=frozenset(draw(st.sets(st.sampled_from(Audience), min_size=1))),
        decision=draw(decisions(follows)),
        off_until=None if mode is Mode.OFF else draw(st.none() | instants),
    )


@st.composite
def times_of_names(draw: st.DrawFn) -> tuple[Instant, Instant | None, Instant | None]:
    start = draw(instants)
    end = draw(st.one_of(st.none(), ends(start, YEAR_S - 2 * DAY_S)))
    review_by = start + draw(st.integers(1, YEAR_S - 2 * DAY_S))
    return start, end, review_by if end is None else draw(st.sampled_from((None, review_by)))


@st.composite
def refused_names(draw: st.DrawFn, number: int) -> Ban:
    start, end, review_by = draw(times_of_names())
    tiers = draw(st.sampled_from((WITH_ALL_BELOW, EXACTLY)))
    terms = (Term(start, end, review_by, NOW),)
    return Ban(number, "ghent", "www.example.com", Mode.ENFORCE, terms, tiers=tiers, reason=draw(text))


@st.composite
def allowed_names(draw: st.DrawFn, number: int) -> AllowedName:
    start, end, review_by = draw(times_of_names())
    name, exact = parse_name(f"n{number}.example"), draw(st.booleans())
    return AllowedName(number, "mechelen", name, exact, start, end, NOW, review_by, draw(text))


@st.composite
def bindings(draw: st.DrawFn, number: int, ban: Ban, authority: str) -> Binding:
    start = draw(instants)
    ground = draw(st.sampled_from(Ground))
    accepted = draw(st.sampled_from((None, NOW))) if ground is Ground.AGREEMENT else None
    end = draw(st.one_of(st.none(), ends(start, 20 * YEAR_S)))
    return Binding(number, ban.number, authority, ground, start, end, accepted, NOW, draw(text), draw(text))


@st.composite
def exemptions(draw: st.DrawFn, number: int, ban: Ban, ranges: tuple[Range, ...]) -> Exemption:
    start = draw(instants)
    site = draw(st.sampled_from(sorted({entry.site for entry in ranges})))
    here = sorted({str(entry.prefix) for entry in ranges if entry.site == site})
    hours = st.builds(
        lambda days, minutes, time_zone: WeeklyHours(frozenset(days), min(minutes), max(minutes) + 1, time_zone),
        st.sets(st.integers(0, 6), min_size=1),
        st.tuples(st.integers(0, 1439), st.integers(0, 1439)),
        st.sampled_from(ZONES),
    )
    return Exemption(
        number=number,
        ban=ban.number,
        ranges=frozenset(map(ip_network, draw(st.sets(st.sampled_from(here), min_size=1)))),
        start=start,
        end=draw(ends(start, YEAR_S)),
        hours=tuple(draw(st.lists(hours, max_size=2))),
        site=site,
        reason=draw(text),
        approved=draw(st.sampled_from((None, NOW))),
    )


@st.composite
def own_services(draw: st.DrawFn, authority: str) -> Service:
    names = st.frozensets(st.sampled_from((b"\x03org\x00", b"\x01a\x03org\x00", b"\x03a.b\x00")), min_size=1)
    tier = Tier(1, draw(names), draw(st.one_of(st.just(frozenset[bytes]()), names)))
    return Service(f"{authority}:games", draw(some_text), (tier,), draw(text), draw(text))


@st.composite
def closings(draw: st.DrawFn) -> Closing:
    return Closing(draw(instants), draw(text), draw(decisions(None)), draw(st.sampled_from((None, "ghent"))))


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    authorities = tuple(
        Authority(
            slug=slug,
            kind=draw(st.sampled_from(Kind)),
            names=tuple(draw(st.dictionaries(st.sampled_from(("nl", "fr", "de-BE")), text, min_size=1)).items()),
            languages=tuple(draw(st.permutations(("nl", "fr", "de-BE")))),
            time_zone=draw(st.sampled_from(ZONES)),
            contact=draw(some_text),
            usage=draw(st.sampled_from(Usage)),
            group=draw(text),
            closing=draw(st.one_of(st.none(), closings())) if slug == "diest" else None,
        )
        for slug in ("ghent", "mechelen", "diest")
    )
    ranges = tuple(
        Range(prefix, draw(st.sampled_from(("ghent", "mechelen"))), draw(st.sampled_from(Funding)),
              draw(st.sampled_from(Audience)), draw(text), site)
        for prefix, site in draw(st.lists(st.tuples(st.sampled_from(PREFIXES), st.sampled_from(SITES)), unique=True))
    )  # fmt: skip
    ghent = draw(bans(1, "ghent", "tiktok", 2))
    mechelen = draw(bans(2, "mechelen", "tiktok", 1))
    chosen = (ghent, mechelen, draw(bans(3, "ghent", "capcut", None)))
    named = [draw(refused_names(4))] if draw(st.booleans()) else []
    other = {"ghent": "mechelen", "mechelen": "ghent"}
    bound = [chosen[index] for index in draw(st.lists(st.integers(0, 2), max_size=2))]
    exempted = [chosen[index] for index in draw(st.lists(st.integers(0, 2), max_size=2))] if ranges else []
    return Policy(
        revision=draw(st.integers(1, 9)),
        authorities=authorities,
        sites=draw(st.sampled_from(((Site("annex", "Annex"), Site("default")), (Site("default"), Site("annex"))))),
        ranges=ranges,
        services=(
            *draw(st.lists(own_services("ghent"), max_size=1)),
            *with_single_names(SERVICES, (ban.service for ban in named)).values(),
        ),
        bans=(*chosen, *named),
        bindings=tuple(draw(bindings(n, ban, other[ban.authority])) for n, ban in enumerate(bound, 1)),
        exemptions=tuple(draw(exemptions(n, ban, ranges)) for n, ban in enumerate(exempted, 1)),
        allowed=tuple(draw(allowed_names(number)) for number in range(1, draw(st.integers(1, 3)))),
    )


@given(policies())
def test_a_policy_is_read_back_from_its_file(policy: Policy) -> None:
    assert problems(policy) == ()
    dumped = dump_policy(policy)
    again = parse_policy(dumped, "policy.toml", services=SERVICES, now=NOW, revision=policy.revision)
    assert again == policy
    assert dump_policy(again) == dumped


def test_file_has_days_as_dates_and_no_defaults() -> None:
    policy = Policy(
        revision=3,
        authorities=(
            Authority("ghent", Kind.MUNICIPALITY, (("nl", 'Stad "Gent"'),), ("nl",), ZONES[0], "ict@ghent.example"),
        ),
        ranges=(Range(PREFIXES[0], "ghent", Funding.PUBLIC, Audience.STAFF),),
        services=tuple(SERVICES.values()),
        bans=(
            Ban(
                7,
                "ghent",
                "tiktok",
                Mode.ENFORCE,
                (
                    Term(
                        local_midnight(datetime.date(2023, 3, 10), ZONES[0]),
                        local_midnight(datetime.date(2023, 10, 1), ZONES[0]),
                    ),
                    Term(1_700_000_000, 1_700_000_001),
                ),
            ),
        ),
    )
    assert (
        dump_policy(policy)
        == """\
[[authority]]
slug = "ghent"
kind = "municipality"
names = { nl = "Stad \\"Gent\\"" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@ghent.example"

[[range]]
prefix = "192.0.2.0/24"
authority = "ghent"
funding = "public"
audience = "staff"

[[ban]]
authority = "ghent"
service = "tiktok"
mode = "enforce"

[[ban.term]]
start = 2023-03-10
until = 2023-09-30

[[ban.term]]
start = 2023-11-14T22:13:20Z
end = 2023-11-14T22:13:21Z
"""
    )


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_survives_in_quotes(label: str) -> None:
    policy = Policy(1, ranges=(Range(PREFIXES[0], "ghent", Funding.PUBLIC, Audience.STAFF, label),))
    (entry,) = tomllib.loads(dump_policy(policy))["range"]
    assert entry.get("label", "") == label
