"""The tables [[list]] and [[list_link]]: the bans and bindings that they make, and faults with their table and key."""

import pytest

from dnsfilter.config.policyfile import Loaded, parse_loaded
from dnsfilter.config.policytext import dump_policy
from dnsfilter.errors import ConfigError
from dnsfilter.policy.model import FormalDecision, Instant, OnList, Service, Tier

NOW = 1_790_000_000
DAY_S = 86_400
SERVICES = {
    **{slug: Service(slug, slug.title(), (Tier(1), Tier(2))) for slug in ("tiktok", "capcut", "temu")},
    "wechat": Service("wechat", "WeChat", (Tier(1),)),
}
AUTHORITIES = "".join(
    f"""
[[authority]]
slug = "{slug}"
kind = "municipality"
names = {{ nl = "Stad" }}
languages = ["nl"]
time_zone = "UTC"
contact = "ict@example.org"
"""
    for slug in ("ghent", "mechelen", "diest")
)
TERM = '[[list.version.term]]\nstart = "today"\nfor = "30 days"\n'
FIRST = f"""
[[list]]
authority = "ghent"
slug = "apps"
[[list.version]]
adds = ["tiktok", "capcut"]
[list.version.decision]
reference = "R-1"
{TERM}
"""
PREPARED = '[[list]]\nauthority = "ghent"\nslug = "apps"\nservices = ["tiktok"]\n'
SECOND = f'[[list.version]]\nadds = ["temu"]\nremoves = ["capcut"]\n{TERM}'
BAN = """
[[ban]]
authority = "ghent"
service = "tiktok"
mode = "monitor"
[[ban.term]]
start = 2026-09-01
for = "1 year"
"""
LINK = """
[[list_link]]
list = "ghent/apps"
authority = "mechelen"
ground = "law"
instrument = "act 1"
start = 2026-09-01
"""
BINDING = """
[[binding]]
authority = "mechelen"
of = "ghent"
service = "tiktok"
ground = "law"
start = 2026-09-10
"""


def first_with(more: str) -> str:
    """Return the first version with further keys."""
    return FIRST.replace('"capcut"]\n', f'"capcut"]\n{more}\n')


def loaded(text: str, *, now: Instant = NOW, known: Loaded | None = None) -> Loaded:
    times = {} if known is None else known.times
    return parse_loaded(AUTHORITIES + text, "policy.toml", services=SERVICES, now=now, loaded=times)


def bans(read: Loaded) -> list[tuple[str, str, str, OnList | None]]:
    return [(ban.authority, ban.service, str(ban.mode), ban.on_list) for ban in read.policy.bans]


def bound(read: Loaded) -> list[tuple[str, str, Instant]]:
    services = {ban.number: ban.service for ban in read.policy.bans}
    return [(each.authority, services[each.ban], each.start) for each in read.policy.bindings]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (FIRST, {"tiktok": ("enforce", 1), "capcut": ("enforce", 1)}),
        (FIRST + SECOND, {"tiktok": ("enforce", 1), "temu": ("enforce", 2)}),
        (BAN + FIRST, {"tiktok": ("monitor", None), "capcut": ("enforce", 1)}),
        (first_with('except = ["capcut"]'), {"tiktok": ("enforce", 1)}),
        (first_with('mode = "off"'), {"tiktok": ("off", 1), "capcut": ("off", 1)}),
        (PREPARED, {}),
    ],
)
def test_a_version_makes_a_ban_on_what_it_adds_unless_the_file_has_one(
    text: str, expected: dict[str, tuple[str, int | None]]
) -> None:
    found = {service: (mode, on and on.version) for _, service, mode, on in bans(loaded(text))}
    assert found == expected


