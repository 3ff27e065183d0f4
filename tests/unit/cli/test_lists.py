"""`dnsfilter lists`: what it prints, and exit codes."""

import json
import sys
from pathlib import Path

import pytest

from blocklists.catalogue import load_catalogue
from blocklists.list_file import load_list
from dnsfilter.cli.lists import WRITTEN
from tests.unit.cli.test_main import run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "list.txt"


def test_check_prints_skips_guard_hits_and_counts(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("a.example\nb.a.example\n192.0.2.1\nakamaiedge.net\n")
    assert run("lists", "check", path) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        f"{path}:3: 192.0.2.1 is an address, not a name",
        f"{path}:4: akamaiedge.net hits the guard: probe.akamaiedge.net (shared-network-probes.txt)",
    ]
    assert said[2] == "domains, 4 lines: 2 names with all below them, 0 exact"
    assert "given twice, or covered or freed by another line: 1" in said


def test_check_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path.write_text("||a.example^\n@@||b.a.example^\n||be^\n/x/\n")
    assert run("lists", "check", path, "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "file": str(path),
        "format": "adblock",
        "lines": 4,
        "domains": 2,
        "hosts": 0,
        "exceptions": 1,
        "merged": 0,
        "skipped": {"is a regular expression": 1},
        "skips": [{"line": 4, "text": "/x/", "reason": "is a regular expression"}],
        "guard": [{"line": 3, "name": "be", "guarded": "be", "file": "single label"}],
    }


@pytest.mark.parametrize(
    ("text", "options", "code", "words"),
    [
        ("a.example\n", (), 0, "1 names with all below them, 0 exact"),
        ("a.example\n", ("--exact",), 0, "0 names with all below them, 1 exact"),
        ("0.0.0.0 a.example\n", ("--suffixes",), 0, "1 names with all below them, 0 exact"),
        ("@@||akamaiedge.net^\n||a.example^\n", (), 0, "exceptions: 1"),
        ("||a.example^\n", ("--format", "hosts"), 1, "does not begin with an address: 1"),
        ("<html>", (), 2, "it is a web page"),
        ("a b\n", (), 2, "no name in any known format"),
        (None, (), 2, "No such file or directory"),
    ],
)
def test_check_ends_with_a_code_of_what_it_found(
    path: Path, capsys: pytest.CaptureFixture[str], text: str | None, options: tuple[str, ...], code: int, words: str
) -> None:
    if text is not None:
        path.write_text(text)
    assert run("lists", "check", path, *options) == code
    assert words in "".join(capsys.readouterr())


def test_a_terminal_sees_progress_which_is_erased(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text("a.example\n")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run("lists", "check", path) == 0
    assert capsys.readouterr().err == "\r0.0 MB read, 100 %\r\x1b[K"


@pytest.mark.parametrize("known", WRITTEN)
def test_export_writes_a_service_that_can_be_read(path: Path, capsys: pytest.CaptureFixture[str], known: str) -> None:
    assert run("lists", "export", "tiktok", "vimeo", "--format", known) == 0
    said = capsys.readouterr()
    if known == "unbound":
        assert 'local-zone: "tiktok.com." always_nxdomain\n' in said.out
        return
    path.write_text(said.out)
    wanted = {
        name.wire
        for slug in ("tiktok", "vimeo")
        for tier in load_catalogue().entry(slug).tiers
        if tier.number < 3
        for name in tier.names
    }
    found = load_list(path)
    assert found.format == known
    assert found.skipped.total() == 0
    assert wanted >= found.names.domains | found.names.hosts
    assert ("names whose subdomains a hosts file does not cover: " in said.err) == (known == "hosts")


def test_export_of_an_unknown_service_suggests_another(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("lists", "export", "tiktook", "--format", "rpz") == 2
    assert 'tiktook: no service of the catalogue has this slug: did you mean "tiktok"?' in capsys.readouterr().err
