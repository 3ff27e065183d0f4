"""The archive: its content, and how to check it without this program."""

import json
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from api.db.models import CheckpointRow, HeldCheckpointRow, UsageDayRow
from api.usage.repository import DayKey, add
from tests.support.backups import Members, members
from tests.unit.api.conftest import Plane, authority, ban

pytestmark = pytest.mark.heavy


def archive(plane: Plane, query: str = "") -> bytes:
    answer = plane.call("GET", f"/v1/archive{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/zip")
    return answer.content


@pytest.fixture(scope="session")
def files(filled: Plane) -> Members:
    return members(archive(filled))


def written(files: Members, directory: Path) -> None:
    for name, content in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(content)


def run(directory: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)


def listed(files: Members, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(files[name])
    return found


def test_the_archive_of_an_unchanged_database_is_the_same_byte_for_byte(full: Plane) -> None:
    first = archive(full)
    full.clock.now += 400 * 86400
    assert archive(full) == first
    full.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
    assert archive(full) != first


def test_every_file_has_its_digest_in_the_manifest_and_in_sha256sums(files: Members) -> None:
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["files"]) == set(files) - {"manifest.json", "SHA256SUMS"}
    for name, listed_file in manifest["files"].items():
        assert listed_file == {"sha256": sha256(files[name]).hexdigest(), "bytes": len(files[name])}
    lines = (line.partition("  ") for line in files["SHA256SUMS"].decode().splitlines())
    sums = {name: digest for digest, _, name in lines}
    assert sums == {name: sha256(content).hexdigest() for name, content in files.items() if name != "SHA256SUMS"}


def test_the_tools_that_the_readme_names_accept_the_archive(files: Members, tmp_path: Path) -> None:
    written(files, tmp_path)
    assert run(tmp_path, "sha256sum", "--quiet", "-c", "SHA256SUMS").returncode == 0
    checked = run(tmp_path, sys.executable, "-I", "check.py")
    head = json.loads(files["manifest.json"])["audit"]
    message = f"the hash chain of {head['seq']} acts is intact; the last hash is {head['hash']}\n"
    assert (checked.returncode, checked.stdout) == (0, message)


@pytest.mark.parametrize("case", ["changed", "named twice", "left out", "cut off"])
def test_the_tools_find_changes(files: Members, tmp_path: Path, case: str) -> None:
    written(files, tmp_path)
    acts = tmp_path / "acts" / "acts.jsonl"
    lines = acts.read_text().splitlines(keepends=True)
    expected = {
        "changed": "line 3: entry 3 was changed",
        "named twice": "line 3: is not in the form in which acts are recorded",
        "left out": "line 3: entry 4 does not follow entry 2",
        "cut off": f"the last entry, {len(lines) - 1}, does not match the manifest, which names entry {len(lines)}",
    }
    changed = {
        "changed": [*lines[:2], lines[2].replace('"local"', '"token"'), *lines[3:]],
        "named twice": [*lines[:2], lines[2].replace("{", '{"act":"ban.end",', 1), *lines[3:]],
        "left out": [*lines[:2], *lines[3:]],
        "cut off": lines[:-1],
    }
    acts.write_text("".join(changed[case]))
    found = run(tmp_path, sys.executable, "-I", "check.py")
    assert (found.returncode, found.stderr.strip()) == (1, expected[case])
    assert run(tmp_path, "sha256sum", "--quiet", "-c", "SHA256SUMS").returncode == 1


def test_an_act_has_the_number_of_its_token_and_a_local_act_has_none(files: Members) -> None:
    text = files["acts/acts.txt"].decode()
    asked = next(line for line in text.splitlines() if "  exemption.request  " in line)
    assert "  account 2 (token 2, request " in asked
    assert "  the installation (local)  " in text.splitlines()[0]


def test_the_archive_has_the_acts_of_the_audit_log(filled: Plane, files: Members) -> None:
    exported = filled.call("GET", "/v1/audit/export").text
    assert files["acts/acts.jsonl"].decode() == exported
    text = files["acts/acts.txt"].decode()
    assert len([line for line in text.splitlines() if not line.startswith(" ")]) == len(exported.splitlines())
    assert "ban.adopt  ban/town/alpha" in text


