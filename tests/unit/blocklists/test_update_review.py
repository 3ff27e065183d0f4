"""An update compared with the content in force: what comes and goes, what is pending, and what holds it back."""

import pytest

from blocklists.guard import PUBLIC_SUFFIX, installation_guard
from blocklists.update_review import MAX_HITS, PENDING_S, Held, Reason, Review, review
from dnsfilter.policy.model import Instant, Tier
from dnsfilter.wire.names import name_text, parse_name

NOW = 1_000_000
LATER = NOW + PENDING_S
GUARD = installation_guard(
    zones=[parse_name("corp.example.org")],
    control_plane=[parse_name("policy.example.com")],
)


def tier(number: int, *names: str, since: Instant | None = None) -> Tier:
    """Return a tier. A name with a = before it is a host."""
    domains = frozenset(parse_name(name) for name in names if not name.startswith("="))
    hosts = frozenset(parse_name(name[1:]) for name in names if name.startswith("="))
    return Tier(number, domains, hosts, since)


def many(count: int, first: int = 0) -> Tier:
    return tier(1, *(f"n{number}.example" for number in range(first, first + count)))


def texts(tiers: tuple[Tier, ...]) -> list[tuple[int, Instant | None, list[str]]]:
    return [
        (
            each.number,
            each.enforced_from,
            sorted([*map(name_text, each.domains), *("=" + name_text(name) for name in each.hosts)]),
        )
        for each in tiers
    ]


def held_kinds(found: Review) -> list[Held]:
    return [reason.held for reason in found.reasons]


@pytest.mark.parametrize(
    ("in_force", "wanted", "content"),
    [
        ([], [tier(1, "a.example")], [(1, LATER, ["a.example"])]),
        ([tier(1, "a.example")], [tier(1, "a.example")], [(1, None, ["a.example"])]),
        (
            [tier(1, "a.example"), tier(1, "b.example", since=NOW + 5)],
            [tier(1, "a.example", "b.example", "=c.example")],
            [(1, None, ["a.example"]), (1, NOW + 5, ["b.example"]), (1, LATER, ["=c.example"])],
        ),
        (
            [tier(1, "a.example"), tier(1, "b.example", since=NOW)],
            [tier(1, "a.example", "b.example")],
            [(1, None, ["a.example", "b.example"])],
        ),
        ([tier(1, "a.example", "b.example")], [tier(1, "b.example")], [(1, None, ["b.example"])]),
    ],
    ids=["first", "same", "pending names keep their instants", "a wait that is over", "removed names leave at once"],
)
def test_new_names_are_pending_and_others_keep_their_instants(
    in_force: list[Tier], wanted: list[Tier], content: list[tuple[int, Instant | None, list[str]]]
) -> None:
    assert texts(review(in_force, wanted, GUARD, NOW).content) == content


@pytest.mark.parametrize(
    ("in_force", "wanted", "content"),
    [
        ([tier(1, "a.example")], [tier(1, "=w.a.example")], [(1, None, ["=w.a.example"])]),
        ([tier(1, "a.example", since=NOW + 5)], [tier(1, "w.a.example")], [(1, NOW + 5, ["w.a.example"])]),
        (
            [tier(1, "w.a.example")],
            [tier(1, "a.example")],
            [(1, None, ["w.a.example"]), (1, LATER, ["a.example"])],
        ),
        (
            [tier(1, "=a.example")],
            [tier(1, "a.example")],
            [(1, None, ["=a.example"]), (1, LATER, ["a.example"])],
        ),
        (
            [tier(2, "a.example", "b.example")],
            [tier(1, "a.example")],
            [(1, LATER, ["a.example"]), (2, None, ["a.example"])],
        ),
    ],
    ids=["a part", "a part of a pending name", "a name above", "a host becomes a domain", "another tier"],
)
def test_a_name_that_is_refused_stays_refused_while_what_replaces_it_is_pending(
    in_force: list[Tier], wanted: list[Tier], content: list[tuple[int, Instant | None, list[str]]]
) -> None:
    assert texts(review(in_force, wanted, GUARD, NOW).content) == content


