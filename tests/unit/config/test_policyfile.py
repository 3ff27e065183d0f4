"""Converting policy.toml to a policy: dates, references, and all problems with their locations."""

import re
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

import pytest

from dnsfilter.config.policyfile import parse_policy
from dnsfilter.errors import ConfigError
from dnsfilter.policy.calendar import parse_hours
from dnsfilter.policy.model import (
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
    Term,
    Tier,
    Usage,
)
from dnsfilter.wire.names import parse_name

SERVICES = {
    "tiktok": Service("tiktok", "TikTok", (Tier(1), Tier(2), Tier(3))),
    "capcut": Service("capcut", "CapCut", (Tier(1),)),
}
BASE = """\
[[authority]]
slug = "ghent"
kind = "municipality"
names = { nl = "Stad Gent" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@ghent.example"
[[authority]]
slug = "mechelen"
kind = "municipality"
names = { nl = "Stad Mechelen" }
languages = ["nl"]
time_zone = "America/Havana"
contact = "ict@mechelen.example"
[[range]]
prefix = "192.0.2.0/24"
authority = "ghent"
funding = "public"
audience = "staff"
"""


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


NOW = utc("2023-03-10T15:30")


def parse(text: str, now: int = NOW) -> Policy:
    return parse_policy(text, "policy.toml", services=SERVICES, now=now)


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    return [str(problem) for problem in caught.value.problems]


def ban(term: str, more: str = "") -> str:
    return f'{BASE}[[ban]]\nauthority = "ghent"\nservice = "tiktok"\nmode = "enforce"\n{more}\n[[ban.term]]\n{term}\n'


def test_an_own_service_can_be_banned_in_the_same_file() -> None:
    policy = parse(BASE + BAN.replace('"tiktok"', '"ghent:games"') + SERVICE + 'hosts = ["www.example.net"]\n')
    domains = frozenset({parse_name("xn--bcher-kva.example"), parse_name("example.org")})
    own = Service("ghent:games", "Games", (Tier(1, domains, frozenset({parse_name("www.example.net")})),), "letter")
    assert policy.services == (own, *SERVICES.values())
    assert policy.bans[0].service == "ghent:games"


def test_empty_file_is_an_empty_policy() -> None:
    assert parse("") == Policy(revision=1, services=tuple(SERVICES.values()))


