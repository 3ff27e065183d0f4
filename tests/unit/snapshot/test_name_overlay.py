"""Names of a node itself added to a snapshot that was compiled without them."""

from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.decide import Verdict
from dnsfilter.policy.model import (
    DEFAULT_SITE,
    Address,
    AllowedName,
    Audience,
    Ban,
    FormalDecision,
    Instant,
    Mode,
    Policy,
    Suspension,
    Term,
    WireName,
)
from dnsfilter.policy.single_names import EXACTLY, WITH_ALL_BELOW, LocalName, NameVerdict, single_name
from dnsfilter.snapshot import added_names
from dnsfilter.snapshot.added_bans import FIRST_LOCAL_BAN
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.manifest import FileRef
from dnsfilter.snapshot.name_overlay import overlay_allowed, overlay_bans, overlay_refused_names
from dnsfilter.snapshot.overlay import overlay_manifest
from dnsfilter.snapshot.reader import Snapshot
from dnsfilter.wire.names import label_count, name_text, parse_name
from tests.support.policies import (
    DAY,
    HOUR,
    NOW,
    allowed,
    ban,
    clients_of,
    instants,
    names_of,
    network,
    policies,
    policy,
    service,
)

EARLY = NOW - 2 * DAY
MINUTE = 60
FREE = LocalName("ghent", parse_name("cdn.example.org"), False, NameVerdict.ALLOW, NOW, NOW + HOUR, "payroll")


@st.composite
def set_here(draw: st.DrawFn, held: Policy, verdict: NameVerdict) -> LocalName:
    start = NOW + draw(st.integers(-23 * 60, 5 * 60)) * MINUTE
    end = start + draw(st.integers(1, 7 * 24 * 60)) * MINUTE
    authority = draw(st.sampled_from(("ghent", "mechelen", "nowhere")))
    return LocalName(authority, draw(names_of(held)), draw(st.booleans()), verdict, start, end)


def as_allowed(name: LocalName) -> AllowedName:
    return AllowedName(9, name.authority, name.name, name.exact, name.start, name.end, name.start)


@given(st.data())
def test_overlay_gives_the_bytes_of_the_policy_compiled_with_the_allowed_names(data: st.DataObject) -> None:
    held = data.draw(policies())
    names = data.draw(st.lists(set_here(held, NameVerdict.ALLOW), min_size=1, max_size=3))
    alone = compile_policy(held, NOW)
    together = compile_policy(replace(held, allowed=(*held.allowed, *map(as_allowed, names))), NOW)
    assert bytes(overlay_allowed(alone.rules.data, names, EARLY)) == together.rules.data


GHENT = policy(network("192.0.2.0/24", "ghent"), service("video", ["example.org"]), ban(1, "ghent", "video"))


@pytest.mark.parametrize(
    ("held", "name"),
    [
        pytest.param(GHENT, replace(FREE, start=NOW - HOUR, end=NOW), id="its time is over"),
        pytest.param(GHENT, replace(FREE, authority="diest"), id="of an authority without ranges"),
        pytest.param(
            replace(GHENT, allowed=(allowed(1, "ghent", "cdn.example.org"),)), FREE, id="the policy allows it longer"
        ),
    ],
)
def test_names_that_change_nothing_return_the_same_object(held: Policy, name: LocalName) -> None:
    rules = compile_policy(held, NOW).rules.data
    assert overlay_allowed(rules, [name], NOW) is rules


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_broken_file_is_refused(cut: int) -> None:
    rules = compile_policy(GHENT, NOW).rules.data[:cut]
    with pytest.raises(SnapshotError):
        overlay_allowed(rules, [FREE], NOW)


def as_ban(name: LocalName, number: int) -> Ban:
    tiers = EXACTLY if name.exact else WITH_ALL_BELOW
    terms = (Term(name.start, name.end, recorded=name.start),)
    return Ban(number, name.authority, name_text(name.name), Mode.ENFORCE, terms, tiers=tiers, reason=name.reason)


def with_refused(held: Policy, names: Sequence[LocalName]) -> Policy:
    """Return the policy with these names refused."""
    services = {name_text(each.name): single_name(name_text(each.name)) for each in names}
    bans = (as_ban(each, FIRST_LOCAL_BAN + offset) for offset, each in enumerate(names))
    return replace(held, services=(*held.services, *services.values()), bans=(*held.bans, *bans))


def laid(held: Policy, names: Sequence[LocalName]) -> Snapshot:
    made = compile_policy(held, NOW)
    file = overlay_refused_names(made.names.data, names)
    data = made.names.data if file is None else file.data
    rules = overlay_bans(made.rules.data, data, names, EARLY)
    reference = None if file is None else FileRef(file.digest, len(file.data))
    manifest = overlay_manifest(made.manifest, rules, reference)
    return Snapshot.open(manifest, data, made.ranges.data, rules, DEFAULT_SITE)


def compiled(held: Policy) -> Snapshot:
    made = compile_policy(held, NOW)
    return Snapshot.open(made.manifest, made.names.data, made.ranges.data, made.rules.data, DEFAULT_SITE)


def seen(snapshot: Snapshot, client: Address, name: WireName, at: Instant) -> object:
    """Return all that a reply and a count need to know, by names in place of numbers."""
    found = snapshot.find(client.packed)
    if found is None:
        return snapshot.decide(client, name, at)
    matches = snapshot.match(name)
    judged = snapshot.judge(found, matches, at, [name])
    pairs, bans = snapshot.words.pairs, snapshot.words.bans
    counted = [judged.refused] if judged.refused >= 0 else []
    by = [judged.refused_by] if judged.refused_by >= 0 else []
    return (
        snapshot.decide(client, name, at),
        judged.ban,
        judged.verdict,
        [sorted(pairs[each] for each in some) for some in (counted, judged.monitored, judged.exempted)],
        [sorted(bans[each] for each in some) for some in (by, judged.monitored_by, judged.exempted_by)],
        snapshot.next_change(found, matches, at, [name]),
        snapshot.concerned(matches),
        snapshot.bypass_number(found) >= 0,
    )


