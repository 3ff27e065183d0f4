"""`dnsfilter top`: what it prints, with the readings of a page that changes."""

import json

import pytest
from rich.console import Console

from dnsfilter.cli.main import main
from dnsfilter.cli.running import status_page, top
from dnsfilter.cli.running.figures import figures
from dnsfilter.config.node_config import Endpoint
from dnsfilter.errors import UnavailableError
from dnsfilter.telemetry.scraped import Samples
from tests.unit.cli.running.test_figures import page


@pytest.fixture
def _pages(monkeypatch: pytest.MonkeyPatch) -> None:
    left = [page(0, 0, 0), page(30, 10, 0), page(90, 10, 0)]

    def fetch(endpoint: Endpoint) -> Samples:
        if not left:
            raise UnavailableError("the node has stopped")
        return left.pop(0)

    monkeypatch.setattr(status_page, "fetch_samples", fetch)


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["top", "--policy", "policy.toml", *arguments])
    return ended.value.code


@pytest.mark.usefixtures("_pages")
def test_once_prints_one_reading_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--once", "--interval", "0.1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == ["outcomes: cached 75.0%, forwarded 25.0%", "cache: 75.0% hits, 0 answers, 0.0 MiB"]
    assert lines[-1] == "policy: revision 7, made 2 hours ago"


@pytest.mark.usefixtures("_pages")
def test_json_prints_a_line_for_each_reading_until_the_node_stops(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--json", "--interval", "0.1") == 1
    printed = capsys.readouterr()
    assert printed.err == "dnsfilter: the node has stopped\n"
    first, second = map(json.loads, printed.out.splitlines())
    assert (first["outcomes"], second["outcomes"]) == ({"cached": 0.75, "forwarded": 0.25}, {"cached": 1.0})


@pytest.mark.parametrize("interval", ["0", "nan", "-1", "3601", "often"])
def test_other_intervals_are_wrong_input(interval: str) -> None:
    assert run("--interval", interval) == 2


def test_table_shows_every_row_and_no_control_characters() -> None:
    found = figures(page(0, 0, 0), page(1, 0, 0, up=0), 1.0)
    console = Console(width=120, record=True, force_terminal=True)
    console.print(top._table(found))
    shown = console.export_text()
    assert all(label in shown and text in shown for label, text in found.rows())
    assert "\x1b" not in shown