def test_a_made_ban_has_decision_terms_and_scope_of_its_version() -> None:
    scope = 'reply = "nxdomain"\ntiers = [1, 2]\naudience = ["staff", "pupils"]\n'
    text = FIRST.replace('"capcut"]\n', f'"wechat"]\n{scope}')
    first, second = loaded(text).policy.bans
    assert (first.decision, first.reply, len(first.audience)) == (FormalDecision(reference="R-1"), "nxdomain", 2)
    assert [(term.start, term.end, term.recorded) for term in first.terms] == [
        (NOW - NOW % DAY_S, NOW - NOW % DAY_S + 30 * DAY_S, NOW)
    ]
    wide = loaded(text.replace("[1, 2]", "[2, 1]"))
    assert wide.policy.bans == (first, second)


def test_tiers_that_a_service_lacks_are_left_out_for_it() -> None:
    services = {**SERVICES, "tiktok": Service("tiktok", "TikTok", (Tier(1), Tier(2), Tier(3)))}
    text = AUTHORITIES + first_with("tiers = [2, 3]")
    read = parse_loaded(text, "policy.toml", services=services, now=NOW, loaded={})
    assert [sorted(ban.tiers) for ban in read.policy.bans] == [[2, 3], [2]]


def test_equal_terms_of_two_versions_begin_when_each_was_loaded() -> None:
    first = loaded(FIRST)
    again = loaded(FIRST + SECOND, now=NOW + 10 * DAY_S, known=first)
    starts = {ban.service: ban.terms[0].start for ban in again.policy.bans}
    assert starts["temu"] - starts["tiktok"] == 10 * DAY_S


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LINK, ["tiktok", "capcut"]),
        (LINK.replace('ground = "law"', 'ground = "agreement"'), ["tiktok", "capcut"]),
        (LINK.replace('ground = "law"\ninstrument = "act 1"', 'ground = "following"'), []),
        (LINK + 'except = ["tiktok"]\n', ["capcut"]),
    ],
)
def test_a_link_makes_a_binding_of_each_ban_on_its_list(text: str, expected: list[str]) -> None:
    read = loaded(FIRST + text)
    assert [service for _, service, _ in bound(read)] == expected
    assert all(each.accepted == (NOW if each.ground == "agreement" else None) for each in read.policy.bindings)
    (link,) = read.lists.links
    assert link.bindings == {each.number for each in read.policy.bindings}


def test_a_written_binding_replaces_the_one_that_a_link_would_make() -> None:
    read = loaded(FIRST + LINK + BINDING + 'list = "ghent/apps"\n')
    assert [(service, start % DAY_S) for _, service, start in bound(read)] == [("tiktok", 0), ("capcut", 0)]
    assert bound(read)[0][2] - bound(read)[1][2] == 9 * DAY_S
    assert read.lists.links[0].bindings == {1, 2}
    assert loaded(FIRST + LINK + BINDING).lists.links[0].bindings == {2}


def test_a_binding_belongs_to_the_link_that_ended_with_it() -> None:
    ended = LINK + "until = 2026-09-15\n"
    bindings = "".join(BINDING + f'list = "ghent/apps"\n{end}' for end in ("until = 2026-09-15\n", ""))
    read = loaded(FIRST + ended + LINK + bindings)
    assert [sorted(link.bindings)[:1] for link in read.lists.links] == [[1], [2]]


@pytest.mark.parametrize(
    "text",
    [
        FIRST + SECOND + LINK,
        BAN + FIRST + LINK + 'except = ["tiktok"]\n' + BINDING.replace("tiktok", "capcut") + 'list = "ghent/apps"\n',
        FIRST.replace('"ghent"', '"diest"') + LINK.replace("ghent/", "diest/"),
        PREPARED + 'title = "Apps"\ncategory = "ai"\ndeclined = ["temu"]\n',
        first_with('except = ["capcut"]\nmode = "off"\nreply = "nodata"\ntiers = [1]'),
    ],
)
def test_lists_are_read_back_from_their_file(text: str) -> None:
    read = loaded(text)
    dumped = dump_policy(read.policy, read.lists)
    again = parse_loaded(dumped, "policy.toml", services=SERVICES, now=NOW, loaded={})
    assert (again.policy, again.lists) == (read.policy, read.lists)
    assert [link.bindings for link in again.lists.links] == [link.bindings for link in read.lists.links]
    assert dump_policy(again.policy, again.lists) == dumped


