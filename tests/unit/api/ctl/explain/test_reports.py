"""dnsfilterctl ban report and ban study."""

import json
from hashlib import sha256
from pathlib import Path

import pytest

from tests.unit.api.ctl.conftest import Ctl

pytestmark = [pytest.mark.heavy, pytest.mark.usefixtures("served")]
REPORT = ("ban", "report", "ghent", "tiktok")
STUDY = ("ban", "study", "brussels-city")
DAYS = ("--from", "2026-09-01", "--to", "2026-09-21")


@pytest.mark.parametrize(
    ("command", "options", "beginning"),
    [
        (REPORT, (), "# Verslag over het verbod op TikTok\n"),
        (REPORT, ("--language", "en"), "# Report on the ban on TikTok\n"),
        (REPORT, ("--format", "html"), "<!doctype html>\n"),
        (REPORT, ("--format", "json"), '{"kind":"ban"'),
        (STUDY, (), "# Étude des services qui sont seulement observés\n"),
        (STUDY, ("--language", "de", "--interval", "day"), "# Studie der nur beobachteten Dienste\n"),
    ],
)
def test_a_report_is_printed_in_the_wanted_form(
    ctl: Ctl, command: tuple[str, ...], options: tuple[str, ...], beginning: str
) -> None:
    done = ctl(*command, *DAYS, *options)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(beginning)


def test_json_is_the_answer_of_the_api(ctl: Ctl) -> None:
    found = json.loads(ctl("--json", *REPORT, *DAYS).out)
    assert (found["kind"], found["authority"], found["first"]) == ("ban", "ghent", "2026-09-01")


def test_a_list_is_reported_and_studied(ctl: Ctl) -> None:
    decided = ("--legal-basis", "B-1", "--reference", "R-1", "--for", "1 month")
    assert ctl("prohibited-list", "create", "ghent", "apps", "facebook", "--title", "Apps").code == 0
    assert ctl("prohibited-list", "adopt", "ghent", "apps", "--mode", "monitor", *decided).code == 0
    report = ctl("prohibited-list", "report", "ghent", "apps", *DAYS, "--language", "en")
    assert (report.code, report.err) == (0, "")
    assert report.out.startswith("# Report on the prohibited list Apps (")
    for option in (("--list", "ghent/apps"), ("--category", "social")):
        found = json.loads(ctl("--json", "ban", "study", "ghent", *option, *DAYS).out)
        assert [ban["service"] for ban in found["bans"]] == ["facebook"]
    faults = {
        ("prohibited-list", "report", "ghent/aps"): 'No prohibited list "ghent/aps". Did you mean "ghent/apps"?',
        ("prohibited-list", "report", "ghent/apps", "--authority", "mechelen"): "mechelen has adopted no ban from",
        ("ban", "study", "ghent", "--category", "socal"): 'No category "socal". Did you mean "social"?',
        ("ban", "study", "ghent", "--list", "ghent/apps", "--category", "ai"): "not allowed with argument",
    }
    for command, fault in faults.items():
        done = ctl(*command, *DAYS)
        assert (done.code, fault in done.err) == (2, True), done.err


def test_a_report_is_written_to_a_file(ctl: Ctl, tmp_path: Path) -> None:
    target = tmp_path / "report.html"
    done = ctl(*REPORT, *DAYS, "--format", "html", "-o", str(target))
    content = target.read_bytes()
    assert content.startswith(b"<!doctype html>")
    size, digest = len(content), sha256(content).hexdigest()
    assert done.out == f"report written to {target}: {size} bytes\nSHA-256 {digest}\n"
    again = ctl("--json", *REPORT, *DAYS, "--format", "html", "--output", str(target))
    assert json.loads(again.out) == {"file": str(target), "bytes": size, "sha256": digest}


def test_names_of_accounts_can_be_left_out(ctl: Ctl) -> None:
    acts = json.loads(ctl("--json", *REPORT, *DAYS, "--no-names").out)["bans"][0]["acts"]
    assert acts
    assert {act["name"] for act in acts} == {None}


def test_a_refused_report_leaves_the_file_as_it_was(ctl: Ctl, tmp_path: Path) -> None:
    target = tmp_path / "report.md"
    target.write_text("earlier")
    done = ctl("ban", "report", "ghent", "facebook", *DAYS, "-o", str(target))
    assert (done.code, done.out) == (2, "")
    assert "ghent has no ban on facebook" in done.err
    assert target.read_text() == "earlier"


@pytest.mark.parametrize(
    ("days", "fault"),
    [
        (("--from", "yesterday", "--to", "2026-10-01"), "--from: 'yesterday' is not a date"),
        (("--from", "2026-10-02", "--to", "2026-10-01"), "2026-10-01 is before 2026-10-02: give a later day"),
    ],
)
def test_a_fault_names_its_option(ctl: Ctl, days: tuple[str, ...], fault: str) -> None:
    done = ctl(*REPORT, *days)
    assert done.code == 2
    assert fault in done.err
