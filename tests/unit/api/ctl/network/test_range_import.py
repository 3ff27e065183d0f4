"""Commands range import and range check."""

import io
import json
import sys
from pathlib import Path

import pytest

from api.ctl.command import PROGRAM
from tests.unit.api.ctl.conftest import Ctl, Scripted, Served

pytestmark = pytest.mark.heavy

HEADER = "prefix,authority,funding,audience,label\n"


def _file(tmp_path: Path, text: str) -> str:
    path = tmp_path / "ranges.csv"
    path.write_text(text)
    return str(path)


def test_a_table_is_imported(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    name = _file(tmp_path, f"{HEADER}192.0.2.0/24,ghent,public,staff,hall\n127.0.5.0/24,ghent,public,public,\n")
    rehearsed = ctl("range", "import", name, "--dry-run")
    assert (rehearsed.code, rehearsed.out.splitlines()) == (
        0,
        [
            "+ range/default/192.0.2.0/24  range.register",
            "~ range/default/127.0.5.0/24  range.change",
            '    audience: "staff" -> "public"',
            '    label: "offices" -> ""',
            "dry run, nothing was done: 1 registered, 1 changed, 0 removed, 0 unchanged",
        ],
    )
    assert ctl("range", "import", name).out == "1 registered, 1 changed, 0 removed, 0 unchanged: revision 2\n"
    again = json.loads(ctl("range", "import", name, "--json").out)
    assert (again["unchanged"], again["revision"]) == (2, 2)


def test_a_table_comes_from_standard_input(served: Served, ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"{HEADER}192.0.2.0/24,ghent,public,staff,hall\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
    assert ctl("range", "import", "-").code == 0
    assert "192.0.2.0/24" in ctl("range", "list", "--authority", "ghent").out


def test_every_bad_row_is_reported_with_different_faults(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    rows = "".join(f"192.0.2.{last}/24,ghent,public,staff,\n" for last in range(1, 151))
    done = ctl("range", "import", _file(tmp_path, f"{HEADER}192.0.2.0/24,nobody,public,staff,\n{rows}"))
    lines = done.err.splitlines()
    assert (done.code, done.out) == (2, "")
    assert lines[0].startswith(f"{PROGRAM}: ")
    assert "151 rows cannot be imported" in lines[0]
    assert lines[1] == "line 2: authority nobody is not registered: correct it, or register it first"
    assert [line.partition(":")[0] for line in lines[1:]] == [f"line {line}" for line in range(2, 153)]


def test_unknown_site_is_reported_once(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    rows = "".join(f"192.0.2.{last}/32,ghent,public,staff,\n" for last in range(3))
    done = ctl("range", "import", _file(tmp_path, HEADER + rows), "--site", "nowhere")
    assert (done.code, done.err.count('No site "nowhere".')) == (2, 1)


def test_every_row_that_the_control_plane_rejects_is_reported(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    rows = "".join(f"192.0.2.{last}/32,nobody,public,staff,\n" for last in range(150))
    done = ctl("range", "import", _file(tmp_path, HEADER + rows))
    lines = done.err.splitlines()
    assert (done.code, "150 rows cannot be imported: nothing was done" in lines[0]) == (2, True)
    assert lines[1] == "line 2: authority nobody is not registered: correct it, or register it first"
    assert len(lines) == 151


def test_sync_removes_at_most_max_removals(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    for last in range(12):
        ctl("range", "add", "mechelen", f"192.0.2.{last}/32", "--funding", "public", "--audience", "staff")
    name = _file(tmp_path, f"{HEADER}198.51.100.0/24,mechelen,public,staff,\n")
    sync = ("range", "import", name, "--sync", "--authority", "mechelen")
    done = ctl(*sync)
    held = len(served.plane.done("GET", "/v1/ranges?authority=mechelen")["items"])
    assert (done.code, f"{held} ranges would be removed, but at most 10 may be" in done.err) == (1, True)
    assert held > 11
    rehearsed = ctl(*sync, "--dry-run")
    assert (rehearsed.code, rehearsed.out.count("  range.remove")) == (1, held)
    assert rehearsed.out.splitlines()[-1] == (
        f"the import would be refused: {held} ranges would be removed, but at most 10 may be. "
        "Raise --max-removals to allow it."
    )
    assert ctl(*sync, "--max-removals", str(held)).out.startswith(f"1 registered, 0 changed, {held} removed")
    assert len(served.plane.done("GET", "/v1/ranges?authority=mechelen")["items"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.csv",), "cannot read missing.csv"),
        (("missing.csv", "--sync"), "--sync needs --authority"),
        (("missing.csv", "--authority", "ghent"), "--authority and --max-removals need --sync"),
        (("missing.csv", "--max-removals", "3"), "--authority and --max-removals need --sync"),
        (
            ("missing.csv", "--sync", "--authority", "ghent", "--max-removals", "many"),
            "'many' is not a number from 0 to",
        ),
    ],
)
def test_wrong_options_are_refused_without_a_request(
    scripted: Scripted, ctl: Ctl, arguments: tuple[str, ...], message: str
) -> None:
    done = ctl("range", "import", *arguments)
    assert (done.code, message in done.err, scripted.spoken) == (2, True, [])


def test_file_in_another_encoding_is_refused(scripted: Scripted, ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "old.csv").write_bytes(
        b"prefix,authority,funding,audience,label\n192.0.2.0/24,ghent,public,staff,caf\xe9\n"
    )
    done = ctl("range", "import", "old.csv")
    assert (done.code, "not UTF-8" in done.err, scripted.spoken) == (2, True, [])


def test_progress_is_shown_on_a_terminal_and_nowhere_else(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"10.0.{i >> 6}.{(i & 63) * 4}/30,ghent,public,staff,\n" for i in range(2500))
    name = _file(tmp_path, HEADER + rows)
    assert ctl("range", "import", name, "--dry-run").err == ""
    monkeypatch.setattr("api.ctl.network.range_import._EVERY_S", 0.01)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(type(sys.stderr), "isatty", lambda _self: True, raising=False)
    done = ctl("range", "import", name)
    assert done.code == 0
    assert any(stage in done.err for stage in ("waiting", "comparing", "recording", "publishing"))
    assert done.err.endswith("\r\x1b[1A\x1b[2K")


def _cells(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_check_lists_nested_ranges_and_unused_space(served: Served, ctl: Ctl) -> None:
    ctl("range", "add", "diest", "127.0.5.64/26", "--funding", "private", "--audience", "pupils", "--label", "class")
    ctl("range", "add", "ghent", "127.0.5.128/26", "--funding", "public", "--audience", "staff")
    row = ["127.0.5.64/26", "diest", "Stad Diest", "class", "127.0.5.0/24", "ghent", "Stad Gent", "default"]
    assert _cells(ctl("range", "check").out) == [
        ["range", "authority", "name", "label", "inside", "of", "name", "site"],
        row,
    ]
    assert [line[0] for line in _cells(ctl("range", "check", "--own").out)] == ["range", row[0], "127.0.5.128/26"]
    _, token = served.plane.account("reader", ("reader", "diest"))
    Path("reader").write_text(token)
    Path("reader").chmod(0o600)
    seen = ctl("range", "check", "--token-file", "reader")
    assert (seen.code, "unregistered networks are not listed: " in seen.err) == (0, True)
    assert _cells(seen.out)[1] == [*row[:4], "another authority's", "default"]
    ctl("space", "allot", "ghent", "127.0.4.0/22")
    assert _cells(ctl("range", "check", "ghent").out)[-2:] == [
        ["unused", "space", "authority", "name", "site"],
        ["127.0.6.0/24", "127.0.4.0/22", "ghent", "Stad Gent", "default"],
    ]
    assert ctl("range", "check", "mechelen").err == "no ranges inside others\nno unused space\n"


FOR_ALL = ("--authority", "ghent", "--funding", "public", "--audience", "staff")


def test_an_export_is_imported_with_what_the_caller_says(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    name = _file(tmp_path, 'prefix,description\n192.0.2.0/25,"hall, left"\n192.0.2.128/25,\n')
    done = ctl("range", "import", name, "--format", "netbox", *FOR_ALL)
    assert done.out == "2 registered, 0 changed, 0 removed, 0 unchanged: revision 2\n"
    found = served.plane.done("GET", "/v1/ranges?authority=ghent")["items"]
    labels = {each["prefix"]: (each["label"], each["funding"], each["audience"]) for each in found}
    assert labels["192.0.2.0/25"] == ("hall, left", "public", "staff")
    theirs = ("--authority", "mechelen", *FOR_ALL[2:], "--sync", "--max-removals", "100", "--dry-run")
    (tmp_path / "ranges.csv").write_text("prefix\n198.51.100.0/24\n")
    rehearsed = ctl("range", "import", name, "--format", "netbox", *theirs).out
    assert "+ range/default/198.51.100.0/24  range.register" in rehearsed
    assert "- range/default/127.0.7.0/24  range.remove" in rehearsed


def test_faults_of_an_export_name_the_file_and_its_lines(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    name = _file(tmp_path, "prefix,status\n192.0.2.0/24,container\n192.0.2.0/25,active\nfe80::/64,active\n")
    done = ctl("range", "import", name, "--format", "netbox", *FOR_ALL)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[1].startswith(f"{name} line 4: prefix: fe80::/64 ")
    (tmp_path / "ranges.csv").write_text("prefix\n192.0.2.1/24\n192.0.2.0/x\n")
    assert ctl("range", "import", name, "--format", "netbox", *FOR_ALL).err.splitlines() == [
        f"{PROGRAM}: {name} line 2: '192.0.2.1/24' has host bits set: write 192.0.2.0/24",
        f"{name} line 3: '192.0.2.0/x' is not a prefix",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "kea"), "--format kea needs --authority, --funding and --audience"),
        (("--format", "kea", *FOR_ALL[:4]), "--format kea needs --authority, --funding and --audience"),
        (("--format", "kea", *FOR_ALL, "--max-removals", "3"), "--max-removals needs --sync"),
        (("--format", "kea", *FOR_ALL), "cannot be read as JSON"),
        (("--funding", "public"), "--funding and --audience need another --format"),
    ],
)
def test_wrong_exports_are_refused_without_a_request(
    scripted: Scripted, ctl: Ctl, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = ctl("range", "import", _file(tmp_path, HEADER), *arguments)
    assert (done.code, message in done.err, scripted.spoken) == (2, True, [])
