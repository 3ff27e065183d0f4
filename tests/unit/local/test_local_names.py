"""Names of a node itself: the file, and the time for which they hold."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from dnsfilter.errors import UnavailableError
from dnsfilter.local.local_names import GivenName, LocalNames, change_names, load_names
from dnsfilter.local.timed_acts import ClockReading
from dnsfilter.policy.model import DAY_S
from dnsfilter.policy.single_names import LocalName, NameVerdict
from dnsfilter.wire.names import parse_name
from tests.support.policies import HOUR, NOW

THEN = ClockReading(NOW, 5_000_000, "boot-1")
FREE = GivenName("ghent", parse_name("cdn.example.org"), True, NameVerdict.ALLOW, THEN, 7 * DAY_S, "payroll")
BANNED = replace(FREE, name=parse_name("example.com"), exact=False, verdict=NameVerdict.REFUSE, for_s=60)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "node" / "names.json"


def test_file_is_read_back(path: Path) -> None:
    change_names(path, THEN, lambda _: (FREE, BANNED))
    assert load_names(path) == (FREE, BANNED)


def test_names_hold_until_their_end_by_the_time_since_boot(path: Path) -> None:
    change_names(path, THEN, lambda _: (FREE, BANNED))
    names = LocalNames(path)
    wanted = LocalName("ghent", FREE.name, True, NameVerdict.ALLOW, NOW, NOW + 7 * DAY_S, "payroll")
    assert [each.name for each in names.holding(THEN)] == [FREE.name, BANNED.name]
    # The clock was set back by an hour, which prolongs nothing.
    later = ClockReading(NOW + 60 - HOUR, THEN.boot_ms + 60_000, "boot-1")
    assert names.holding(later) == (replace(wanted, start=NOW - HOUR, end=NOW - HOUR + 7 * DAY_S),)
    assert load_names(path) == (replace(FREE, given_at=replace(THEN, instant=NOW - HOUR)),), "the file is corrected"


@pytest.mark.parametrize(
    "changes",
    [
        {"authority": None},
        {"authority": "ghent\n"},
        {"name": "com"},
        {"name": "an example.com"},
        {"name": 7},
        {"exact": "no"},
        {"verdict": "block"},
        {"for_s": 7 * DAY_S + 1},
        {"boot": None},
    ],
)
def test_invalid_content_is_refused(path: Path, changes: dict[str, object]) -> None:
    change_names(path, THEN, lambda _: (FREE,))
    value = json.loads(path.read_bytes())["names"][0]
    path.write_text(json.dumps({"names": [{**value, **changes}]}))
    with pytest.raises(UnavailableError, match="it is not a list of names"):
        load_names(path)
    assert LocalNames(path).holding(THEN) == ()
