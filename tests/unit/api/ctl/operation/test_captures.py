"""dnsfilterctl capture: started, listed, ended and deleted."""

import pytest

from tests.unit.api.ctl.conftest import Ctl

WHY = ("--reason", "payroll names do not resolve")


@pytest.mark.usefixtures("served")
def test_capture_is_started_listed_and_ended(ctl: Ctl) -> None:
    started = ctl("capture", "start", "ghent", "127.0.5.0/24", "--for", "10m", *WHY)
    assert started.code == 0, started.err
    shown = dict(line.split(maxsplit=1) for line in started.out.splitlines())
    assert (shown["range"], shown["state"]) == ("127.0.5.0/24 of ghent, site default", "in force")
    assert shown["file"] == "captures/1.jsonl in the node's directory"
    head, line = ctl("capture", "list").out.splitlines()
    assert head.split()[:3] == ["no.", "authority", "site"]
    assert line.split()[:6] == ["1", "ghent", "default", "127.0.5.0/24", "in", "force"]
    assert line.endswith(WHY[1])
    assert "state    kept" in ctl("capture", "end", "1", "--reason", "found it").out
    assert ctl("capture", "end", "1", "--reason", "found it").code == 2
    assert "state    deleted" in ctl("capture", "end", "1", "--delete", "--reason", "found it").out
    assert ctl("capture", "list", "--authority", "mechelen").err == "no captures\n"


@pytest.mark.usefixtures("served")
@pytest.mark.parametrize("wrong", [("127.0.5.0/25", "10m"), ("127.0.5.0/24", "61m")])
def test_capture_of_no_range_or_for_too_long_is_wrong_input(ctl: Ctl, wrong: tuple[str, str]) -> None:
    assert ctl("capture", "start", "ghent", wrong[0], "--for", wrong[1], *WHY).code == 2