def test_a_name_that_stays_meanwhile_leaves_with_the_first_update_after_the_wait() -> None:
    first = review([tier(1, "w.a.example")], [tier(1, "a.example")], GUARD, NOW)
    assert first.removed == ()
    for at_once in (False, True):
        meanwhile = review(first.content, [tier(1, "a.example", "b.example")], GUARD, NOW + 60, at_once=at_once)
        assert meanwhile.removed == ()
    second = review(first.content, [tier(1, "a.example")], GUARD, LATER)
    assert texts(second.content) == [(1, None, ["a.example"])]
    assert texts(second.removed) == [(1, None, ["w.a.example"])]


def test_new_names_are_enforced_at_once_if_asked() -> None:
    found = review([tier(1, "a.example")], [tier(1, "a.example", "b.example")], GUARD, NOW, at_once=True)
    assert texts(found.content) == [(1, None, ["a.example", "b.example"])]


def test_the_difference_is_by_tier() -> None:
    found = review(
        [tier(1, "a.example", "b.example"), tier(3, "c.example")],
        [tier(1, "a.example", "=d.example"), tier(2, "b.example")],
        GUARD,
        NOW,
        at_once=True,
    )
    assert texts(found.added) == [(1, None, ["=d.example"]), (2, None, ["b.example"])]
    assert texts(found.removed) == [(1, None, ["b.example"]), (3, None, ["c.example"])]
    assert found.reasons == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("kbc.be", "kbc.be hits kbc.be (popular-belgian.txt)"),
        ("akamaiedge.net", "akamaiedge.net hits probe.akamaiedge.net (shared-network-probes.txt)"),
        ("github.io", f"github.io hits github.io ({PUBLIC_SUFFIX})"),
        ("belnet.be", "belnet.be hits dns.belnet.be (upstream-bootstrap.txt)"),
        ("=intranet.corp.example.org", "intranet.corp.example.org hits corp.example.org (a conditional zone)"),
        ("=policy.example.com", "policy.example.com hits policy.example.com (the control plane)"),
    ],
)
def test_a_new_name_that_hits_the_guard_holds_the_update_back(name: str, text: str) -> None:
    assert review([], [tier(1, name)], GUARD, NOW).reasons == (Reason(Held.GUARDED, text),)
    assert review([tier(1, name)], [tier(1, name)], GUARD, NOW).reasons == ()


def test_few_of_many_hits_are_named_and_all_are_counted() -> None:
    names = [f"=n{number}.corp.example.org" for number in range(MAX_HITS + 5)]
    reasons = review([], [tier(1, *names)], GUARD, NOW).reasons
    assert len(reasons) == MAX_HITS + 1
    assert reasons[-1].text == "5 more names hit the guard"


@pytest.mark.parametrize(
    ("before", "after", "held"),
    [
        (0, 500, []),
        (1, 20, []),
        (1, 21, [Held.GROWS]),
        (100, 299, []),
        (100, 300, [Held.GROWS]),
        (100, 67, []),
        (99, 66, [Held.SHRINKS]),
        (29, 10, []),
        (30, 10, [Held.SHRINKS]),
        (5, 0, [Held.EMPTY]),
        (500, 0, [Held.EMPTY]),
    ],
)
def test_a_list_whose_size_changes_much_is_held_back(before: int, after: int, held: list[Held]) -> None:
    assert held_kinds(review([many(before)], [many(after)], GUARD, NOW)) == held


@pytest.mark.parametrize(
    ("unreadable", "lines", "held"),
    [(0, 0, []), (9, 100, []), (10, 100, [Held.UNREADABLE]), (1, 5, [Held.UNREADABLE])],
)
def test_a_list_of_which_a_tenth_cannot_be_read_is_held_back(unreadable: int, lines: int, held: list[Held]) -> None:
    assert held_kinds(review([], [many(3)], GUARD, NOW, unreadable=unreadable, lines=lines)) == held


def test_every_reason_is_given() -> None:
    found = review([many(90)], [tier(1, "kbc.be")], GUARD, NOW, unreadable=5, lines=6)
    assert held_kinds(found) == [Held.GUARDED, Held.SHRINKS, Held.UNREADABLE]
