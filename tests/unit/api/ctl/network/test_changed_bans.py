"""Commands say which bans change for ranges: before they act at a terminal, and with what they did elsewhere."""

import json

import pytest

from tests.unit.api.ctl.conftest import Ctl, Served

ADD = ("range", "add", "diest", "127.0.5.128/26", "--funding", "public", "--audience", "staff")
MOVE = ("range", "move", "diest", "127.0.5.0/24")
MERGE = ("authority", "merge", "ghent", "--into", "diest", "--reason", "the two are one", "--legal-basis", "decree",
         "--reference", "2026/4")  # fmt: skip
LOST = ["  diest/tiktok (monitor) begins to apply", "  ghent/tiktok (enforce) no longer applies"]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pretend that a person answers at a terminal."""
    typed: list[str] = []
    monkeypatch.setattr("api.ctl.network.changed_bans.at_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: typed.pop(0))
    return typed


@pytest.mark.parametrize(("command", "prefix"), [(ADD, "127.0.5.128/26"), (MOVE, "127.0.5.0/24")], ids=["add", "move"])
def test_the_bans_that_change_are_said(served: Served, ctl: Ctl, command: tuple[str, ...], prefix: str) -> None:
    heading = f"{prefix}, until now of ghent, then of diest:"
    revision = served.plane.revision()
    planned = ctl(*command, "--dry-run")
    assert planned.out.splitlines()[0] == "dry run, nothing was done; this would happen:"
    assert (planned.out.splitlines()[-3:], served.plane.revision()) == ([heading, *LOST], revision)
    done = ctl(*command)
    assert (done.out.splitlines()[-3:], served.plane.revision()) == ([heading, *LOST], revision + 1)


@pytest.mark.parametrize("command", [ADD, MOVE, MERGE], ids=["add", "move", "merge"])
def test_a_person_is_asked_before_bans_change(
    served: Served, ctl: Ctl, answers: list[str], command: tuple[str, ...]
) -> None:
    revision = served.plane.revision()
    answers += ["no"]
    refused = ctl(*command)
    assert (refused.code, refused.err, served.plane.revision()) == (1, "dnsfilterctl: Nothing was done.\n", revision)
    assert ", until now of ghent, then of diest:" in refused.out
    answers += ["yes"]
    assert (ctl(*command).code, answers) == (0, [])
    assert served.plane.revision() == revision + 1


@pytest.mark.parametrize("option", ["--yes", "--json", "--dry-run"])
def test_nobody_is_asked_who_does_not_want_it(served: Served, ctl: Ctl, answers: list[str], option: str) -> None:
    done = ctl(*MOVE, option)
    assert (done.code, served.plane.done("GET", "/v1/ranges/default/127.0.5.0/24")["authority"]) == (
        0, "ghent" if option == "--dry-run" else "diest"
    )  # fmt: skip
    if option == "--json":
        assert json.loads(done.out)["changes"][0]["end"][0]["ban"] == "ghent/tiktok"


def test_nobody_is_asked_if_no_ban_changes(served: Served, ctl: Ctl, answers: list[str]) -> None:
    added = ctl(*ADD[:3], "198.51.100.0/24", *ADD[4:-1], "public")
    assert (added.code, added.out.splitlines()[-1]) == (0, "no ban changes for its clients")