def test_the_archive_has_decisions_as_json_and_as_text(files: Members) -> None:
    (ban,) = listed(files, "decisions/bans.json")
    assert (ban["authority"], ban["service"], ban["decision"]["reference"]) == ("town", "alpha", "C-1")
    assert "state" not in ban
    (binding,) = listed(files, "decisions/bindings.json")
    (exemption,) = listed(files, "decisions/exemptions.json")
    (suspension,) = listed(files, "decisions/suspensions.json")
    assert (suspension["authority"], suspension["reason"]) == ("zone", "an exercise")
    (allowed,) = listed(files, "decisions/allowed-names.json")
    assert (allowed["name"], allowed["reason"]) == ("cdn.alpha1.example.org", "a museum needs it")
    (service,) = listed(files, "decisions/services.json")
    assert (service["slug"], service["tiers"][0]["domains"]) == ("town:games", ["games.example.org"])
    (prohibited,) = listed(files, "decisions/prohibited-lists.json")
    assert (prohibited["slug"], prohibited["draft"], prohibited["versions"]) == ("apps", ["town:games"], [])
    assert (binding["authority"], exemption["note"]) == ("zone", "“zó” is fine")
    assert [row["slug"] for row in listed(files, "decisions/authorities.json")] == ["town", "zone"]
    text = files["decisions/decisions.txt"].decode()
    for said in ("Ban 1: town/alpha", "reference: C-1", "1. from 2026-09-21", "instrument: letter 1", "“zó” is fine"):
        assert said in text


def test_own_services_and_lists_are_readable_without_this_program(full: Plane) -> None:
    full.clock.now += 60
    path = "/v1/authorities/town/lists/apps"
    full.done("POST", f"{path}/adopt", ban())
    full.done("POST", f"{path}/versions", {**ban(), "add": ["beta"]})
    full.done("POST", f"{path}/versions", {"remove": ["beta"], "reason": "annulled"})
    full.done("POST", "/v1/list-links", {"list": "town/apps", "authority": "zone", "ground": "following"})
    files = members(archive(full))
    (prohibited,) = listed(files, "decisions/prohibited-lists.json")
    assert [(one["version"], one["adds"], one["removes"]) for one in prohibited["versions"]] == [
        (1, ["town:games"], []),
        (2, ["beta"], []),
        (3, [], ["beta"]),
    ]
    (link,) = listed(files, "decisions/list-links.json")
    assert (link["list"], link["authority"], link["ground"]) == ("town/apps", "zone", "following")
    on_games = next(one for one in listed(files, "decisions/bans.json") if one["service"] == "town:games")
    assert (on_games["prohibited_list"], on_games["list_version"]) == ("town/apps", 1)
    text = files["decisions/decisions.txt"].decode()
    for said in (
        "Prohibited list 1: town/apps\n  authority: town\n",
        "  version 1\n    recorded: 2026-09-21T14:15:20Z\n    decision\n      organ: council\n      reference: C-1\n",
        "    adds: town:games\n    term\n      start: 2026-09-21T14:15:20Z\n",
        "  version 3\n    recorded: 2026-09-21T14:15:20Z\n    removes: beta\n",
        "Link 1 of town/apps to zone\n",
        "Service town:games: Games\n  authority: town\n  tier 1: 1 names\n",
        "  prohibited list: town/apps\n  list version: 1\n",
    ):
        assert said in text
    report = files[f"reports/{on_games['number']:06}-town-town-games.txt"].decode()
    assert "ban.adopt  ban/town/town:games" in report
    # Not every file system allows these characters in a name.
    assert not [name for name in files if set(name) & set('<>:"\\|?*')]


def test_a_report_has_the_history_of_a_ban_and_every_act_on_it(full: Plane) -> None:
    full.clock.now += 60
    full.done("POST", "/v1/authorities/town/bans/alpha/end", {"reason": "the council withdrew it"})
    later_act(full, days=1)
    files = members(archive(full))
    report = files["reports/000001-town-alpha.txt"].decode()
    for said in (
        "2026-09-21T14:13:20Z  term 1 begins",
        "2026-09-21T14:15:20Z  term 1 ends early: the council withdrew it",
        "binding 1 (zone) is recorded",
        "exemption 1 is approved",
        "ban.adopt  ban/town/alpha",
        "exemption.request  exemption/1",
        "binding.",
        "Usage, as far as it is kept: queries by calendar month; numbers from 1 to 4 are shown as <5\n  town, own\n",
    ):
        assert said in report
    found = json.loads(files["reports/000001-town-alpha.json"])
    assert [f"  {event['time']}  {event['event']}" for event in found["life"]] == report.split("\n\n")[5].splitlines()[
        1:
    ]
    acts = [json.loads(line) for line in files["acts/acts.jsonl"].splitlines()]
    on_it = {"ban/town/alpha", "binding/1", "exemption/1"}
    assert found["acts"] == [act["seq"] for act in acts if act["object"] in on_it]
    assert len(found["acts"]) >= 5


def later_act(plane: Plane, days: int) -> None:
    """Let an act follow: the archive has usage of days that were over at the last act."""
    plane.clock.now += 86_400 * days
    plane.done("PATCH", "/v1/authorities/town", {"group": "coast"})


