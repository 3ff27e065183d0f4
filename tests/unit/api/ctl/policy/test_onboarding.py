"""authority onboard: a dialogue on a terminal, a list elsewhere."""

import json
from collections.abc import Callable

import pytest

from tests.unit.api.ctl.conftest import Ctl, Outcome, Served

pytestmark = pytest.mark.heavy

Lead = Callable[..., Outcome]


@pytest.fixture
def lead(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> Lead:
    """Return a function that runs `authority onboard` at a terminal with these answers, then ends the input."""

    def run(*answers: str, name: str = "harbour") -> Outcome:
        rest, asked = list(answers), list[str]()

        def typed(question: str) -> str:
            asked.append(question)
            if not rest:
                raise EOFError
            return rest.pop(0)

        monkeypatch.setattr("api.ctl.policy.onboarding.at_terminal", lambda: True)
        monkeypatch.setattr("builtins.input", typed)
        done = ctl("authority", "onboard", name)
        assert rest == [], f"no question for {rest}; asked: {asked}"
        return Outcome(done.code, "\n".join(asked) + "\n" + done.out, done.err)

    return run


REGISTERED = ("agency", "nl,fr", "Haven", "Port", "ict@harbour.example", "")


def test_dialogue_asks_for_everything_that_a_new_authority_needs(served: Served, lead: Lead) -> None:
    done = lead(
        *REGISTERED,
        "192.0.2.0/24", "", "",
        "192.0.2.0/25", "", "public", "staff", "quay", "",
        "tiktok", "decree 7", "board", "H-1", "2026-09-20", "", "6 months", "yes",
    )  # fmt: skip
    assert done.code == 1, done.out + done.err
    assert "harbour is registered" in done.out
    assert "the ban of tiktok is in force" in done.out
    assert "dnsfilterctl grant add LOGIN operator harbour" in done.out
    assert "3 of 9 steps are missing" in done.out
    plane = served.plane
    made = plane.done("GET", "/v1/authorities/harbour")
    assert (made["names"], made["languages"]) == ({"nl": "Haven", "fr": "Port"}, ["nl", "fr"])
    assert (made["kind"], made["contact"], made["time_zone"]) == ("agency", "ict@harbour.example", "Europe/Brussels")
    assert plane.done("GET", "/v1/spaces?authority=harbour")["items"][0]["prefix"] == "192.0.2.0/24"
    [registered] = plane.done("GET", "/v1/ranges?authority=harbour")["items"]
    assert (registered["prefix"], registered["funding"], registered["audience"], registered["label"]) == (
        "192.0.2.0/25", "public", "staff", "quay",
    )  # fmt: skip
    ban = plane.done("GET", "/v1/authorities/harbour/bans/tiktok")
    assert (ban["decision"]["reference"], ban["provisional"], ban["state"]) == ("H-1", False, "in_force")
    again = lead()
    assert (again.code, "3 of 9 steps are missing" in again.out) == (1, True)


def test_every_question_may_be_skipped(served: Served, lead: Lead) -> None:
    done = lead(*REGISTERED, "", "", "")
    assert (done.code, "6 of 9 steps are missing" in done.out) == (1, True)
    assert served.plane.done("GET", "/v1/ranges?authority=harbour")["items"] == []


def test_answered_steps_are_done_when_the_input_ends(served: Served, lead: Lead) -> None:
    done = lead(*REGISTERED, "192.0.2.0/24", "")
    line = "stopped; done: harbour is registered; 192.0.2.0/24 at site default is allotted"
    assert (done.code, line in done.out.splitlines()) == (1, True)
    assert served.plane.done("GET", "/v1/spaces?authority=harbour")["items"][0]["prefix"] == "192.0.2.0/24"


def test_question_is_repeated_after_a_wrong_answer(served: Served, lead: Lead) -> None:
    done = lead(
        "harbour", "agency", "Dutch", "nl", "Haven", "ict@harbour.example", "Europe/Nowhere", "",
        "192.0.2.1/24", "192.0.2.0/24", "hall", "default", "",
        "",
        "toktik", "tiktok", "decree 7", "", "", "20 September", "2026-09-20", "some day", "2026-10-01", "long",
        "1 year", "perhaps", "yes",
    )  # fmt: skip
    assert "'harbour' is not one of federal" in done.out
    assert "'Dutch' is not a list of languages" in done.out
    assert "Europe/Nowhere" in done.out
    assert "has host bits set" in done.out
    assert "no site hall. Type `dnsfilterctl site list` to see all" in done.out
    assert "no service toktik. Type `dnsfilterctl service list` to see all" in done.out
    assert all(f"'{wrong}' is " in done.out for wrong in ("20 September", "some day", "long", "perhaps"))
    ban = served.plane.done("GET", "/v1/authorities/harbour/bans/tiktok")
    assert (ban["decision"]["date"], ban["terms"][0]["start"]) == ("2026-09-20", "2026-09-30T22:00:00Z")
    assert done.out.count("harbour is registered") == 1


@pytest.mark.parametrize(("answer", "begins"), [("", False), ("no", False), ("yes", True)])
def test_no_ban_begins_without_a_yes(served: Served, lead: Lead, answer: str, begins: bool) -> None:
    done = lead(*REGISTERED, "", "", "tiktok", "", answer)
    assert "refuse tiktok from now on for 72 hours, without a decision (yes, no)" in done.out
    assert ("in force for 72 hours" in done.out, "no ban is recorded" in done.out) == (begins, not begins)
    assert served.plane.call("GET", "/v1/authorities/harbour/bans/tiktok").status_code == (200 if begins else 404)


def test_step_that_another_step_completed_is_skipped(served: Served, lead: Lead) -> None:
    """Without networks no site needs a node; the step for nodes uses the networks registered by then."""
    done = lead(*REGISTERED, "192.0.2.0/24", "", "", "", "")
    assert "nodes: enrol a node at default" in done.out


def test_closing_authority_is_reported_first(served: Served, ctl: Ctl, lead: Lead) -> None:
    ctl("authority", "close", "ghent", "--at", "2026-10-01", "--reason", "merged")
    first = "CLOSING: ghent is served through 30 September 2026, and not after that"
    assert ctl("authority", "onboard", "ghent", "--check").out.splitlines()[0] == first
    served.plane.clock.now += 30 * 86_400
    done = lead(name="ghent")
    line = "CLOSED: ghent was served through 30 September 2026; nothing is missing"
    assert (done.code, done.out.splitlines()[-1], "space:" in done.out) == (0, line, False)


def test_merged_authority_is_shown_with_its_successor(served: Served, ctl: Ctl) -> None:
    decision = ("--legal-basis", "decree 343", "--reference", "2026/4", "--reason", "merger")
    assert ctl("authority", "merge", "mechelen", "--into", "ghent", *decision).code == 0
    done = ctl("authority", "onboard", "mechelen", "--check")
    assert (done.code, done.out.splitlines()[1:]) == (0, ["it was merged into ghent  Stad Gent"])
    assert done.out.startswith("CLOSED: mechelen was served until ")


def test_unregistered_authority_stays_so_without_a_kind(served: Served, lead: Lead) -> None:
    done = lead("")
    assert (done.code, "10 of 10 steps are missing" in done.out) == (1, True)
    assert "stopped; nothing was done" in done.out


def test_every_step_of_an_unregistered_authority_is_missing(served: Served, ctl: Ctl) -> None:
    for asked in (("--check",), ()):
        done = ctl("authority", "onboard", "harbour", *asked)
        rows = [line.split()[:3] for line in done.out.splitlines()]
        assert (done.code, rows[0], rows[-1]) == (1, ["authority", "missing", "register"], ["10", "of", "10"])
        assert "dnsfilterctl authority set harbour --kind" in done.out
    found = json.loads(ctl("authority", "onboard", "harbour", "--json").out)
    assert (found["state"], found["complete"], len(found["steps"])) == ("unregistered", False, 10)


def test_invalid_contact_is_asked_for_again(served: Served, lead: Lead) -> None:
    done = lead("agency", "nl", "Haven", "the ICT desk", "", "ict@harbour.example", "", "", "")
    assert "contact: give the mail address of a function: notices cannot be sent to 'the ICT desk'" in done.out
    assert served.plane.done("GET", "/v1/authorities/harbour")["contact"] == "ict@harbour.example"


def test_ban_of_another_authority_can_be_followed(served: Served, lead: Lead) -> None:
    followed = ("federal/tiktok", "decree 7", "board", "H-1", "2026-09-20")
    done = lead(*REGISTERED, "", "", "ghent/nothing", *followed, "yes")
    assert "no ban ghent/nothing. Type `dnsfilterctl ban list` to see all" in done.out
    assert "copy mode, scope and remaining terms of federal/tiktok (through " in done.out
    ban = served.plane.done("GET", "/v1/authorities/harbour/bans/tiktok")
    source = served.plane.done("GET", "/v1/authorities/federal/bans/tiktok")
    assert (ban["decision"]["follows"], ban["decision"]["reference"]) == ("federal/tiktok", "H-1")
    assert (ban["state"], ban["terms"][-1]["end"]) == ("in_force", source["terms"][-1]["end"])


@pytest.mark.parametrize("answers", [("",), ("decree 7", "", "", ""), ("decree 7", "", "H-1", "", "no")])
def test_following_needs_an_own_decision(served: Served, lead: Lead, answers: tuple[str, ...]) -> None:
    done = lead(*REGISTERED, "", "", "federal/tiktok", *answers)
    assert "no ban is recorded" in done.out
    assert served.plane.call("GET", "/v1/authorities/harbour/bans/tiktok").status_code == 404


def test_a_missing_name_is_asked_for_in_its_language(served: Served, lead: Lead) -> None:
    body = {"kind": "agency", "names": {"nl": "Haven"}, "languages": ["nl", "fr"], "contact": "ict@harbour.example"}
    served.plane.done("PUT", "/v1/authorities/harbour", body)
    lead("Port", "", "", "")
    assert served.plane.done("GET", "/v1/authorities/harbour")["names"] == {"nl": "Haven", "fr": "Port"}


def test_without_a_terminal_missing_steps_are_listed(served: Served, ctl: Ctl) -> None:
    done = ctl("authority", "onboard", "ghent")
    lines = done.out.splitlines()
    assert done.code == 1
    assert lines[0].split() == ["names", "done", "nl:", "Stad", "Gent"]
    assert [line.split()[0] for line in lines if "  missing  " in line] == ["space", "operator", "approver", "nodes"]
    found = json.loads(ctl("authority", "onboard", "ghent", "--json").out)
    assert (found["authority"], found["complete"], len(found["steps"])) == ("ghent", False, 9)
    assert ctl("authority", "onboard", "nowhere").code == 1


def test_dialogue_continues_after_a_denied_step(served: Served, lead: Lead) -> None:
    _, token = served.plane.account("reader", ("reader", "ghent"))
    file = served.plane.settings.token_path
    file.write_text(token)
    done = lead("127.0.5.0/24", "", name="ghent")
    assert (done.code, "space:" in done.out, "dnsfilterctl node register" in done.out) == (1, True, True)
    assert served.plane.call("GET", "/v1/spaces").json()["items"] == []
