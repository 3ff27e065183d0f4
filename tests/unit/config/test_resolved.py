"""Relative dates of a node's policy file are resolved once, also after restarts and edits."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from dnsfilter.config.resolved import STATE_FILE, load_policy_file, resolve_policy
from dnsfilter.errors import ConfigError, UnavailableError
from dnsfilter.policy.model import Policy, Service, Tier

SERVICES = {"tiktok": Service("tiktok", "TikTok", (Tier(1),))}
POLICY = """\
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
time_zone = "Europe/Brussels"
contact = "ict@mechelen.example"
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
start = "today"
for = "6 months"
[[binding]]
authority = "mechelen"
of = "ghent"
service = "tiktok"
ground = "agreement"
start = "today"
[[exemption]]
of = "ghent"
service = "tiktok"
ranges = ["192.0.2.0/24"]
start = "today"
for = "1 month"
reason = "promotion"
"""
NEW_TERM = '[[ban.term]]\nstart = "today"\nfor = "1 year"\n'


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


MARCH, MAY = utc("2023-03-10T15:30"), utc("2023-05-20T08:00")


class Node:
    """A node's policy file and state directory."""

    def __init__(self, directory: Path) -> None:
        self.file = directory / "policy.toml"
        self.state = directory / "state"

    def start(self, text: str, now: int) -> Policy:
        self.file.write_text(text)
        resolved = resolve_policy(text, self.file, self.state, services=SERVICES, now=now)
        resolved.keep()
        return resolved.policy


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


def test_a_restart_renews_nothing(node: Node) -> None:
    first = node.start(POLICY, MARCH)
    assert first.bans[0].terms[0].start == utc("2023-03-09T23:00")
    assert first.bans[0].terms[0].recorded == first.bindings[0].accepted == first.exemptions[0].approved == MARCH
    assert first == load_policy_file(node.file, services=SERVICES, now=MARCH)
    assert node.start(POLICY, MAY) == first
    assert node.start(POLICY, MARCH - 86_400) == first


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('audience = "staff"', 'audience = "staff"\nlabel = "offices"'),
        ('mode = "enforce"', 'mode = "off"'),
        ('start = "today"\nfor = "6 months"', 'for = "6 months"\n# the same\nstart = "today"'),
        ('reason = "promotion"', 'reason = "tourism"'),
        ('start = "today"\n[[ex', 'start = "today"\ninstrument = "a letter"\n[[ex'),
    ],
)
def test_an_edit_elsewhere_renews_nothing_and_raises_the_revision(node: Node, old: str, new: str) -> None:
    first = node.start(POLICY, MARCH)
    assert old in POLICY
    second = node.start(POLICY.replace(old, new), MAY)
    assert second.bans[0].terms == first.bans[0].terms
    assert [binding.start for binding in second.bindings] == [binding.start for binding in first.bindings]
    assert [exemption.end for exemption in second.exemptions] == [exemption.end for exemption in first.exemptions]
    assert (first.revision, second.revision) == (1, 2)


def test_new_or_changed_item_begins_when_it_is_loaded(node: Node) -> None:
    first = node.start(POLICY, MARCH)
    text = POLICY.replace('for = "6 months"\n', 'for = "6 months"\n' + NEW_TERM).replace('"1 month"', '"2 months"')
    second = node.start(text, MAY)
    assert second.bans[0].terms[0] == first.bans[0].terms[0]
    assert (second.bans[0].terms[1].start, second.bans[0].terms[1].recorded) == (utc("2023-05-19T22:00"), MAY)
    assert (second.exemptions[0].start, second.exemptions[0].end) == (utc("2023-05-19T22:00"), utc("2023-07-19T22:00"))
    assert second.bindings == first.bindings


def test_item_removed_and_put_back_begins_again(node: Node) -> None:
    node.start(POLICY, MARCH)
    node.start(POLICY.split("[[exemption]]")[0], MARCH + 60)
    again = node.start(POLICY, MAY)
    assert again.exemptions[0].approved == MAY
    assert again.bans[0].terms[0].recorded == MARCH
    assert again.revision == 3


def test_a_faulty_file_leaves_the_state_as_it_was(node: Node) -> None:
    first = node.start(POLICY, MARCH)
    before = (node.state / STATE_FILE).read_bytes()
    with pytest.raises(ConfigError, match="'tictoc'"):
        node.start(POLICY.replace("tiktok", "tictoc"), MAY)
    assert (node.state / STATE_FILE).read_bytes() == before
    assert node.start(POLICY, MAY) == first
    assert [path.name for path in node.state.iterdir()] == [STATE_FILE]


@pytest.mark.parametrize(
    "content", ["", "digest = 1\n", 'digest = "a"\nrevision = 1\n[loaded]\na = "b"\n', "[loaded", "loaded = 1\n"]
)
def test_invalid_state_file_is_an_error(node: Node, content: str) -> None:
    node.start(POLICY, MARCH)
    (node.state / STATE_FILE).write_text(content)
    with pytest.raises(ConfigError, match=STATE_FILE):
        node.start(POLICY, MAY)


def test_unwritable_state_directory_is_an_error(node: Node) -> None:
    node.state.write_text("in the way")
    with pytest.raises(UnavailableError, match=r"cannot store the policy's resolved dates in .*policy-resolved\.toml"):
        node.start(POLICY, MARCH)
