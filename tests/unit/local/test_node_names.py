"""Acts on names on a node: their effects, their journal entries, and refused ones."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.config.load import default_config
from dnsfilter.config.node_config import Config
from dnsfilter.errors import ConfigError, UnavailableError
from dnsfilter.local import node_names
from dnsfilter.local.journal import JOURNAL_NAME, Act, Entry, Journal
from dnsfilter.local.local_names import FILE_NAME
from dnsfilter.local.node_names import NameActs, WantedName
from dnsfilter.policy.model import DAY_S, Instant
from dnsfilter.policy.single_names import LocalName, NameVerdict
from dnsfilter.snapshot.compiler import compile_policy
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.wire.names import parse_name
from tests.support.policies import NOW, allowed, ban, network, policy, service

CLOCK: Instant = NOW + 500
CDN = parse_name("cdn.example.org")
ALLOW, REFUSE = NameVerdict.ALLOW, NameVerdict.REFUSE
WHY = "payroll is down"


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUDO_UID", raising=False)
    monkeypatch.setattr("dnsfilter.engine.clock.time.time", lambda: float(CLOCK))


@pytest.fixture
def config(tmp_path: Path) -> Config:
    state = tmp_path / "state"
    state.mkdir()
    return replace(default_config(), state_dir=state)


@pytest.fixture
def node(config: Config) -> NameActs:
    store = SnapshotStore(config.state_dir / "snapshots")
    ranges = (network("192.0.2.0/24", "ghent"), network("198.51.100.0/24", "mechelen"))
    free = allowed(1, "ghent", "free.example.net")
    store.publish(
        compile_policy(policy(*ranges, service("video", ["example.org"]), ban(1, "ghent", "video"), free), NOW)
    )
    return NameActs(config, store)


def journal(config: Config) -> tuple[Entry, ...]:
    return Journal(config.node_dir / JOURNAL_NAME).entries()


def wanted(name: str, verdict: NameVerdict = ALLOW, authority: str = "ghent", *, exact: bool = False) -> WantedName:
    return WantedName(authority, parse_name(name), exact, verdict)


def test_a_name_is_in_the_journal_and_in_force_until_its_end(node: NameActs, config: Config) -> None:
    made = node.set(wanted("cdn.example.org", exact=True), "7d", WHY)
    assert made == LocalName("ghent", CDN, True, ALLOW, CLOCK, CLOCK + 7 * DAY_S, WHY)
    assert node.names() == (made,)
    assert node.end("ghent", CDN, "back again") is ALLOW
    assert node.names() == ()
    name = "cdn.example.org"
    assert journal(config) == (
        Entry(1, CLOCK, os.getuid(), Act.ALLOW_NAME, "ghent", made.end, None, WHY, name, exact=True),
        Entry(2, CLOCK, os.getuid(), Act.END_NAME, "ghent", None, None, "back again", name, exact=True),
    )


def test_without_a_duration_a_name_is_set_for_a_day(node: NameActs) -> None:
    assert node.set(wanted("cdn.example.org"), None, WHY).end == CLOCK + DAY_S


def test_a_name_replaces_what_was_set_for_it_in_the_same_authority(node: NameActs) -> None:
    node.set(wanted("cdn.example.org"), "1h", "first")
    other = node.set(wanted("cdn.example.org", authority="mechelen"), "1h", "second")
    again = node.set(wanted("cdn.example.org", REFUSE), "2h", "third")
    assert node.names() == (other, again)


@pytest.mark.parametrize(
    ("duration", "reason", "location", "message"),
    [
        ("8 days", WHY, "--for", "'8 days' is longer than 7 days; choose less"),
        ("1 month", WHY, "--for", "'1 month' is longer than 7 days; choose less"),
        ("soon", WHY, "--for", "'soon' is not a span of time"),
        ("1h", " ", "--reason", "give a reason"),
        ("1h", "two\nlines", "--reason", "give a reason"),
    ],
)
def test_a_wrong_argument_is_named(
    node: NameActs, config: Config, duration: str, reason: str, location: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        node.set(wanted("cdn.example.org"), duration, reason)
    assert [problem.location for problem in caught.value.problems] == [location]
    assert not config.node_dir.exists()


def test_an_authority_without_ranges_here_is_refused(node: NameActs, config: Config) -> None:
    with pytest.raises(ConfigError, match="no range on this node belongs to 'gent'; choose one of: ghent, mechelen"):
        node.set(wanted("cdn.example.org", authority="gent"), "1h", WHY)
    assert not config.node_dir.exists()


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        pytest.param(
            wanted("example.org"),
            wanted("cdn.example.org", REFUSE),
            "an act on this node allows example.org, and an allowed name is never refused: end that first: "
            "dnsfilter name end example.org --authority ghent",
            id="a refused name below an allowed one",
        ),
        pytest.param(
            wanted("cdn.example.org", REFUSE),
            wanted("example.org"),
            "an act on this node refuses cdn.example.org, and an allowed name is never refused: end that first: "
            "dnsfilter name end cdn.example.org --authority ghent",
            id="an allowed name above a refused one",
        ),
        pytest.param(
            wanted("other.example.org"),
            wanted("www.free.example.net", REFUSE),
            "ghent allows free.example.net by revision 1, and an allowed name is never refused: only a later revision",
            id="a name that the policy allows",
        ),
    ],
)
def test_a_contradiction_is_refused_and_not_in_the_journal(
    node: NameActs, config: Config, first: WantedName, second: WantedName, message: str
) -> None:
    kept = node.set(first, "1h", "first")
    with pytest.raises(UnavailableError, match=message):
        node.set(second, "1h", "second")
    assert node.names() == (kept,)
    assert len(journal(config)) == 1


def test_what_does_not_contradict_is_kept(node: NameActs) -> None:
    for each in (
        wanted("example.org", exact=True),
        wanted("cdn.example.org", REFUSE),
        wanted("www.cdn.example.org"),
        wanted("example.org", REFUSE, "mechelen"),
    ):
        node.set(each, "1h", WHY)
    assert len(node.names()) == 4


def test_names_are_limited(node: NameActs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_names, "MAX_GIVEN", 1)
    node.set(wanted("cdn.example.org"), "1h", WHY)
    with pytest.raises(UnavailableError, match="1 names are already set on this node: end one first"):
        node.set(wanted("www.example.org"), "1h", WHY)
    node.set(wanted("cdn.example.org"), "2h", "longer")


def test_an_end_needs_a_name_that_is_set(node: NameActs) -> None:
    node.set(wanted("cdn.example.org"), "1h", WHY)
    with pytest.raises(UnavailableError, match=r"for mechelen; names set here: ghent cdn\.example\.org"):
        node.end("mechelen", CDN, "")
    with pytest.raises(UnavailableError, match=r"end www\.example\.org: no act on this node refuses or allows it"):
        node.end("ghent", parse_name("www.example.org"), "")


def test_an_act_that_the_journal_does_not_take_is_not_done(node: NameActs, config: Config) -> None:
    node.set(wanted("cdn.example.org"), "1h", WHY)
    journal_path = config.node_dir / JOURNAL_NAME
    journal_path.unlink()
    journal_path.mkdir()
    with pytest.raises(UnavailableError):
        node.set(wanted("www.example.org"), "1h", WHY)
    with pytest.raises(UnavailableError):
        node.end("ghent", CDN, "")
    assert [each.name for each in node.names()] == [CDN]
    assert (config.node_dir / FILE_NAME).exists()
