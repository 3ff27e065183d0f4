"""Every alert has a section in the runbook, and the runbook names commands that exist."""

import re
from pathlib import Path

import pytest

from api.ctl.parser import make_parser
from dnsfilter.cli.main import main
from tests.support.alert_rules import alert_rules, renewed
from tests.support.documents import commands

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook"
BASE = "{{ $externalLabels.runbook }}"
PAGES = sorted(RUNBOOK.glob("*.md"))
SECTION = re.compile(r"^## (\w+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_every_alert_points_to_its_section_and_every_section_has_an_alert() -> None:
    asked = {rule["annotations"]["runbook_url"]: rule["alert"] for rule in alert_rules()}
    sections = {
        f"{BASE}{page.stem}.html#{name.lower()}": name
        for page in PAGES
        for name, _ in SECTION.findall(page.read_text())
    }
    assert asked == sections


def test_the_table_of_alerts_is_current() -> None:
    page = (RUNBOOK.parent / "reference" / "alerts.md").read_text()
    assert renewed(page) == page, "docs/reference/alerts.md is not as the rules are: scripts/alerts"


def test_every_alert_has_a_severity_a_summary_and_a_description() -> None:
    for rule in alert_rules():
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
        assert all(rule["annotations"].values())


def test_every_summary_names_what_it_is_about() -> None:
    unnamed = {rule["alert"] for rule in alert_rules() if "$labels." not in rule["annotations"]["summary"]}
    assert unnamed == {"DnsfilterWatchdog"}


@each_page
def test_every_section_says_what_it_means_where_to_look_what_to_type_and_when_to_worry(page: Path) -> None:
    for name, content in SECTION.findall(page.read_text()):
        parts = re.findall(r"^\*\*(Means|Look at|Type|Worry)\*\*", content, re.MULTILINE)
        assert parts == ["Means", "Look at", "Type", "Worry"], name
        assert "```sh\n" in content, name


@each_page
def test_the_commands_exist_with_their_arguments(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = make_parser()
    found = commands(f"docs/runbook/{page.name}")
    assert found
    for words in found:
        words = words[: words.index(">")] if ">" in words else words
        if words[0] == "dnsfilterctl":
            parser.parse_args(words[1:])
        elif words[0] == "dnsfilter":
            with pytest.raises(SystemExit) as ended:
                main([*words[1:], "--help"])
            assert ended.value.code == 0, (words, capsys.readouterr().err)
