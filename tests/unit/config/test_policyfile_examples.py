"""The example files load, and the example policy has the reported facts of each authority."""

from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.config.load import load_config
from dnsfilter.config.policytext import dump_policy
from dnsfilter.config.resolved import load_policy_file
from dnsfilter.policy.calendar import parse_hours, weekly_windows
from dnsfilter.policy.model import (
    Audience,
    Authority,
    Ban,
    Exemption,
    Funding,
    Ground,
    Mode,
    Policy,
    Range,
    Service,
    Tier,
    Usage,
)

EXAMPLES = Path(__file__).parents[3] / "deploy" / "examples"
SERVICES = {slug: Service(slug, slug, (Tier(1),)) for slug in ("tiktok", "facebook", "instagram", "x", "snapchat")}
POLICE = "police-brussels-capital-ixelles"
TIMESTAMPS = ("2023-03-10T12:00", "2023-03-25T23:30", "2024-02-29T00:00", "2023-08-30T22:30", "2026-10-25T00:30")


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def load(now: int) -> Policy:
    return load_policy_file(EXAMPLES / "belgium-2023.toml", services=SERVICES, now=now)


@pytest.fixture(params=TIMESTAMPS)
def now(request: pytest.FixtureRequest) -> int:
    return utc(str(request.param))


@pytest.fixture
def policy(now: int) -> Policy:
    return load(now)


def ban_of(policy: Policy, authority: str, service: str = "tiktok") -> Ban | None:
    return next((ban for ban in policy.bans if (ban.authority, ban.service) == (authority, service)), None)


def authority_of(policy: Policy, slug: str) -> Authority:
    return next(authority for authority in policy.authorities if authority.slug == slug)


def exemption_of(policy: Policy, entry: Range) -> Exemption | None:
    return next((exemption for exemption in policy.exemptions if entry.prefix in exemption.ranges), None)


def test_the_office_configuration_loads() -> None:
    config = load_config(EXAMPLES / "dnsfilter.toml")
    assert len(config.listen) == 4
    assert len(config.zones) == 2


def test_ranges_have_their_order_audience_and_funding(policy: Policy) -> None:
    public, partly, private = Funding.PUBLIC, Funding.PARTLY_PUBLIC, Funding.PRIVATE
    staff, everybody = Audience.STAFF, Audience.PUBLIC
    assert [(str(entry.prefix), entry.authority, entry.audience, entry.funding) for entry in policy.ranges] == [
        ("127.0.0.1/32", "brussels-city", staff, public),
        ("127.0.1.0/24", "federal", staff, public),
        ("127.0.2.0/24", "brussels-city", staff, public),
        ("127.0.12.0/24", "brussels-city", staff, partly),
        ("127.0.22.0/24", "brussels-city", everybody, private),
        ("127.0.3.0/24", "brussels-region", staff, public),
        ("127.0.14.0/24", POLICE, staff, public),
        ("127.0.4.0/24", POLICE, staff, public),
        ("127.0.5.0/24", "ghent", staff, public),
        ("127.0.15.0/24", "ghent", staff, public),
        ("127.0.25.0/24", "ghent", everybody, private),
        ("127.0.7.0/24", "mechelen", staff, public),
        ("127.0.8.0/24", "diest", staff, public),
    ]
    assert not any(ip_address("127.0.99.1") in entry.prefix for entry in policy.ranges)


def outcome(policy: Policy, entry: Range, at: int) -> str:
    """Return the expected verdict for TikTok in that range, computed from the table's values."""
    for ban in policy.bans:
        bound = [one for one in policy.bindings if one.ban == ban.number and one.authority == entry.authority]
        in_force = any(term.start <= at and (term.end is None or at < term.end) for term in ban.terms)
        covers = entry.funding in ban.funding and entry.audience in ban.audience
        if ban.service != "tiktok" or not (in_force and covers) or not (bound or ban.authority == entry.authority):
            continue
        if ban.mode is Mode.MONITOR:
            return "counted"
        exemption = exemption_of(policy, entry)
        if exemption is not None and exemption.ban == ban.number and exemption.start <= at < exemption.end:
            return "answered in hours" if exemption.hours else "answered"
        return "refused 16" if bound else "refused 15"
    return "answered"


