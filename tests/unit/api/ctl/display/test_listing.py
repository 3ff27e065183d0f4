"""Lists and help fit a terminal; a pipe gets complete lists."""

import argparse
import sys

import pytest

from api.ctl.parser import make_parser
from dnsfilter.shell_completion import every
from tests.unit.api.ctl.conftest import Ctl, Served

LISTS = (
    "authority list",
    "range list",
    "service list",
    "ban list",
    "binding list",
    "revision list",
    "account list",
    "token list",
    "audit checkpoints",
)
PARSERS = tuple(every(make_parser()))


def test_on_a_terminal_every_list_fits(served: Served, ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    ctl("audit", "checkpoint")
    complete = {command: ctl(*command.split()).out.splitlines() for command in LISTS}
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for command in LISTS:
        lines = ctl(*command.split()).out.splitlines()
        assert [line for line in lines if len(line) > 80] == []
        assert len(lines) >= len(complete[command]) > 1, command
        assert [line.split()[0] for line in lines if line[0] != " "] == [line.split()[0] for line in complete[command]]
    assert max(len(line) for line in complete["ban list"]) > 100
    headings = ctl("ban", "list").out.splitlines()[0].split()
    assert headings == ["authority", "service", "mode", "state", "term"]


def test_long_reason_is_shortened_in_the_banner_and_complete_in_show(served: Served, ctl: Ctl) -> None:
    reason = "a word of many that say why " * 30
    assert ctl("suspend", "ghent", "--for", "10m", "--reason", reason).code == 0
    first = ctl("ban", "list").out.splitlines()[0]
    assert first.endswith(f"({reason[:99].rstrip()}…)")
    assert reason.strip() in ctl("suspend", "show", "1").out


@pytest.mark.parametrize("parser", PARSERS, ids=[parser.prog for parser in PARSERS])
def test_help_fits_eighty_columns(parser: argparse.ArgumentParser) -> None:
    assert [line for line in parser.format_help().splitlines() if len(line) > 80] == []
