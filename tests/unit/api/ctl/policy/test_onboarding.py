"""authority onboard lists the steps, and names the commands of the next one."""

import json

import pytest

from api.ctl.command import PROGRAM
from api.ctl.parser import make_parser
from api.ctl.policy.onboarding import COMMANDS
from tests.unit.api.ctl.conftest import Ctl, Served

pytestmark = pytest.mark.heavy

VALUES = {
    "KIND": "agency", "LANGUAGE=NAME": "nl=Haven", "LIST": "nl", "ADDRESS": "ict@harbour.example", "ZONE": "UTC",
    "PREFIX": "192.0.2.0/24", "SITE": "default", "WORD": "", "SPAN": "1 month", "TEXT": "C-1",
    "AUTHORITY/SERVICE": "federal/tiktok", "LOGIN": "ann", "NAME": "ann",
}  # fmt: skip
WORDS = {"--funding": "public", "--audience": "staff"}


def _typed(command: str) -> list[str]:
    """Return the words of a command, with values for what is in capitals."""
    words = command.format(slug="harbour").replace("harbour/SERVICE", "harbour/tiktok").split()
    return [WORDS.get(before) or VALUES.get(word, word) for before, word in zip(["", *words], words, strict=False)]


def test_each_step_s_commands_do_it(served: Served, ctl: Ctl) -> None:
    for step in ("authority", "space", "ranges", "ban"):
        shown = ctl("authority", "onboard", "harbour").out.splitlines()
        commands = [line.strip().removeprefix(f"{PROGRAM} ") for line in shown if line.startswith(f"  {PROGRAM} ")]
        assert commands == [command.format(slug="harbour") for command in COMMANDS[step]]
        done = ctl(*_typed(COMMANDS[step][0]))
        assert done.code == 0, done.err
    assert "next: operator" in ctl("authority", "onboard", "harbour").out.splitlines()
    assert served.plane.done("GET", "/v1/authorities/harbour/bans/tiktok")["state"] == "in_force"


@pytest.mark.parametrize("command", [command for commands in COMMANDS.values() for command in commands])
def test_every_command_exists(command: str) -> None:
    assert make_parser().parse_args(_typed(command))


def test_missing_steps_are_listed_and_fail_only_the_check(served: Served, ctl: Ctl) -> None:
    done = ctl("authority", "onboard", "ghent")
    lines = done.out.splitlines()
    assert lines[0].split() == ["names", "done", "nl:", "Stad", "Gent"]
    assert [line.split()[0] for line in lines if "  missing  " in line] == ["space", "operator", "approver", "nodes"]
    assert lines[-3:] == [
        "4 of 9 steps are missing", "next: space", "  dnsfilterctl space allot ghent PREFIX --site SITE",
    ]  # fmt: skip
    found = json.loads(ctl("authority", "onboard", "ghent", "--json").out)
    assert (found["authority"], found["complete"], len(found["steps"])) == ("ghent", False, 9)
    assert (done.code, ctl("authority", "onboard", "ghent", "--check").code) == (0, 1)


def test_every_step_of_an_unregistered_authority_is_missing(served: Served, ctl: Ctl) -> None:
    done = ctl("authority", "onboard", "harbour", "--check")
    lines = done.out.splitlines()
    assert (done.code, lines[0].split()[:3]) == (1, ["authority", "missing", "register"])
    assert lines[-3:-1] == ["10 of 10 steps are missing", "next: authority"]
    assert lines[-1].startswith("  dnsfilterctl authority set harbour --kind KIND")
    found = json.loads(ctl("authority", "onboard", "harbour", "--json").out)
    assert (found["state"], found["complete"], len(found["steps"])) == ("unregistered", False, 10)


def test_closing_authority_is_reported_first(served: Served, ctl: Ctl) -> None:
    ctl("authority", "close", "ghent", "--at", "2026-10-01", "--reason", "merged")
    first = "CLOSING: ghent is served through 30 September 2026, and not after that"
    assert ctl("authority", "onboard", "ghent").out.splitlines()[0] == first
    served.plane.clock.now += 30 * 86_400
    done = ctl("authority", "onboard", "ghent", "--check")
    line = "CLOSED: ghent was served through 30 September 2026; nothing is missing"
    assert (done.code, done.out.splitlines()) == (0, [line])


def test_merged_authority_is_shown_with_its_successor(served: Served, ctl: Ctl) -> None:
    decision = ("--legal-basis", "decree 343", "--reference", "2026/4", "--reason", "merger")
    assert ctl("authority", "merge", "mechelen", "--into", "ghent", *decision).code == 0
    done = ctl("authority", "onboard", "mechelen", "--check")
    assert (done.code, done.out.splitlines()[1:]) == (0, ["it was merged into ghent  Stad Gent"])
    assert done.out.startswith("CLOSED: mechelen was served until ")
