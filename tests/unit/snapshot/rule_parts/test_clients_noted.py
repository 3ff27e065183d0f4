"""A rules file says until when clients of refused queries are noted. Files of other authorities do not change."""

from dataclasses import replace

import pytest

from dnsfilter.errors import SnapshotError
from dnsfilter.policy.model import Instant, Policy, Suspension, Usage
from dnsfilter.snapshot.compiler import KEPT_PAST_S, compile_policy
from dnsfilter.snapshot.layout import CLASS_CLIENT, Kind, Part
from dnsfilter.snapshot.overlay import overlay_rules
from dnsfilter.snapshot.sections import write_file
from tests.support.policies import NOW
from tests.unit.snapshot.rule_parts.test_counted import OFFICE, opened, parts_of


def noting(until: Instant | None, slug: str = "ghent", usage: Usage = Usage.AUTHORITY) -> Policy:
    """Return the office's policy with one authority at the level `client`."""
    changed = (
        replace(each, usage=usage, clients_until=until) if each.slug == slug else each for each in OFFICE.authorities
    )
    return replace(OFFICE, authorities=tuple(changed))


def test_each_class_has_the_end_of_its_authority() -> None:
    compiled = compile_policy(noting(NOW + 60), NOW)
    snapshot = opened(compiled, compiled.rules)
    noted = {
        snapshot.authority(number): [snapshot.notes_clients(number, NOW + s) for s in (0, 59, 60)]
        for number in range(3)
    }
    assert noted == {"diest": [False] * 3, "ghent": [True, True, False], "police": [False] * 3}


@pytest.mark.parametrize(
    ("until", "usage"), [(None, Usage.AUTHORITY), (NOW - KEPT_PAST_S, Usage.AUTHORITY), (NOW + 60, Usage.NONE)]
)
def test_section_is_left_out_if_nobody_is_noted(until: Instant | None, usage: Usage) -> None:
    assert Part.CLASS_CLIENTS not in parts_of(compile_policy(noting(until, usage=usage), NOW))


def test_level_changes_no_count_and_so_no_metric() -> None:
    """A series of an authority is never that of a single client, at no level."""
    with_level, without = (compile_policy(noting(until), NOW) for until in (NOW + 60, None))
    assert opened(with_level, with_level.rules).words == opened(without, without.rules).words
    (added,) = set(parts_of(with_level)) - set(parts_of(without))
    assert added is Part.CLASS_CLIENTS


def test_local_suspension_leaves_the_level_alone() -> None:
    compiled = compile_policy(noting(NOW + 60), NOW)
    suspension = Suspension("ghent", NOW, NOW + 30)
    given = replace(noting(NOW + 60), suspensions=(suspension,))
    assert overlay_rules(compiled.rules.data, [suspension], NOW) == compile_policy(given, NOW).rules.data


def test_file_that_does_not_say_it_for_each_class_is_refused() -> None:
    compiled = compile_policy(noting(NOW + 60), NOW)
    parts = {**parts_of(compiled), Part.CLASS_CLIENTS: CLASS_CLIENT.pack(NOW)}
    with pytest.raises(SnapshotError, match="has 1 records instead of 3"):
        opened(compiled, write_file(Kind.RULES, parts))
