"""dnsfilterctl audit: the record exported, and verified without the control plane."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.chain.checkpoint import parse_checkpoint, public_text
from api.delivery.bounded import deliver
from api.delivery.destinations import FilePlace
from tests.support.audit_records import INSTALLATION, KEY, OTHER_KEY, chained, entries, held, lines, record
from tests.unit.api.ctl.conftest import Ctl, Outcome, Scripted, Served

COUNT = 12
ROOT = Path(__file__).parents[5]


def _written(path: Path, content: list[bytes]) -> str:
    path.write_bytes(b"".join(content))
    return str(path)


@pytest.fixture
def whole(tmp_path: Path) -> str:
    """A file with a whole record."""
    return _written(tmp_path / "record.jsonl", lines(record(COUNT)))


@pytest.fixture
def kept(tmp_path: Path) -> str:
    """A file with checkpoints of it, as a mail and a log have them."""
    made = [checkpoint.line.encode() for checkpoint in held(record(COUNT), 4, 8)]
    head = b"Subject: checkpoint\r\n\r\n"
    return _written(
        tmp_path / "held", [head, made[0], b"\r\n", b"<85>1 - - dnsfilter-api - checkpoint - ", made[1], b"\n"]
    )


@pytest.fixture
def offline(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> Ctl:
    """Commands of a machine that has neither token nor control plane, and whose environment is of no use."""
    monkeypatch.setenv("DNSFILTER_URL", "nonsense")
    monkeypatch.setenv("DNSFILTER_CA", "none")
    return ctl


def _verified(outcome: Outcome) -> tuple[int, bool]:
    return outcome.code, json.loads(outcome.out)["sound"]


def test_what_is_exported_and_held_is_verified_offline(
    served: Served, ctl: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = ctl("audit", "checkpoint", "--held")
    export = ctl("audit", "export")
    assert (made.code, export.code) == (0, 0), made.err + export.err
    newest = served.plane.done("GET", "/v1/audit?limit=1")["items"][0]
    # A local act: the list shows that it has no token, and the export leaves the field out.
    assert {"token": None, **json.loads(export.out.splitlines()[-1])} == newest
    checkpoint = parse_checkpoint(made.out.encode())
    assert checkpoint.statement.seq == newest["seq"]
    (tmp_path / "record").write_text(export.out)
    (tmp_path / "held").write_text(made.out)
    (tmp_path / ".run" / "admin-token").unlink()
    monkeypatch.setenv("DNSFILTER_URL", "http://127.0.0.1:9")
    done = ctl("audit", "verify", "record", "--checkpoint", "held", "--key", checkpoint.key)
    assert done.code == 0, done.out + done.err
    assert f"entries      1 to {newest['seq']} follow one another" in done.out
    assert (tmp_path / "record").read_text().count("\n") == newest["seq"]


def test_an_export_goes_on_after_an_entry(served: Served, ctl: Ctl) -> None:
    count = len(ctl("audit", "export").out.splitlines())
    rest = ctl("audit", "export", "--after", str(count - 2)).out.splitlines()
    assert [json.loads(line)["seq"] for line in rest] == [count - 1, count]


def test_an_export_as_json_is_an_array(served: Served, ctl: Ctl) -> None:
    entries = json.loads(ctl("audit", "export", "--json").out)
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    assert json.loads(ctl("audit", "export", "--json", "--after", str(len(entries))).out) == []


def test_checkpoints_are_listed_newest_first_and_held_oldest_first(served: Served, ctl: Ctl) -> None:
    assert ctl("audit", "checkpoints").err == "no checkpoints\n"
    first = ctl("audit", "checkpoint")
    assert first.out.startswith("checkpoint 1: entry ")
    served.plane.done("PATCH", "/v1/authorities/ghent/bans/tiktok", {"mode": "off"})
    ctl("audit", "checkpoint")
    listed = ctl("audit", "checkpoints").out.splitlines()
    assert [line.split()[0] for line in listed] == ["checkpoint", "2", "1"]
    assert listed[1].endswith("no place")
    made = ctl("audit", "checkpoints", "--held").out.splitlines()
    parsed = [parse_checkpoint(line.encode()) for line in made]
    assert [(checkpoint.statement.number, checkpoint.genuine) for checkpoint in parsed] == [(1, True), (2, True)]
    assert [item["checkpoint"] for item in json.loads(ctl("audit", "checkpoints", "--json").out)["items"]] == [2, 1]


def test_a_whole_record_holds_without_checkpoints_too_which_is_said(offline: Ctl, whole: str) -> None:
    done = offline("audit", "verify", whole)
    assert done.code == 0
    assert f"1 to {COUNT} follow one another" in done.out
    assert "whole, as far as the chain alone tells" in done.out
    assert "only the chain was checked" in done.err
    assert _verified(offline("audit", "verify", whole, "--json")) == (0, True)


def test_checkpoints_are_found_in_mails_and_logs_and_say_what_is_covered(offline: Ctl, whole: str, kept: str) -> None:
    done = offline("audit", "verify", whole, "--checkpoint", kept)
    assert (done.code, done.err) == (0, "")
    assert "up to entry 8, by checkpoint 2" in done.out
    assert f"entries 9 to {COUNT}: no checkpoint that agrees comes after them" in done.out
    found = json.loads(offline("audit", "verify", whole, "--checkpoint", kept, "--json").out)
    assert (found["checkpoints"]["held"], found["not_covered"]) == (2, 4)
    assert found["checkpoints"]["agreeing"]["seq"] == 8


def test_a_line_that_broke_off_on_its_way_is_a_note_where_the_whole_one_follows(
    offline: Ctl, whole: str, tmp_path: Path
) -> None:
    path = tmp_path / "held.jsonl"
    made = [checkpoint.line for checkpoint in held(record(COUNT), 4, 8, 10)]
    deliver(FilePlace(path), INSTALLATION, made[:1])
    for octets in (100, 300):
        # A power cut or a full disk; what was not taken is taken again.
        with path.open("a") as file:
            file.write(made[1][:octets])
        deliver(FilePlace(path), INSTALLATION, made[1:2])
    done = offline("audit", "verify", whole, "--checkpoint", str(path))
    assert (done.code, done.err.count("a line that broke off; it follows whole")) == (0, 2), done.out
    assert f"{path}, line 2: " in done.err
    with path.open("a") as file:
        file.write(made[2][:100])
    cut = offline("audit", "verify", whole, "--checkpoint", str(path))
    assert (cut.code, f"{path}, line 6: no checkpoint" in cut.out) == (1, True), "it follows nowhere"
    deliver(FilePlace(path), INSTALLATION, [made[2].replace('"seq":10', '"seq":11')])
    assert offline("audit", "verify", whole, "--checkpoint", str(path)).code == 1


def test_a_checkpoint_after_the_record_was_made_anew_does_not_count(offline: Ctl, tmp_path: Path) -> None:
    plain = entries(COUNT)
    plain[4]["after"] = {"mode": "off"}
    anew = chained(plain)
    name = _written(tmp_path / "anew", lines(anew))
    kept = [*held(record(COUNT), 3, 6), held(anew, 3, 6, 9)[2]]
    given = _written(tmp_path / "held", [checkpoint.line.encode() + b"\n" for checkpoint in kept])
    done = offline("audit", "verify", name, "--checkpoint", given)
    assert done.code == 1
    assert f"entries 4 to {COUNT}: none that counts comes after them" in done.out
    assert "made anew between checkpoint 1 (2026-03-02T10:00:03Z, entry 3) and checkpoint 2 (" in done.out
    found = json.loads(offline("audit", "verify", name, "--checkpoint", given, "--json").out)
    assert (found["not_covered"], found["checkpoints"]["later"]["seq"]) == (COUNT - 3, 9)


def test_the_record_may_come_in_parts_and_from_standard_input(
    offline: Ctl, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = lines(record(COUNT))
    first = _written(tmp_path / "first", parts[:5])
    with open(_written(tmp_path / "second", parts[5:])) as second:
        monkeypatch.setattr("sys.stdin", second)
        assert offline("audit", "verify", first, "-").code == 0
    assert offline("audit", "verify", str(tmp_path / "second")).code == 1


def test_the_first_bad_line_is_printed(offline: Ctl, tmp_path: Path, kept: str) -> None:
    broken = lines(record(COUNT))
    broken[6] = broken[6].replace(b"enforce", b"monitor")
    name = _written(tmp_path / "broken", broken)
    done = offline("audit", "verify", name)
    assert done.code == 1
    assert "line 7: entry 7 was changed: its hash is not that of its content" in done.out
    compared = offline("audit", "verify", name, "--checkpoint", kept)
    assert compared.code == 1
    assert "covered       up to entry 4, by checkpoint 1" in compared.out
    assert "not compared  1 of the checkpoints" in compared.out
    fault = json.loads(offline("audit", "verify", name, "--json").out)["fault"]
    assert (fault["line"], fault["seq"]) == (7, 7)


def test_a_record_cut_off_at_its_end_is_found_by_a_checkpoint(offline: Ctl, tmp_path: Path, kept: str) -> None:
    cut = _written(tmp_path / "cut", lines(record(COUNT))[:6])
    assert offline("audit", "verify", cut).code == 0
    done = offline("audit", "verify", cut, "--checkpoint", kept)
    assert done.code == 1
    assert "entries were cut off at the end" in done.out


def test_a_held_checkpoint_that_is_damaged_is_a_fault(offline: Ctl, tmp_path: Path, whole: str) -> None:
    good, other = [checkpoint.line.encode() for checkpoint in held(record(COUNT), 4, 8)]
    name = _written(tmp_path / "damaged", [good, b"\n", other[:-9], b"\n"])
    done = offline("audit", "verify", whole, "--checkpoint", name)
    assert done.code == 1
    assert f"{name}, line 2: no checkpoint" in done.out
    assert "NOT WHOLE" in done.out


def test_the_key_is_given_in_hexadecimal_or_as_a_file(offline: Ctl, tmp_path: Path, whole: str, kept: str) -> None:
    pem = tmp_path / "public.pem"
    pem.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for key, code in ((public_text(KEY), 0), (str(pem), 0), (public_text(OTHER_KEY), 1)):
        assert offline("audit", "verify", whole, "--checkpoint", kept, "--key", key).code == code


@pytest.mark.parametrize(
    "arguments",
    [
        ["none"],
        ["."],
        ["record.jsonl", "--checkpoint", "none"],
        ["record.jsonl", "--checkpoint", "record.jsonl"],
        ["record.jsonl", "--key", "none"],
        ["record.jsonl", "--key", "record.jsonl"],
    ],
)
def test_what_cannot_be_read_is_wrong_input(offline: Ctl, whole: str, arguments: list[str]) -> None:
    done = offline("audit", "verify", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("dnsfilterctl: ")
    assert whole.endswith("record.jsonl")


def test_an_export_that_breaks_off_is_not_taken_for_one(scripted: Scripted, ctl: Ctl) -> None:
    scripted.answers["/v1/audit/export"] = (503, "application/problem+json", b'{"type": "x", "title": "no database"}')
    done = ctl("audit", "export")
    assert (done.code, done.out) == (4, "")
    assert "no database" in done.err


def test_a_disk_that_is_full_is_one_clear_line(scripted: Scripted, tmp_path: Path) -> None:
    scripted.answers["/v1/audit/export"] = (200, "application/jsonl", b"{}\n" * 100_000)
    program = f"import sys; from api.cli import main; sys.exit(main({['audit', 'export']!r}))"
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            stdout=full,
            stderr=subprocess.PIPE,
            cwd=tmp_path,
            env=_environ(),
            check=False,
        )
    assert done.stderr == b"dnsfilterctl: cannot write to standard output: No space left on device\n"
    assert done.returncode == 2


def _environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT)}
