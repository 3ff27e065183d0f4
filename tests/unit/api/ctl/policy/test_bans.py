"""Commands on bans, bindings and exemptions: each act is recorded by the API."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.api.ctl.conftest import Ctl, Served
from tests.unit.api.nodes.conftest import Machine

pytestmark = pytest.mark.heavy

GHENT = ("ghent", "tiktok")
ZONE = ("police-brussels-capital-ixelles", "tiktok")


def _last_act(served: Served) -> str:
    entry = served.plane.done("GET", "/v1/audit?limit=1")["items"][0]
    return f"{entry['act']} {entry['object']}"


def _shown(ctl: Ctl, *arguments: str) -> Any:
    done = ctl(*arguments, "--json")
    assert done.code == 0, done.err
    return json.loads(done.out)


def test_list_shows_slugs_names_and_the_end_of_terms(served: Served, ctl: Ctl) -> None:
    lines = ctl("ban", "list", "--state", "in_force").out.splitlines()
    assert lines[0].split() == ["authority", "name", "service", "name", "mode", "reply", "state", "term"]
    assert len({line.index(cell) for line, cell in zip(lines[1:], ["Autorité", *["Ville"] * 5, "Région", "Stad"])}) == 1  # noqa: B905
    assert any(line.startswith("ghent            Stad Gent") and "through 20 March 2027" in line for line in lines)
    assert any(line.startswith("brussels-city") and "no end, review by" in line for line in lines)
    only = ctl("ban", "list", "--authority", "diest", "--service", "tiktok").out.splitlines()
    assert [line.split()[0] for line in only] == ["authority", "diest"]


def test_toggling_changes_the_mode_and_nothing_else(served: Served, ctl: Ctl) -> None:
    before = _shown(ctl, "ban", "show", *GHENT)
    for mode in ("off", "monitor", "enforce"):
        assert _shown(ctl, "ban", "set", *GHENT, "--mode", mode)["mode"] == mode
        assert _last_act(served) == f"ban.set_{mode} ban/ghent/tiktok"
    assert _shown(ctl, "ban", "show", *GHENT) == {**before, "mode_set_by": 1, "revision": before["revision"] + 3}


def test_each_switch_prints_what_undoes_it(served: Served, ctl: Ctl) -> None:
    undone, then = "to undo    dnsfilterctl ban ", "then       dnsfilterctl ban "
    for command, mode, undo in (
        (("off", *GHENT, "--for", "8h", "--reason", "election night"), "off", "on ghent tiktok"),
        (
            ("off", *GHENT, "--until", "tomorrow 08:00"),
            "off",
            'off ghent tiktok --until "22 September 2026 00:13:20 CEST" --reason TEXT',
        ),
        (
            ("watch", *GHENT),
            "monitor",
            f'on ghent tiktok\n{then}off ghent tiktok --until "22 September 2026 08:00:00 CEST" --reason TEXT',
        ),
        (("on", *GHENT, "--wait"), "enforce", "watch ghent tiktok"),
        (("off", *GHENT), "off", "on ghent tiktok"),
        (("on", *GHENT), "enforce", "off ghent tiktok --reason TEXT"),
    ):
        done = ctl("ban", *command)
        assert (done.code, _last_act(served)) == (0, f"ban.set_{mode} ban/ghent/tiktok"), done.err
        assert done.out.endswith(f"\n{undone}{undo}\n")
    assert undone not in ctl("ban", "on", *GHENT).out


def test_reason_of_a_mode_is_shown(served: Served, ctl: Ctl) -> None:
    done = ctl("ban", "set", *GHENT, "--mode", "off", "--reason", "election night")
    assert "mode       off, set 21 September 2026 16:13:20 CEST: election night\n" in done.out
    alone = ctl("ban", "set", *GHENT, "--reason", "election night")
    assert (alone.code, "nothing to set" in alone.err) == (2, True)


def test_ban_is_switched_off_for_a_time_and_listed_with_start_end_account_and_reason(served: Served, ctl: Ctl) -> None:
    done = ctl("ban", "set", *GHENT, "--mode", "off", "--for", "2 hours", "--reason", "election night")
    since, until = "21 September 2026 16:13:20 CEST", "21 September 2026 18:13:20 CEST, then enforce"
    assert f"mode       off, set {since}, until {until}: election night\n" in done.out
    assert "mode set by  administrator (account 1)" in ctl("ban", "show", *GHENT).out
    explained = ctl("explain", "127.0.5.10", "www.tiktok.com").out
    assert "why        not refused: ghent/tiktok is off since 16:13\n" in explained
    heading, line = ctl("ban", "list", "--state", "off").out.splitlines()
    assert heading.split() == ["authority", "name", "service", "name", "off", "since", "until", "by", "reason"]
    assert all(part in line for part in ("ghent", since, until, "account 1", "election night"))
    ctl("ban", "set", *GHENT, "--mode", "off", "--until", "2026-09-21")
    assert _shown(ctl, "ban", "show", *GHENT)["off_until"] == "2026-09-21T22:00:00Z"
    served.plane.clock.now += 12 * 3600
    assert ctl("ban", "list", "--state", "off").out == ""
    assert _shown(ctl, "ban", "show", *GHENT)["mode"] == "enforce"


def test_a_mode_other_than_off_takes_no_end(served: Served, ctl: Ctl) -> None:
    before = served.plane.revision()
    refused = ctl("ban", "set", *GHENT, "--mode", "monitor", "--for", "1 hour")
    assert (refused.code, served.plane.revision()) == (2, before)
    assert "--mode monitor does not take an end, only --mode off does. Leave out --for" in refused.err


def test_a_ban_is_adopted_following_another_and_shown_with_it(served: Served, ctl: Ctl) -> None:
    own = ("--legal-basis", "decree", "--reference", "2026/9")
    made = _shown(ctl, "ban", "adopt", *ZONE, "--following", "federal/tiktok", *own, "--mode", "monitor")
    assert (made["decision"]["follows"], made["mode"], _last_act(served)) == (
        "federal/tiktok", "monitor", "ban.adopt ban/police-brussels-capital-ixelles/tiktok",
    )  # fmt: skip
    federal = _shown(ctl, "ban", "show", "federal", "tiktok")
    assert [term["end"] for term in made["terms"]] == [term["end"] for term in federal["terms"]]
    followers = ctl("ban", "list", "--follows", "federal/tiktok").out
    assert "police-brussels-capital-ixelles" in followers
    assert "ghent " not in followers
    ctl("binding", "add", "diest", "federal/tiktok", "--ground", "law", "--instrument", "L-1", "--date", "2026-09-01")
    shown = ctl("ban", "show", "federal", "tiktok").out
    assert "applies in   diest  Stad Diest: law, in force, no end\n" in shown
    assert "followed by  police-brussels-capital-ixelles  " in shown


@pytest.mark.parametrize(
    "options",
    [(), ("--following", "federal/tiktok", "--for", "1 month"), ("--following", "a/tiktok", "--follows", "b/tiktok")],
)
def test_incomplete_adoption_is_refused_without_a_request(served: Served, ctl: Ctl, options: tuple[str, ...]) -> None:
    before = served.plane.revision()
    assert (ctl("ban", "adopt", *ZONE, *options).code, served.plane.revision()) == (2, before)


def test_a_person_at_a_terminal_is_asked_for_the_rest_of_an_adoption(
    served: Served, ctl: Ctl, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["decree", "college", "", "6 months"]
    monkeypatch.setattr("api.ctl.policy.adoption.at_terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: typed.pop(0))
    done = ctl("ban", "adopt", "diest", "capcut", "--reference", "2026/9", "--mode", "monitor")
    same = "dnsfilterctl ban adopt diest/capcut --mode monitor --for '6 months' --organ college --reference 2026/9"
    assert (done.code, typed, f"  {same} --legal-basis decree" in done.out.splitlines()) == (0, [], True), done
    assert "legal basis  decree" in ctl("ban", "show", "diest", "capcut").out
    own = ("--legal-basis", "decree", "--reference", "2026/9")
    for complete in (
        ("diest", "facebook", "--provisional"),
        ("diest", "instagram", *own, "--for", "6 months"),
        (*ZONE, "--following", "federal/tiktok", *own),
    ):
        assert ctl("ban", "adopt", *complete).code == 0


def test_list_shows_suspended_bans_first_then_those_that_end(served: Served, ctl: Ctl) -> None:
    ctl("ban", "adopt", "mechelen", "capcut", "--legal-basis", "decree", "--for", "20 days")
    ctl("ban", "adopt", "diest", "capcut", "--legal-basis", "decree", "--review-by", "2026-09-23")
    ctl("suspend", "ghent", "--for", "30m", "--reason", "crisis centre")
    lines = [line for line in ctl("ban", "list").out.splitlines() if " TikTok " in line or " CapCut " in line]
    assert [line.split()[0] for line in lines[:3]] == ["ghent", "diest", "mechelen"]
    states = ("suspended", "ending, review in 2 days", "ending, 21 days left")
    assert [state in line for state, line in zip(states, lines, strict=False)] == [True] * 3
    assert ctl("ban", "list", "--state", "suspended").out.count("TikTok") == 1


def test_a_ban_is_adopted_with_decision_term_and_scope(served: Served, ctl: Ctl) -> None:
    ban = _shown(
        ctl, "ban", "set", *ZONE, "--mode", "monitor", "--reply", "address", "--address", "192.0.2.1",
        "--address", "2001:db8::1", "--tiers", "1", "--funding", "public,private", "--audience", "staff,pupils",
        "--organ", "college", "--reference", "2026/118", "--date", "2026-09-18", "--legal-basis", "decree",
        "--advice", "NSC-1", "--link", "https://www.example.org/118", "--follows", "federal/tiktok",
        "--start", "2026-10-01", "--until", "2027-03-31",
    )  # fmt: skip
    assert (ban["mode"], ban["reply"], ban["addresses"]) == ("monitor", "address", ["192.0.2.1", "2001:db8::1"])
    assert (ban["tiers"], ban["funding"], ban["audience"]) == ([1], ["private", "public"], ["pupils", "staff"])
    assert ban["decision"] == {
        "organ": "college",
        "reference": "2026/118",
        "date": "2026-09-18",
        "legal_basis": "decree",
        "advice": "NSC-1",
        "link": "https://www.example.org/118",
        "follows": "federal/tiktok",
    }
    assert (ban["state"], ban["terms"][0]["through"]) == ("planned", "2027-03-31")
    shown = ctl("ban", "show", *ZONE).out
    assert "from 1 October 2026 through 31 March 2027" in shown
    assert ctl("ban", "remove", *ZONE).out == "removed ban police-brussels-capital-ixelles/tiktok\n"
    assert _last_act(served) == "ban.remove ban/police-brussels-capital-ixelles/tiktok"


def test_a_provisional_ban_is_confirmed_by_its_decision(served: Served, ctl: Ctl) -> None:
    ban = _shown(ctl, "ban", "set", "diest", "capcut", "--provisional")
    assert (ban["provisional"], ban["state"], ban["ending"]["days"]) == (True, "ending", 7)
    assert "ending, 3 days left, provisional" in ctl("ban", "list", "--authority", "diest").out
    served.plane.clock.now += 72 * 3600 - 120
    assert "ending, within a day, provisional" in ctl("ban", "list", "--authority", "diest").out
    ban = _shown(ctl, "ban", "set", "diest", "capcut", "--confirm", "--legal-basis", "decree", "--for", "6 months")
    assert (ban["provisional"], _last_act(served)) == (False, "ban.confirm ban/diest/capcut")


def test_a_ban_is_renewed_and_ended_by_acts_of_their_own(served: Served, ctl: Ctl) -> None:
    renewed = ctl(
        "ban", "renew", *GHENT, "--start", "2027-03-21", "--for", "6 months", "--reference", "2027/9",
        "--legal-basis", "decree",
    )  # fmt: skip
    assert renewed.code == 0, renewed.err
    assert "from 21 March 2027 through 20 September 2027" in renewed.out
    assert "2027/9" in renewed.out
    ended = ctl("ban", "end", *GHENT, "--at", "2026-12-01", "--reason", "annulled", "--organ", "council")
    assert ended.code == 0, ended.err
    assert "ended early, through 30 November 2026: annulled" in ended.out
    [removed] = [line for line in ended.out.splitlines() if line.startswith("removed ")]
    assert removed.endswith("the term from 21 March 2027 through 20 September 2027")
    assert _last_act(served) == "ban.end ban/ghent/tiktok"


def test_renewal_with_an_end_warns_that_a_term_without_an_end_continues(served: Served, ctl: Ctl) -> None:
    adopted = ctl("ban", "adopt", "diest", "capcut", "--legal-basis", "decree", "--review-by", "2027-06-01")
    assert (adopted.code, adopted.err) == (0, "")
    renewed = ctl("ban", "renew", "diest", "capcut", "--until", "2027-03-31", "--reference", "2027/9")
    assert renewed.code == 0
    assert "continues after 2027-03-31 inclusive" in renewed.err


def test_a_renewal_follows_another_ban_or_has_a_term_and_always_a_reference(served: Served, ctl: Ctl) -> None:
    before = served.plane.revision()
    following = ("--following", "federal/tiktok")
    for options in (("--for", "1 month"), following, (*following, "--reference", "2026/9", "--for", "1 month")):
        assert (ctl("ban", "renew", "mechelen", "tiktok", *options).code, served.plane.revision()) == (2, before)
    served.plane.clock.now += 3600
    ctl("ban", "end", "mechelen", "tiktok", "--reason", "annulled")
    served.plane.clock.now += 3600
    renewed = _shown(ctl, "ban", "renew", "mechelen", "tiktok", *following, "--reference", "2026/9")
    assert renewed["terms"][-1]["decision"]["follows"] == "federal/tiktok"
    assert (renewed["state"], _last_act(served)) == ("in_force", "ban.renew ban/mechelen/tiktok")


def test_agreement_is_proposed_accepted_and_withdrawn_from(served: Served, ctl: Ctl) -> None:
    binding = _shown(
        ctl, "binding", "add", "diest", "federal/tiktok", "--ground", "agreement", "--instrument", "A-1",
        "--date", "2026-09-20", "--for", "3 months",
    )  # fmt: skip
    number = str(binding["number"])
    assert binding["state"] == "proposed"
    assert _shown(ctl, "binding", "accept", number)["state"] == "in_force"
    at = "21 September 2026 16:13:20 CEST by administrator (account 1)"
    shown = ctl("binding", "show", number).out.splitlines()
    assert [line for line in shown if line.startswith(("proposed", "accepted"))] == [
        f"proposed    {at}", f"accepted    {at}"
    ]  # fmt: skip
    listed = ctl("binding", "list", "--authority", "diest").out.splitlines()
    assert listed[1].split() == [
        number, "federal", "Autorité", "fédérale", "tiktok", "TikTok", "diest", "Stad", "Diest", "agreement", "in",
        "force", "through", "21", "December", "2026",
    ]  # fmt: skip
    left = ctl("binding", "withdraw", number, "--at", "2026-10-01", "--reason", "own decision", "--reference", "C-7")
    assert "ended       through 30 September 2026: own decision (C-7)" in left.out
    law = _shown(
        ctl,
        "binding",
        "add",
        "mechelen",
        "federal/tiktok",
        "--ground",
        "law",
        "--instrument",
        "L-1",
        "--date",
        "2026-09-01",
    )
    refused = ctl("binding", "withdraw", str(law["number"]), "--reason", "no more")
    assert (refused.code, "is by law: withdrawal is not possible" in refused.err) == (2, True)
    assert _shown(ctl, "binding", "end", str(law["number"]), "--reason", "repealed")["ended_reason"] == "repealed"


def test_an_exemption_is_asked_for_and_decided(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    asked = _shown(
        ctl, "exemption", "ask", "ghent/tiktok", "127.0.5.0/24", "--until", "2026-12-31", "--hours",
        "Mon-Fri 09:00-12:00", "--hours", "Sat 10:00-11:00", "--reason", "city promotion",
    )  # fmt: skip
    number = str(asked["number"])
    assert (asked["state"], asked["through"], len(asked["hours"])) == ("requested", "2026-12-31", 2)
    own = ctl("exemption", "approve", number)
    assert (own.code, "you cannot approve your own request" in own.err) == (3, True)
    desk = tmp_path / "desk-token"
    desk.write_text(served.plane.other())
    desk.chmod(0o600)
    assert _shown(ctl, "exemption", "approve", number, "--token-file", str(desk))["state"] == "in_force"
    revoked = ctl("exemption", "revoke", number, "--reason", "not used").out
    assert "state         revoked" in revoked
    assert "by administrator (account 1)\n" in revoked
    assert "decided by    administrator (account 1): not used" in revoked
    assert "hours         Mon-Fri 09:00-12:00 Europe/Brussels" in revoked
    again = _shown(ctl, "exemption", "ask", "ghent/tiktok", "127.0.5.0/24", "--for", "1 day", "--reason", "once more")
    assert ctl("exemption", "list", "--state", "requested").out.count("127.0.5.0/24") == 1
    third = _shown(ctl, "exemption", "ask", "ghent/tiktok", "127.0.5.0/24", "--for", "1 day", "--reason", "a mistake")
    withdrawn = _shown(ctl, "exemption", "withdraw", str(third["number"]), "--reason", "found another way")
    assert (withdrawn["state"], withdrawn["note"]) == ("revoked", "found another way")
    rejected = ctl("exemption", "reject", str(again["number"]), "--reason", "no need")
    assert "state         rejected" in rejected.out
    assert [line.split()[0] for line in ctl("exemption", "list", "--ban", "ghent/tiktok").out.splitlines()] == [
        "no.", "2", number, str(again["number"]), str(third["number"]),
    ]  # fmt: skip


def test_switching_off_waits_for_an_approver_if_the_authority_requires_one(
    served: Served, ctl: Ctl, tmp_path: Path
) -> None:
    files = {}
    for login, role in (("desk", "operator"), ("approver", "approver")):
        files[login] = tmp_path / login
        files[login].write_text(served.plane.account(login, (role, "ghent"))[1])
        files[login].chmod(0o600)
    off = ("ban", "set", *GHENT, "--mode", "off", "--token-file", str(files["desk"]))
    rules = ("authority", "set", "ghent", "--off-needs-reason", "yes", "--off-needs-approver", "yes")
    assert ctl(*rules, "--token-file", str(files["desk"])).code == 3
    assert "off needs  a reason and an approver\n" in ctl(*rules, "--token-file", str(files["approver"])).out
    without = ctl(*off)
    assert (without.code, "ghent requires a reason" in without.err) == (2, True)
    waits = ctl(*off, "--reason", "election night", "--for", "2 hours")
    assert (waits.code, waits.out) == (5, "Request 1 waits for an approver of ghent.\n")
    assert waits.err == "Nothing has changed yet. The approver types: dnsfilterctl request approve 1\n"
    assert "off until 21 September 2026 18:13:20 CEST" in ctl("request", "list", "--state", "requested").out
    decided = ctl("request", "approve", "1", "--note", "for the night", "--token-file", str(files["approver"]))
    assert "state        approved\n" in decided.out
    assert "for the night" in ctl("request", "show", "1").out
    assert _shown(ctl, "ban", "show", *GHENT)["mode_reason"] == "election night"


def test_asking_says_who_decides_and_where_the_ban_does_not_apply(served: Served, ctl: Ctl) -> None:
    ask = ("exemption", "ask", "ghent", "tiktok", "127.0.25.0/24", "--for", "1 day", "--reason", "public Wi-Fi")
    asked = ctl(*ask)
    number = asked.out.split()[1]
    kind = "127.0.25.0/24 (public users, private devices)"
    assert (asked.code, asked.err.splitlines()) == (0, [
        f"ghent/tiktok does not cover {kind}: the exemption changes nothing there.",
        f"It waits for an approver of ghent, who types: dnsfilterctl exemption approve {number}",
    ])  # fmt: skip


def test_setting_waits_until_every_node_has_the_change(served: Served, ctl: Ctl) -> None:
    done = ctl("ban", "set", *GHENT, "--mode", "monitor", "--wait")
    assert (done.code, "no node has enrolled" in done.err) == (0, True)
    Machine.enrolled(served.plane, "office-1").report(revision=served.plane.revision())
    number = served.plane.revision()
    reached = ctl("revision", "nodes", str(number), "--wait")
    assert (reached.code, f"revision {number}: 1 node, every one has it" in reached.err) == (0, True)
    assert reached.out.splitlines()[1].split()[:5] == ["office-1", "default", "yes", "current", str(number)]


def test_setting_names_each_node_without_the_change_and_exits_with_1(served: Served, ctl: Ctl) -> None:
    old = served.plane.revision()
    Machine.enrolled(served.plane, "office-1").report(revision=old)
    Machine.enrolled(served.plane, "office-2")
    # Silent nodes are not waited for.
    served.plane.clock.now += 61
    done = ctl("ban", "set", *GHENT, "--mode", "monitor", "--wait")
    assert done.code == 1
    assert "2 nodes of 2 without it" in done.err
    assert f"office-1 at default does not have it: silent, revision {old}" in done.err
    assert "office-2 at default does not have it: silent, no report yet" in done.err
    shown = json.loads(ctl("revision", "nodes", str(old + 1), "--json").out)
    assert (shown["having"], shown["lacking"], shown["silent"], len(shown["items"])) == (0, 2, 2, 2)


def test_the_audit_log_is_followed_by_its_numbers(served: Served, ctl: Ctl) -> None:
    last = served.plane.done("GET", "/v1/audit?limit=1")["items"][0]["seq"]
    for mode in ("off", "enforce"):
        assert ctl("ban", "set", *GHENT, "--mode", mode).code == 0
    lines = ctl("audit", "list", "--after", str(last)).out.splitlines()
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [str(last + 1), str(last + 2)]