def test_a_report_has_the_usage_of_days_that_are_over_by_month_and_authority(town: Plane) -> None:
    own = DayKey("town", "2026-09-21", "alpha", "town", "own", "refused")
    unused = members(archive(town))["reports/000001-town-alpha.txt"].decode()
    assert "are shown as <5\n  none\n" in unused
    with town.database.writing() as session:
        add(session, UsageDayRow, {own: 9, own._replace(day="2026-10-02"): 3, own._replace(service="beta"): 77})
        add(session, UsageDayRow, {DayKey("zone", "2026-09-22", "alpha", "town", "agreement", "monitored"): 12})
        add(session, UsageDayRow, {own._replace(day="2026-10-03"): 500})
    later_act(town, days=12)
    files = members(archive(town))
    report = files["reports/000001-town-alpha.txt"].decode()
    _, _, text = report.partition("are shown as <5\n")
    assert text.partition("\n\n")[0].splitlines() == [
        "  town, own",
        "    2026-09-21 through 2026-09-30: refused 9, monitored 0, exempted 0",
        "    2026-10-01 through 2026-10-02: refused <5, monitored 0, exempted 0",
        "    total: refused 10-13, monitored 0, exempted 0",
        "  zone, agreement",
        "    2026-09-22 through 2026-09-22: refused 0, monitored 12, exempted 0",
        "    total: refused 0, monitored 12, exempted 0",
    ]
    found = json.loads(files["reports/000001-town-alpha.json"])["use"]
    assert [(one["authority"], one["ground"]) for one in found] == [("town", "own"), ("zone", "agreement")]
    assert found[0]["months"][1]["refused"] == {"queries": None, "below": 5, "at_least": None, "at_most": None}


def test_a_report_has_no_acts_on_a_removed_ban_of_the_same_service(plane: Plane) -> None:
    plane.done("PUT", "/v1/authorities/town", authority())
    plane.done("PUT", "/v1/authorities/town/bans/alpha", ban(terms=[{"start": "2027-01-01", "for": "6 months"}]))
    plane.done("DELETE", "/v1/authorities/town/bans/alpha")
    plane.done("PUT", "/v1/authorities/town/bans/alpha", ban())
    plane.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
    files = members(archive(plane))
    acts = [json.loads(line) for line in files["acts/acts.jsonl"].splitlines()]
    on_either = [act["seq"] for act in acts if act["object"] == "ban/town/alpha"]
    assert len(on_either) == 4
    assert json.loads(files["reports/000002-town-alpha.json"])["acts"] == on_either[2:]
    report = files["reports/000002-town-alpha.txt"].decode()
    assert (report.count("ban.adopt"), report.count("ban.remove"), report.count("ban.set_monitor")) == (1, 0, 1)


def test_the_archive_has_names_of_accounts_only_if_requested(filled: Plane, files: Members) -> None:
    number = next(
        account["number"] for account in filled.done("GET", "/v1/accounts")["items"] if account["login"] == "operator"
    )
    assert not any(b"operator" in content for name, content in files.items() if name.startswith("accounts"))
    assert all({"login", "name"}.isdisjoint(account) for account in listed(files, "accounts.json"))
    named = {account["number"]: account for account in listed(members(archive(filled, "?names=true")), "accounts.json")}
    assert (named[number]["login"], named[number]["kind"]) == ("operator", "user")


def test_checkpoints_are_the_signed_lines(full: Plane) -> None:
    with full.database.writing() as session:
        session.add(
            CheckpointRow(seq=2, hash="a" * 64, time_s=0, key="b" * 64, signature="c" * 128, delivered=["file"])
        )
    files = members(archive(full))
    (line,) = files["checkpoints/checkpoints.jsonl"].decode().splitlines()
    installation = json.loads(files["manifest.json"])["installation"]
    assert json.loads(line) == {
        "checkpoint": 1,
        "installation": installation,
        "seq": 2,
        "hash": "a" * 64,
        "time": "1970-01-01T00:00:00Z",
        "key": "b" * 64,
        "signature": "c" * 128,
    }


def test_checkpoints_of_other_installations_are_in_the_archive(full: Plane) -> None:
    key, url = "b" * 64, "https://dns.example.org/v1/register/harbour"
    full.done("PUT", "/v1/peers/harbour", {"url": url, "key": key})
    signed = {"checkpoint": 8, "installation": "d" * 32, "seq": 90, "hash": "a" * 64, "time": "2026-09-21T14:00:00Z"}
    signed |= {"key": key, "signature": "c" * 128}
    with full.database.writing() as session:
        session.add(HeldCheckpointRow(peer="harbour", seen_s=0, contradicts=True, **signed))
    files = members(archive(full))
    (line,) = files["checkpoints/held.jsonl"].decode().splitlines()
    assert json.loads(line) == {"peer": "harbour", "seen": "1970-01-01T00:00:00Z", "contradicts": True, **signed}
    (peer,) = listed(files, "checkpoints/peers.json")
    assert (peer["name"], peer["url"], peer["key"], peer["ended"]) == ("harbour", url, key, None)


def test_a_new_installation_has_an_archive_too(plane: Plane) -> None:
    files = members(archive(plane))
    assert listed(files, "decisions/bans.json") == []
    assert not [name for name in files if name.startswith("reports/")]