def test_every_key_is_read() -> None:
    text = """
[[authority]]
slug = "mechelen"
kind = "municipality"
names = { nl = "Stad Mechelen", en = "Mechelen" }
languages = ["nl", "en"]
time_zone = "Europe/Brussels"
contact = "ict@mechelen.example"
usage = "none"
group = "antwerp"
public_register = true
filtering_database = "antwerp"

[[authority]]
slug = "federal"
kind = "federal"
names = { fr = "Autorité fédérale" }
languages = ["fr"]
time_zone = "UTC"
contact = "ict@federal.example"

[[site]]
slug = "annex"
name = "Annex"

[[range]]
prefix = "2001:db8::/48"
authority = "mechelen"
site = "annex"
label = "offices"
funding = "partly_public"
audience = "pupils"

[[ban]]
authority = "mechelen"
service = "tiktok"
mode = "monitor"
reply = "address"
addresses = ["192.0.2.80", "2001:db8::80"]
tiers = [1, 3]
funding = ["private"]
audience = ["public", "pupils"]
[ban.decision]
organ = "council"
reference = "R-1"
date = 2023-03-10
legal_basis = "a law"
advice = "an advice"
link = "https://example.org/r-1"
follows = "federal"
[[ban.term]]
start = 2023-03-10
until = 2023-09-30
review_by = 2023-08-01
decision = { reference = "R-2", follows = "federal" }
[[ban.term]]
start = 2023-09-30T22:00:00Z
end = 2024-03-01T12:00:00+01:00

[[ban]]
authority = "federal"
service = "tiktok"
mode = "enforce"
provisional = true
[[ban.term]]
start = "today"
for = "72 hours"

[[binding]]
authority = "mechelen"
of = "federal"
service = "tiktok"
ground = "law"
instrument = "an act"
date = "spring 2023"
start = 2023-03-10

[[binding]]
authority = "federal"
of = "mechelen"
service = "tiktok"
ground = "agreement"
start = 2023-03-10
for = "1 year"

[[exemption]]
of = "mechelen"
service = "tiktok"
site = "annex"
ranges = ["2001:db8::/48"]
start = 2023-03-13T08:00:00
for = "2 weeks"
hours = ["Mon-Fri 09:00-12:00", "Sat 10:00-11:00 UTC"]
reason = "promotion"
"""
    record = FormalDecision("council", "R-1", "2023-03-10", "a law", "an advice", "https://example.org/r-1", 2)
    assert parse(text) == Policy(
        revision=1,
        authorities=(
            Authority(
                "mechelen",
                Kind.MUNICIPALITY,
                (("nl", "Stad Mechelen"), ("en", "Mechelen")),
                ("nl", "en"),
                "Europe/Brussels",
                "ict@mechelen.example",
                Usage.NONE,
                "antwerp",
                public_register=True,
                filtering_database="antwerp",
            ),
            Authority("federal", Kind.FEDERAL, (("fr", "Autorité fédérale"),), ("fr",), "UTC", "ict@federal.example"),
        ),
        sites=(Site("default"), Site("annex", "Annex")),
        ranges=(
            Range(ip_network("2001:db8::/48"), "mechelen", Funding.PARTLY_PUBLIC, Audience.PUPILS, "offices", "annex"),
        ),
        services=tuple(SERVICES.values()),
        bans=(
            Ban(
                1,
                "mechelen",
                "tiktok",
                Mode.MONITOR,
                (
                    Term(
                        utc("2023-03-09T23:00"),
                        utc("2023-09-30T22:00"),
                        utc("2023-07-31T22:00"),
                        NOW,
                        FormalDecision(reference="R-2", follows=2),
                    ),
                    Term(utc("2023-09-30T22:00"), utc("2024-03-01T11:00"), None, NOW),
                ),
                Reply.ADDRESS,
                (ip_address("192.0.2.80"), ip_address("2001:db8::80")),
                frozenset({1, 3}),
                frozenset({Funding.PRIVATE}),
                frozenset({Audience.PUBLIC, Audience.PUPILS}),
                record,
            ),
            Ban(
                2,
                "federal",
                "tiktok",
                Mode.ENFORCE,
                (Term(utc("2023-03-10"), utc("2023-03-13"), None, NOW),),
                provisional=True,
            ),
        ),
        bindings=(
            Binding(1, 2, "mechelen", Ground.LAW, utc("2023-03-10"), None, None, NOW, "an act", "spring 2023"),
            Binding(2, 1, "federal", Ground.AGREEMENT, utc("2023-03-09T23:00"), utc("2024-03-09T23:00"), NOW, NOW),
        ),
        exemptions=(
            Exemption(
                1,
                1,
                frozenset({ip_network("2001:db8::/48")}),
                utc("2023-03-13T07:00"),
                utc("2023-03-27T06:00"),
                (parse_hours("Mon-Fri 09:00-12:00", "Europe/Brussels"), parse_hours("Sat 10:00-11:00", "UTC")),
                "annex",
                "promotion",
                NOW,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("term", "start", "end"),
    [
        ('start = "today"\nfor = "6 months"', "2023-03-09T23:00", "2023-09-09T22:00"),
        ("start = 2022-08-31\nfor = '6 months'", "2022-08-30T22:00", "2023-02-27T23:00"),
        ("start = 2023-03-10\nuntil = 2023-09-30", "2023-03-09T23:00", "2023-09-30T22:00"),
        ("start = 2023-03-10\nuntil = 2023-03-10", "2023-03-09T23:00", "2023-03-10T23:00"),
        ("start = 2023-03-10\nend = 2023-09-30", "2023-03-09T23:00", "2023-09-29T22:00"),
        ("start = 2023-03-10T16:00:00\nend = 2023-03-10 17:00:00Z", "2023-03-10T15:00", "2023-03-10T17:00"),
        ("start = 2023-03-10T16:00:00-05:00\nfor = '1 month'", "2023-03-10T21:00", "2023-04-10T20:00"),
        ('start = "today"\nfor = "72 h"', "2023-03-09T23:00", "2023-03-12T23:00"),
    ],
)
def test_a_term_is_resolved_in_its_authoritys_zone(term: str, start: str, end: str) -> None:
    (only,) = parse(ban(term)).bans[0].terms
    assert (only.start, only.end, only.recorded) == (utc(start), utc(end), NOW)


def test_today_is_the_local_day_of_the_authority() -> None:
    late = utc("2023-03-10T23:30")
    text = ban('start = "today"\nfor = "1 day"') + ban('start = "today"\nfor = "1 day"').removeprefix(BASE).replace(
        "ghent", "mechelen"
    )
    ghent, mechelen = parse(text, late).bans
    assert ghent.terms[0].start == utc("2023-03-10T23:00")
    assert mechelen.terms[0].start == utc("2023-03-10T05:00")


@pytest.mark.parametrize(
    ("written", "expected"),
    [("review_by = 2023-08-01", "2023-07-31T22:00"), ('review_in = "6 months"', "2023-09-09T22:00")],
)
def test_a_term_without_an_end_has_a_review(written: str, expected: str) -> None:
    (only,) = parse(ban(f'start = "today"\n{written}')).bans[0].terms
    assert (only.end, only.review_by) == (None, utc(expected))


def test_pending_items_have_no_effect() -> None:
    text = (
        ban('start = "today"\nfor = "1 day"')
        + """
[[binding]]
authority = "mechelen"
of = "ghent"
service = "tiktok"
ground = "agreement"
start = "today"
accepted = false
[[exemption]]
of = "ghent"
service = "tiktok"
ranges = ["192.0.2.0/24"]
start = "today"
for = "1 day"
approved = false
"""
    )
    policy = parse(text)
    assert policy.bindings[0].accepted is None
    assert policy.exemptions[0].approved is None


BAN = (
    '[[ban]]\nauthority = "ghent"\nservice = "tiktok"\nmode = "off"\n[[ban.term]]\nstart = 2023-03-10\nfor = "1 year"\n'
)
BINDING = '[[binding]]\nauthority = "mechelen"\nof = "ghent"\nservice = "tiktok"\nground = "law"\nstart = 2023-03-10\n'
SERVICE = """
[[service]]
authority = "ghent"
slug = "games"
name = "Games"
source = "letter"
domains = ["bücher.example", "example.org"]
"""
EXEMPTION = """\
[[exemption]]
of = "ghent"
service = "tiktok"
ranges = ["192.0.2.0/24"]
start = 2023-03-10
for = "1 year"
"""


@pytest.mark.parametrize(
    ("text", "location", "message"),
    [
        (BAN.replace('"ghent"', '"gent"'), "ban[0].authority", "there is no authority 'gent'"),
        (BAN.replace("tiktok", "tictoc"), "ban[0].service", "there is no service 'tictoc'"),
        (BAN.replace('"off"', '"on"'), "ban[0].mode", "'on' is not one of enforce, monitor, off"),
        (BAN.replace("mode", "# mode"), "ban[0].mode", "is missing"),
        (BAN + "untill = 2023-04-01\n", "ban[0].term[0].untill", "is not a known key: did you mean 'until'?"),
        (BAN + "until = 2023-09-30\n", "ban[0].term[0]", "has until and for: use one of them"),
        (BAN.replace("for = ", "until = 2023-03-09 # "), "ban[0].term[0].until", "must lie after the start"),
        (BAN.replace("for = ", "end = 2023-03-10 # "), "ban[0].term[0].end", "must lie after the start"),
        (BAN.replace("for = ", "# "), "ban[0].term[0]", "has no end: give an end"),
        (BAN.replace("1 year", "999 years"), "ban[0].term[0].for", "ends too far in the future"),
        (BAN.replace("1 year", "9999 years"), "ban[0].term[0].for", "ends too far in the future"),
        (BAN.replace("1 year", "1 yr"), "ban[0].term[0].for", "'1 yr' is not a span of time"),
        (BAN.replace("for = ", "until = 2023-09-30T00:00:00 # "), "ban[0].term[0].until", "must be a day without"),
        (BAN.replace("for = ", "until = 9999-12-31 # "), "ban[0].term[0].until", "must lie in the years 1970"),
        (BAN.replace("2023-03-10", "0001-01-01"), "ban[0].term[0].start", "must lie in the years 1970"),
        (BAN.replace("2023-03-10", '"2023-03-10"'), "ban[0].term[0].start", "is neither"),
        (BAN.replace("2023-03-10", '"tomorrow"'), "ban[0].term[0].start", "'tomorrow' is neither"),
        (BAN + "review_in = '1 day'\nreview_by = 2023-05-01\n", "ban[0].term[0]", "has both review_by and"),
        (BAN + BAN, "ban[1]", "ghent has a ban of tiktok already"),
        (BAN.split("[[ban.term]]")[0], "ban[0]", "the ban of tiktok by ghent has no term"),
        (BAN.replace('"off"', '"off"\nreply = "address"'), "ban[0].addresses", "is needed for the reply"),
        (BAN.replace('"off"', '"off"\naddresses = ["192.0.2.1"]'), "ban[0].addresses", "is only for the reply"),
        (BAN.replace('"off"', '"off"\ntiers = [1, 4]'), "ban[0].tiers", "tiktok has the tiers [1, 2, 3], not 4"),
        (BAN.replace('"off"', '"off"\ntiers = [0]'), "ban[0].tiers[0]", "must be greater than"),
        (BAN.replace('"off"', '"off"\nfunding = []'), "ban[0].funding", "is empty"),
        (BAN.replace('"off"', '"off"\ndecision.follows = "mechelen"'), "ban[0].decision.follows", "has no ban"),
        (BAN.replace('"off"', '"off"\ndecision.follows = "ghent"'), "ban[0].decision.follows", "cannot adopt"),
        (BAN.replace('"off"', '"off"\ndecision.link = "x:y"'), "ban[0].decision.link", "is not an http or https"),
        (BAN.replace('"off"', '"off"\noff_until = 2023-04-01'), "ban[0].off_until", "needs the mode that applies then"),
        (BAN.replace('"off"', '"enforce"\noff_until = "soon"'), "ban[0].off_until", "must be a date"),
        (BAN.replace('"off"', '"off"\nprovisional = true'), "ban[0].term[0].for", "lies more than 72 hours after"),
        (BAN + BINDING.replace('"tiktok"', '"capcut"'), "binding[0].of", "'ghent' has no ban of 'capcut' here"),
        (BAN + BINDING.replace("mechelen", "ghent"), "binding[0].of", "ghent cannot be bound by its own ban"),
        (BAN + BINDING.replace("mechelen", "nobody"), "binding[0].authority", "there is no authority 'nobody'"),
        (BAN + BINDING.replace("law", "hope"), "binding[0].ground", "'hope' is not one of law, agreement"),
        (BAN + BINDING + "until = 2023-03-01\n", "binding[0].until", "must lie after the start"),
        (BAN + EXEMPTION.replace("ghent", "mechelen"), "exemption[0].of", "'mechelen' has no ban of 'tiktok' here"),
        (BAN + EXEMPTION.replace("192", "198"), "exemption[0].ranges", "198.0.2.0/24 is not registered at site"),
        (BAN + EXEMPTION.replace("2.0/24", "2.0/25"), "exemption[0].ranges", "name registered ranges"),
        (BAN + EXEMPTION.replace("2.0/24", "2.1/24"), "exemption[0].ranges[0]", "has bits set"),
        (BAN + EXEMPTION.replace('["192.0.2.0/24"]', "[]"), "exemption[0].ranges", "names no range"),
        (BAN + EXEMPTION.replace("1 year", "13 months"), "exemption[0].for", "lies more than a year after"),
        (BAN + EXEMPTION.replace("for", "# for"), "exemption[0]", "has no end: set until, end or for"),
        (BAN + EXEMPTION + 'site = "annex"\n', "exemption[0].site", "there is no site 'annex'"),
        (BAN + EXEMPTION + 'hours = "always"\n', "exemption[0].hours", "'always' is not valid as weekly hours"),
        (BAN + EXEMPTION + 'time_zone = "Mars"\n', "exemption[0].time_zone", "unknown time zone 'Mars'"),
        (BAN + EXEMPTION + 'hours = "Mon 09:00-10:00 Mars"\n', "exemption[0].hours", "unknown time zone 'Mars'"),
        (SERVICE.replace('"ghent"', '"gent"'), "service[0].authority", "there is no authority 'gent'"),
        (SERVICE.replace("games", "Ga mes"), "service[0].slug", "'Ga mes' must be 1 to 63 of the characters"),
        (SERVICE.replace('"Games"', '""'), "service[0].name", "is empty"),
        (SERVICE.replace("domains", "# "), "service[0]", "ghent:games has no name: give at least one"),
        (SERVICE.replace("example.org", "exa mple.org"), "service[0].domains[1]", "parse name"),
        (SERVICE.replace("example.org", ".org"), "service[0].domains[1]", "has an empty label"),
        (SERVICE + SERVICE, "service[1].slug", "'ghent:games' is used twice"),
        ('[[site]]\nslug = "Annex"\n', "site[0].slug", "'Annex' must be 1 to 63 of the characters"),
        ('[[site]]\nslug = "an_nex"\n', "site[0].slug", "'an_nex' must be 1 to 63 of the characters"),
        ('[[site]]\nslug = "annex-"\n', "site[0].slug", "without - at the ends"),
        ('[[site]]\nslug = "annex"\n' * 2, "site[1].slug", "'annex' is used twice"),
    ],
)  # fmt: skip
def test_one_mistake_is_one_problem_with_its_place(text: str, location: str, message: str) -> None:
    (problem,) = problems(BASE + text)
    assert re.match(rf"policy\.toml {re.escape(location)}( \([^()]+\))?: ", problem), problem
    assert message in problem


@pytest.mark.parametrize(
    ("old", "new", "location", "message"),
    [
        ('slug = "ghent"', 'slug = "mechelen"', "authority[1].slug", "'mechelen' is used twice"),
        ('slug = "ghent"', 'slug = "Gént"', "authority[0].slug", "must be 1 to 63 of the characters"),
        ('"municipality"\nnames = { nl = "Stad G', '"city"\nnames = { nl = "Stad G', "authority[0].kind", "'city'"),
        ('{ nl = "Stad Gent" }', "{}", "authority[0].names", "is empty"),
        ('{ nl = "Stad Gent" }', '{ dutch = "Stad Gent" }', "authority[0].names", "'dutch' is not a language tag"),
        ('{ nl = "Stad Gent" }', '{ nl = "Stad\\nGent" }', "authority[0].names.nl", "has a line break"),
        ('["nl"]\ntime_zone = "Europe', '[]\ntime_zone = "Europe', "authority[0].languages", "is empty"),
        ("Europe/Brussels", "Europe/Bruges", "authority[0].time_zone", "unknown time zone 'Europe/Bruges'"),
        ('"ict@ghent.example"', '""', "authority[0].contact", "is empty"),
        ('"192.0.2.0/24"', '"192.0.2.1/24"', "range[0].prefix", 'write "192.0.2.0/24"'),
        ('"192.0.2.0/24"', '"::ffff:192.0.2.0/120"', "range[0].prefix", "is IPv4-mapped"),
        ('"192.0.2.0/24"', '"fe80::/64"', "range[0].prefix", "is link-local"),
        ('funding = "public"\n', "", "range[0].funding", "is missing"),
        ('audience = "staff"\n', "", "range[0].audience", "is missing"),
        ('authority = "ghent"\nfunding', 'authority = "gent"\nfunding', "range[0].authority", "there is no"),
    ],
)  # fmt: skip
def test_one_mistake_in_an_authority_or_range_is_one_problem(old: str, new: str, location: str, message: str) -> None:
    assert old in BASE
    text = BASE.replace(old, new, 1)
    found = [one for one in problems(text) if "there is no authority 'ghent'" not in one]
    assert len(found) == 1
    assert re.match(rf"policy\.toml {re.escape(location)}( \([^()]+\))?: ", found[0]), found[0]
    assert message in found[0]


CLOSES = 'contact = "ict@ghent.example"\n'


@pytest.mark.parametrize(
    ("keys", "more", "location", "message"),
    [
        ("closed_reason = 'x'\n", "", "authority[0].closed_reason", "needs closes: set when the authority closes"),
        ("successor = 'mechelen'\n", "", "authority[0].successor", "needs closes: set when the authority closes"),
        ("[authority.closed_decision]\n", "", "authority[0].closed_decision", "needs closes"),
        ("closes = 'soon'\nsuccessor = 'mechelen'\n", "", "authority[0].closes", "must be a date such as"),
        ("closes = 2023-10-01\nsuccessor = 'gent'\n", "", "authority[0].successor", "there is no authority 'gent'"),
        ("closes = 2023-10-01\nclosed_decision.link='x'\n", "", "authority[0].closed_decision.link", "is not an http"),
        ("closes = 2023-10-01\nclosed_decision.follows = 'x'\n", "", "authority[0].closed_decision.follows", "is not"),
        ("closes = 2023-10-01\n", BAN, "ban[0].term[0].for", "lies after ghent closes"),
        ("closes = 2024-03-10\n", BAN + BINDING, "binding[0].end", "lies after ghent closes"),
        ("closes = 2024-03-09\n", BAN.replace("1 year", "1 day") + EXEMPTION, "exemption[0].for", "lies after"),
    ],
)  # fmt: skip
def test_one_mistake_about_a_closing_is_one_problem(keys: str, more: str, location: str, message: str) -> None:
    (problem,) = problems(BASE.replace(CLOSES, CLOSES + keys, 1) + more)
    assert re.match(rf"policy\.toml {re.escape(location)} \([^()]+\): ", problem), problem
    assert message in problem


@pytest.mark.parametrize(
    ("written", "closes_s"),
    [("2024-03-10", 1_710_025_200), ("2024-03-10T01:00:00", 1_710_028_800), ("2024-03-10T00:00:00Z", 1_710_028_800)],
)
def test_a_closing_is_read_in_the_authoritys_zone(written: str, closes_s: int) -> None:
    keys = f"closes = {written}\nclosed_reason = 'a merger'\nsuccessor = 'mechelen'\nclosed_decision.organ = 'o'\n"
    ghent, mechelen = parse(BASE.replace(CLOSES, CLOSES + keys, 1) + BAN).authorities
    assert ghent.closing == Closing(closes_s, "a merger", FormalDecision("o"), "mechelen")
    assert mechelen.closing is None


@pytest.mark.parametrize(
    ("written", "expected"),
    [("2023-04-01", 1_680_386_400), ("2023-04-01T09:00:00", 1_680_332_400), ("2023-04-01T09:00:00Z", 1_680_339_600)],
)
def test_a_ban_is_off_until_a_day_is_over_or_an_instant(written: str, expected: int) -> None:
    (found,) = parse(BASE + BAN.replace('"off"', f'"enforce"\noff_until = {written}')).bans
    assert (found.mode, found.off_until) == (Mode.ENFORCE, expected)


@pytest.mark.parametrize("owner", ["ghent", "mechelen"])
def test_a_prefix_is_registered_once_at_a_site(owner: str) -> None:
    again = f'[[range]]\nprefix = "192.0.2.0/24"\nauthority = "{owner}"\nfunding = "private"\naudience = "public"\n'
    message = f"policy.toml range[1].prefix ({owner}): 192.0.2.0/24 is already registered at site 'default', to 'ghent'"
    assert problems(BASE + again) == [message]
    elsewhere = parse(BASE + again + 'site = "annex"\n[[site]]\nslug = "annex"\n')
    assert [entry.site for entry in elsewhere.ranges] == ["default", "annex"]


def test_all_problems_are_reported_once_in_file_order() -> None:
    text = """\
[[authority]]
slug = "ghent"
kind = "city"
names = { nl = "Stad Gent" }
languages = ["nl"]
contact = "ict@ghent.example"
[[range]]
prefix = "192.0.2.1/24"
authority = "ghent"
funding = "public"
audience = "staff"
[[range]]
prefix = "198.51.100.0/24"
authority = "nobody"
audience = "staff"
[[ban]]
authority = "ghent"
service = "tiktok"
mode = "enforce"
[[ban.term]]
start = 2023-03-10
for = "soon"
[[ban.term]]
start = 2023-03-10
end = 2023-03-09
[[exemption]]
of = "ghent"
service = "tiktok"
ranges = ["203.0.113.0/24"]
start = 2023-03-10
for = "2 years"
"""
    assert [problem.split(": ")[0] for problem in problems(text)] == [
        "policy.toml authority[0].time_zone (ghent)",
        "policy.toml authority[0].kind (ghent)",
        "policy.toml range[0].prefix (ghent)",
        "policy.toml range[1].funding (198.51.100.0/24, nobody)",
        "policy.toml range[1].authority (198.51.100.0/24)",
        "policy.toml ban[0].term[0].for (ghent, tiktok)",
        "policy.toml ban[0].term[1].end (ghent, tiktok)",
        "policy.toml exemption[0].ranges (ghent, tiktok)",
        "policy.toml exemption[0].for (ghent, tiktok)",
    ]


def test_syntax_and_foreign_tables_are_problems() -> None:
    assert problems("[[ban]\n")[0].startswith("policy.toml:1: cannot be read as TOML: ")
    assert problems("[[bans]]\n") == ["policy.toml bans: is not a known key: did you mean 'ban'?"]
    assert problems("ban = 1\n") == ["policy.toml ban: must be a list"]
    assert problems("ban = [1]\n") == ["policy.toml ban[0]: must be a table"]


def test_planned_usage_level_is_a_problem_that_names_alternatives() -> None:
    text = """
[[authority]]
slug = "mechelen"
kind = "municipality"
names = { nl = "Stad Mechelen" }
languages = ["nl"]
time_zone = "Europe/Brussels"
contact = "ict@mechelen.example"
usage = "client"
"""
    message = 'usage "client" needs an act of its own, with a purpose and an end: use none, authority, range'
    assert problems(text) == [f"policy.toml authority[0].usage (mechelen): {message}"]
