"""Names of a node itself added to a snapshot that was compiled without them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import AllowedName, Policy
from dnsfilter.policy.single_names import LocalName, NameVerdict
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.name_overlay import overlay_allowed
from dnsfilter.wire.names import parse_name
from tests.support.policies import DAY, HOUR, NOW, allowed, ban, names_of, network, policies, policy, service

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