def test_tiktok_is_refused_according_to_the_table(policy: Policy, now: int) -> None:
    assert {str(entry.prefix): outcome(policy, entry, now) for entry in policy.ranges} == {
        "127.0.0.1/32": "refused 15",
        "127.0.1.0/24": "refused 15",
        "127.0.2.0/24": "refused 15",
        "127.0.12.0/24": "refused 15",
        "127.0.22.0/24": "answered",
        "127.0.3.0/24": "refused 15",
        "127.0.14.0/24": "refused 16",
        "127.0.4.0/24": "answered",
        "127.0.5.0/24": "refused 15",
        "127.0.15.0/24": "answered in hours",
        "127.0.25.0/24": "answered",
        "127.0.7.0/24": "refused 15",
        "127.0.8.0/24": "counted",
    }


def test_every_term_begins_today_and_is_in_force(policy: Policy, now: int) -> None:
    for term in (term for ban in policy.bans for term in ban.terms):
        assert term.start <= now == term.recorded
        assert term.end is None or now < term.end


def test_six_months_are_counted_from_the_day_of_loading() -> None:
    policy = load(utc("2023-08-30T22:30"))  # 31 August, 00:30 in Brussels
    federal = ban_of(policy, "federal")
    assert federal is not None
    assert (federal.terms[0].start, federal.terms[0].end) == (utc("2023-08-30T22:00"), utc("2024-02-28T23:00"))


def test_brussels_city_has_a_review_no_end_and_monitors_four_services(policy: Policy) -> None:
    tiktok = ban_of(policy, "brussels-city")
    assert tiktok is not None
    assert tiktok.terms[0].end is None
    assert tiktok.terms[0].review_by is not None
    studied = {ban.service: ban.mode for ban in policy.bans if ban.authority == "brussels-city" and ban != tiktok}
    assert studied == dict.fromkeys(("facebook", "instagram", "x", "snapchat"), Mode.MONITOR)


def test_mechelen_adopted_the_federal_ban_and_diest_counts_totals(policy: Policy) -> None:
    mechelen, federal = ban_of(policy, "mechelen"), ban_of(policy, "federal")
    assert mechelen is not None
    assert federal is not None
    assert mechelen.decision.follows == federal.number
    assert mechelen.decision.reference
    assert authority_of(policy, "diest").usage is Usage.AUTHORITY


def test_the_regions_ban_binds_the_police_zone_by_an_accepted_agreement(policy: Policy, now: int) -> None:
    region = ban_of(policy, "brussels-region")
    assert region is not None
    (binding,) = policy.bindings
    assert (binding.ban, binding.authority, binding.ground) == (region.number, POLICE, Ground.AGREEMENT)
    assert binding.accepted == now
    assert ban_of(policy, POLICE) is None


def test_ghent_has_an_exemption_on_weekday_mornings(policy: Policy, now: int) -> None:
    exemption = policy.exemptions[1]
    assert exemption.hours == (parse_hours("Mon-Fri 09:00-12:00", "Europe/Brussels"),)
    assert exemption.approved == now
    assert next(weekly_windows(exemption.hours[0], exemption.start, exemption.end))


@pytest.mark.parametrize(
    ("slug", "languages"),
    [("federal", ("fr", "nl")), ("brussels-city", ("fr", "nl")), ("brussels-region", ("fr", "nl")),
     (POLICE, ("fr", "nl")), ("ghent", ("nl",)), ("mechelen", ("nl",)), ("diest", ("nl",))],
)  # fmt: skip
def test_authorities_have_their_languages_and_a_functional_contact(slug: str, languages: tuple[str, ...]) -> None:
    authority = authority_of(load(utc(TIMESTAMPS[0])), slug)
    assert authority.languages == languages == tuple(tag for tag, _ in authority.names)
    assert authority.contact.endswith(".example")


def test_example_lists_invented_facts() -> None:
    header = (EXAMPLES / "belgium-2023.toml").read_text().split("\n\n")[0].replace("\n# ", " ").replace("\n#", "")
    assert "as reported in March 2023" in header
    assert "Ranges, agreements, exemptions, hours, references and contacts are invented" in header


def test_the_resolved_example_is_the_same_policy(policy: Policy, now: int, tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(dump_policy(policy))
    assert load_policy_file(path, services=SERVICES, now=now) == policy
