"""dnsfilterctl usage: read, written as CSV, erased."""

import json
from pathlib import Path

import pytest

from tests.unit.api.ctl.conftest import Ctl, Served
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, bypass, count, refused

GHENT = {"authority": "ghent", "service": "tiktok", "ban_authority": "ghent"}
RANGE = {"prefix": "127.0.5.0/24"}


@pytest.fixture
def counted(served: Served, ctl: Ctl) -> Served:
    """Return a control plane with counts of one range and of the rest of an authority."""
    assert ctl("authority", "set", "ghent", "--usage", "range", "--reason", "the council asks").code == 0
    node = Machine.enrolled(served.plane, "office-1")
    for sequence, (start, queries) in enumerate((("2026-09-21T11:00:00Z", 2), ("2026-09-21T12:00:00Z", 3)), 1):
        counts = [count(queries, **GHENT, range=RANGE), count(49, **GHENT)]
        node.use(batch(counts, [bypass(7, authority="ghent")], start, sequence=sequence))
    served.plane.clock.now += 86_400
    return served


@pytest.mark.usefixtures("counted")
def test_usage_is_shown_by_day_hour_and_range(ctl: Ctl) -> None:
    period = ("--from", "2026-09-01", "--to", "2026-09-30")
    by_day = ctl("usage", "show", "ghent", *period).out.splitlines()
    assert by_day[1].split() == ["2026-09-21", "tiktok", "ghent", "own", "refused", "103"]
    by_range = ctl("usage", "show", "ghent", *period, "--by", "range").out.splitlines()
    assert by_range[1].split() == ["127.0.5.0/24", "default", "offices", "tiktok", "ghent", "own", "refused", "2-8"]
    by_hour = ctl("usage", "show", "ghent", *period, "--by", "hour").out
    assert "2026-09-21 14:00:00 CEST" in by_hour or "21 September 2026 14:00" in by_hour
    assert [line.split()[-1] for line in by_hour.splitlines()[1:]] == ["<5", "<5"]
    found = json.loads(ctl("usage", "show", "ghent", *period, "--by", "range", "--json").out)["items"]
    assert [(item["queries"], item["at_least"], item["at_most"]) for item in found] == [(None, 2, 8)]
    table = ctl("usage", "show", "ghent", *period, "--by", "range", "--csv").out.splitlines()
    assert table == [
        "day,hour,site,prefix,label,service,ban_authority,ground,result,queries",
        ",,default,127.0.5.0/24,offices,tiktok,ghent,own,refused,2-8",
    ]
    attempts = ctl("usage", "bypass", "ghent", *period).out.splitlines()
    assert attempts[1].split() == ["2026-09-21", "encrypted", "dns", "14"]
    assert ctl("usage", "show", "ghent", "--service", "instagram", *period).err == "no counts\n"


@pytest.mark.usefixtures("counted")
def test_usage_of_a_range_is_erased(ctl: Ctl) -> None:
    done = ctl("usage", "erase", "ghent", "--range", "127.0.5.0/24", "--reason", "a wrong range")
    assert (done.code, done.out) == (
        0,
        "erased usage of ghent: 0 counts of days, 2 of hours, 0 of attempts to bypass the resolver, "
        "0 of pending names, 0 of days of coverage, 0 of clients\n",
    )
    assert ctl("usage", "show", "ghent", "--from", "2026-09-01").out.splitlines()[1].split()[-1] == "98"


@pytest.mark.usefixtures("counted")
def test_erasing_everything_must_be_said(ctl: Ctl) -> None:
    done = ctl("usage", "erase", "ghent", "--reason", "a test")
    assert (done.code, "Give --from, --to or --range" in done.err) == (2, True)


@pytest.mark.usefixtures("served")
def test_reason_goes_with_the_level_alone(ctl: Ctl) -> None:
    done = ctl("authority", "set", "ghent", "--usage", "none", "--group", "coast", "--reason", "a test")
    assert (done.code, "--reason is for --usage alone" in done.err) == (2, True)


def test_clients_are_noted_by_an_act_and_shown_to_approvers(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    file = tmp_path / "approver-token"
    file.write_text(served.plane.account("approver", ("approver", "ghent"))[1])
    file.chmod(0o600)
    level = (
        "authority", "client-level", "ghent", "--until", "2026-12-31", "--purpose", "find devices that keep asking",
        "--decision", "CBS/2026/1234", "--legal-basis", "article 56", "--consultation", "DPO/2026/17",
    )  # fmt: skip
    assert ctl(*level).code == 3
    lines = ctl(*level, "--token-file", str(file)).out.splitlines()
    assert [line.split(maxsplit=1)[1] for line in lines if line.startswith(("usage ", "clients ", "basis "))] == [
        "authority",
        "noted through 31 December 2026: find devices that keep asking",
        "CBS/2026/1234, article 56, DPO/2026/17",
    ]
    node = Machine.enrolled(served.plane, "office-1")
    node.use(batch(clients=[refused(3, **GHENT)]))
    head, line = ctl("usage", "clients", "ghent", "--token-file", str(file)).out.splitlines()
    assert head.split() == ["time", "client", "service", "ban", "of", "ground", "queries"]
    assert "16:13:00" in line
    assert line.split()[-5:] == ["0123456789abcdef", "tiktok", "ghent", "own", "3"]
    assert ctl("usage", "clients", "ghent").code == 3
    table = ctl("usage", "clients", "ghent", "--csv", "--token-file", str(file)).out.splitlines()
    assert table[1] == "2026-09-21T14:13:00Z,0123456789abcdef,tiktok,ghent,own,3"