@given(st.data())
def test_refused_names_give_the_answers_and_counts_of_the_policy_with_them(data: st.DataObject) -> None:
    held = data.draw(policies())
    drawn = st.lists(set_here(held, NameVerdict.REFUSE), min_size=1, max_size=3)
    names = [each for each in data.draw(drawn) if each.authority != "nowhere" and label_count(each.name) > 1]
    names = list({(each.authority, each.name): each for each in names}.values())
    together = with_refused(held, names)
    expected, found = compiled(together), laid(held, names)
    for _ in range(5):
        client, at = data.draw(clients_of(together)), data.draw(instants(together))
        for name in (data.draw(names_of(together)), *(b"\x03www" + each.name for each in names)):
            assert seen(found, client, name, at) == seen(expected, client, name, at)


BANNED = replace(FREE, name=parse_name("example.net"), verdict=NameVerdict.REFUSE)


def verdicts(snapshot: Snapshot, client: str, at: Instant, *names: str) -> list[Verdict]:
    return [snapshot.decide(ip_address(client), parse_name(name), at).verdict for name in names]


def test_refused_name_covers_what_is_below_it_unless_it_is_exact() -> None:
    names = "example.net", "www.example.net", "an-example.net"
    assert verdicts(laid(GHENT, [BANNED]), "192.0.2.1", NOW, *names) == ["refuse", "refuse", "pass"]
    exact = laid(GHENT, [replace(BANNED, exact=True)])
    assert verdicts(exact, "192.0.2.1", NOW, *names) == ["refuse", "pass", "pass"]
    assert verdicts(exact, "192.0.2.1", NOW + HOUR, *names) == ["pass", "pass", "pass"]


def test_refused_name_is_not_refused_for_the_public_nor_while_suspended() -> None:
    public = network("192.0.2.128/25", "ghent", audience=Audience.PUBLIC)
    held = replace(GHENT, ranges=(*GHENT.ranges, public), suspensions=(Suspension("ghent", NOW, NOW + 60),))
    snapshot = laid(held, [BANNED])
    assert [verdicts(snapshot, "192.0.2.1", at, "example.net") for at in (NOW, NOW + 60)] == [["pass"], ["refuse"]]
    assert verdicts(snapshot, "192.0.2.129", NOW + 60, "example.net") == ["pass"]


def test_refusal_text_is_that_of_the_authority() -> None:
    snapshot = laid(GHENT, [BANNED])
    found = snapshot.find(ip_address("192.0.2.1").packed)
    assert found is not None
    judged = snapshot.judge(found, snapshot.match(BANNED.name), NOW, [BANNED.name])
    assert judged.ban is not None
    assert judged.ban.text == "ict@ghent.example.org; example.net geblokkeerd door GHENT"
    assert (judged.ban.ede, judged.ban.bound, judged.ban.number) == (15, False, FIRST_LOCAL_BAN)


def test_refusals_as_json_stay_those_of_their_rules() -> None:
    listed = [replace(each, public_register=True, filtering_database=each.slug) for each in GHENT.authorities]
    referring = [replace(each, decision=FormalDecision(reference=f"CBS {each.number}")) for each in GHENT.bans]
    snapshot = laid(replace(GHENT, authorities=tuple(listed), bans=tuple(referring)), [BANNED])
    number = snapshot.find(ip_address("192.0.2.1").packed)
    assert number is not None
    found = []
    for name in (parse_name("video.example.org"), BANNED.name):
        ban = snapshot.judge(number, snapshot.match(name), NOW, [name]).ban
        assert ban is not None
        found.append(ban.structured)
    assert found == ['{"c":["mailto:ict@ghent.example.org"],"s":5,"fdbs":[{"db":"ghent","id":"CBS 1"}]}', ""]


@pytest.mark.parametrize("count", [1, 200])
def test_every_name_is_found_after_many_are_added(count: int) -> None:
    added = [replace(BANNED, name=parse_name(f"n{number}.example.net")) for number in range(count)]
    also = replace(BANNED, name=parse_name("example.org"), authority="ghent")
    snapshot = laid(GHENT, [*added, also])
    for each in added:
        assert verdicts(snapshot, "192.0.2.1", NOW, name_text(each.name)) == ["refuse"]
    assert {snapshot.entries[hit.entry].service for hit in snapshot.match(also.name)} == {"video", "example.org"}


def test_names_file_that_has_the_name_is_kept() -> None:
    held = with_refused(GHENT, [BANNED])
    assert overlay_refused_names(compile_policy(held, NOW).names.data, [BANNED]) is None
    assert overlay_refused_names(compile_policy(GHENT, NOW).names.data, [FREE]) is None


def test_rules_are_kept_if_no_name_is_refused_any_more() -> None:
    made = compile_policy(GHENT, NOW)
    ended = replace(BANNED, start=NOW - HOUR, end=NOW)
    assert overlay_bans(made.rules.data, made.names.data, [ended, FREE], NOW) is made.rules.data


def test_more_entries_than_the_format_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(added_names, "MAX_ENTRIES", 2)
    with pytest.raises(SnapshotError, match="3 entries are more than 2"):
        overlay_refused_names(compile_policy(GHENT, NOW).names.data, [BANNED])
