"""policy.toml holds what was registered, and stays valid."""

import pytest

from dnsfilter.cli.setup.answers import answers_of
from dnsfilter.cli.setup.policy_file import NEW, edited_policy
from dnsfilter.cli.setup.present import Present
from dnsfilter.config.policyfile import parse_policy
from dnsfilter.errors import ConfigError
from tests.support.policies import NOW
from tests.unit.cli.setup.conftest import options

NOTHING = Present((), (), (), {}, {}, "")
HELD = Present((), (), (), {"ghent": {}}, {}, "")
FIRST = ["--authority", "ghent", "--kind", "municipality", "--name", "nl=Stad Gent", "--contact", "ict@ghent.example"]


def test_inline_ranges_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"write \[\[range\]\] tables"):
        edited_policy("range = [{}]", "x", answers_of(options("--network", "192.0.2.0/24,public,staff"), HELD))


def test_a_policy_is_made_and_changed_only_where_asked() -> None:
    first = edited_policy(NEW, "x", answers_of(options(*FIRST, "--network", "192.0.2.0/24,public,staff,a"), NOTHING))
    policy = parse_policy(first, "x", services={}, now=NOW)
    assert (policy.authorities[0].names, policy.ranges[0].label) == ((("nl", "Stad Gent"),), "a")
    typed = ["--name", "fr=Gand", "--network", "192.0.2.0/24,private,staff", "--network", "2001:db8::/48,public,pupils"]
    second = parse_policy(
        edited_policy(f"{first}# our own line\n", "x", answers_of(options(*typed), HELD)), "x", services={}, now=NOW
    )
    assert dict(second.authorities[0].names) == {"nl": "Stad Gent", "fr": "Gand"}
    assert [(str(each.prefix), each.funding, each.label) for each in second.ranges] == [
        ("192.0.2.0/24", "private", "a"),
        ("2001:db8::/48", "public", ""),
    ]