FAULTY = """
[[list]]
authority = "gent"
slug = "Apps"
title = "a\\u200bb"
declined = ["temu"]
[[list]]
authority = "ghent"
slug = "apps"
services = ["capcut"]
[[list.version]]
adds = ["tiktok", "tiktok", "www.example.org", "tehc"]
removes = ["capcut"]
except = ["temu"]
mode = "block"
colour = "red"
[[list.version]]
[[list.version]]
adds = ["tiktok"]
[[list.version.term]]
until = 2026-10-01
[[list]]
authority = "ghent"
slug = "apps"
services = ["temu"]
[[list_link]]
list = "ghent/aps"
authority = "mechelen"
ground = "law"
start = 2026-09-01
[[list_link]]
list = "ghent/apps"
authority = "ghent"
ground = "following"
instrument = "act"
start = 2026-09-01
until = 2026-08-01
except = ["zalo"]
[[list_link]]
list = "ghent/apps"
authority = "antwerp"
ground = "law"
start = 2026-09-01
for = "soon"
[[ban]]
authority = "mechelen"
service = "capcut"
mode = "enforce"
list = "ghent/apps"
list_version = 9
[[ban.term]]
start = 2026-09-01
for = "1 year"
[[ban]]
authority = "diest"
service = "temu"
mode = "enforce"
list = "ghent/apps"
list_version = 1
[[ban.term]]
start = 2026-09-01
for = "1 year"
[[binding]]
authority = "diest"
of = "mechelen"
service = "capcut"
ground = "law"
start = 2026-09-01
list = "ghent/apps"
"""
FAULTS = [
    ("list[0].authority (Apps)", "there is no authority 'gent'"),
    ("list[0].slug (gent)", "'Apps' must be"),
    ("list[0].title (Apps, gent)", "has an invisible character"),
    ("list[0] (Apps, gent)", "has no service"),
    ("list[0].declined (Apps, gent)", "are services of a category"),
    ("list[1].services (apps, ghent)", "name them in adds of a version"),
    ("list[1].version[0] (apps, ghent)", "has no term"),
    ("list[1].version[0].adds[1]", "tiktok is there twice"),
    ("list[1].version[0].adds[2]", "is a name, not a service"),
    ("list[1].version[0].adds[3]", "there is no service 'tehc'"),
    ("list[1].version[0].removes[0]", "capcut is not on the list"),
    ("list[1].version[0].except[0]", "temu is not in adds"),
    ("list[1].version[0].mode", "'block' is not one of"),
    ("list[1].version[0].colour", "is not a known key"),
    ("list[1].version[1]", "changes nothing"),
    ("list[1].version[2].adds[0]", "tiktok is on the list already"),
    ("list[1].version[2].term[0].start", "is missing"),
    ("list[2].slug (ghent)", "'ghent/apps' is used twice"),
    ("list_link[0].list (mechelen)", "there is no prohibited list 'ghent/aps'"),
    ("list_link[1].authority", "is its own list"),
    ("list_link[1].instrument", "following rests on no instrument"),
    ("list_link[1] (ghent)", "ends at or before its start"),
    ("list_link[1].except", "following brings no binding"),
    ("list_link[1].except[0]", "zalo is not on ghent/apps"),
    ("list_link[2].authority", "there is no authority 'antwerp'"),
    ("list_link[2].for", "soon"),
    ("ban[0].list_version", "has no version 9"),
    ("ban[1].list_version", "version 1 of ghent/apps does not add temu"),
    ("binding[0].list", "no [[list_link]] of ghent/apps by law to diest"),
]


def test_all_faults_are_reported_at_once_each_with_its_table_and_key() -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(FAULTY)
    found = [(problem.location.removeprefix("policy.toml "), problem.message) for problem in raised.value.problems]
    missing = [
        each for each in FAULTS if not any(at.startswith(each[0]) and each[1] in message for at, message in found)
    ]
    assert missing == [], "\n".join(map(str, found))
    assert len(found) == len(FAULTS), "\n".join(map(str, found))
