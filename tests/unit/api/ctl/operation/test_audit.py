"""dnsfilterctl audit: export the audit log, and verify it without the control plane."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.chain.checkpoint import parse_checkpoint, public_text
from api.delivery.destinations import FileDestination
from api.delivery.sending import deliver
from tests.support.audit_records import INSTALLATION, KEY, OTHER_KEY, chained, entries, held, lines, record
from tests.unit.api.ctl.conftest import Ctl, Outcome, Scripted, Served

COUNT = 12
ROOT = Path(__file__).parents[5]


def _written(path: Path, content: list[bytes]) -> str:
    path.write_bytes(b"".join(content))
    return str(path)


@pytest.fixture
def intact(tmp_path: Path) -> str:
    """Return a file with an intact audit log."""
    return _written(tmp_path / "record.jsonl", lines(record(COUNT)))


@pytest.fixture
def kept(tmp_path: Path) -> str:
    """Return a file with checkpoints of it, as in a mail and in a log."""
    made = [checkpoint.line.encode() for checkpoint in held(record(COUNT), 4, 8)]
    head = b"Subject: checkpoint\r\n\r\n"
    return _written(
        tmp_path / "held", [head, made[0], b"\r\n", b"<85>1 - - dnsfilter-api - checkpoint - ", made[1], b"\n"]
    )


@pytest.fixture
def offline(ctl: Ctl, monkeypatch: pytest.MonkeyPatch) -> Ctl:
    """Return a runner of commands without a token, a control plane or a usable environment."""
    monkeypatch.setenv("DNSFILTER_URL", "nonsense")
    monkeypatch.setenv("DNSFILTER_CA", "none")
    return ctl


def _verified(outcome: Outcome) -> tuple[int, bool]:
    return outcome.code, json.loads(outcome.out)["sound"]


def test_export_and_checkpoint_are_verified_offline(
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


def test_export_continues_after_an_entry(served: Served, ctl: Ctl) -> None:
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
    assert listed[1].endswith("nowhere yet")
    made = ctl("audit", "checkpoints", "--held").out.splitlines()
    parsed = [parse_checkpoint(line.encode()) for line in made]
    assert [(checkpoint.statement.number, checkpoint.genuine) for checkpoint in parsed] == [(1, True), (2, True)]
    assert [item["checkpoint"] for item in json.loads(ctl("audit", "checkpoints", "--json").out)["items"]] == [2, 1]


def test_intact_audit_log_without_checkpoints_passes_with_a_note(offline: Ctl, intact: str) -> None:
    done = offline("audit", "verify", intact)
    assert done.code == 0
    assert f"1 to {COUNT} follow one another" in done.out
    assert "intact, as far as the hash chain alone shows" in done.out
    assert "Only the hash chain was checked." in done.err
    assert _verified(offline("audit", "verify", intact, "--json")) == (0, True)


def test_checkpoints_are_found_in_mails_and_logs_and_show_what_is_covered(offline: Ctl, intact: str, kept: str) -> None:
    done = offline("audit", "verify", intact, "--checkpoint", kept)
    assert (done.code, done.err) == (0, "")
    assert "up to entry 8, by checkpoint 2" in done.out
    assert f"entries 9 to {COUNT}: no later checkpoint agrees" in done.out
    found = json.loads(offline("audit", "verify", intact, "--checkpoint", kept, "--json").out)
    assert (found["checkpoints"]["held"], found["not_covered"]) == (2, 4)
    assert found["checkpoints"]["agreeing"]["seq"] == 8


def test_truncated_line_is_a_note_if_the_complete_line_follows(offline: Ctl, intact: str, tmp_path: Path) -> None:
    path = tmp_path / "held.jsonl"
    made = [checkpoint.line for checkpoint in held(record(COUNT), 4, 8, 10)]
    deliver(FileDestination(path), INSTALLATION, made[:1])
    for size in (100, 300):
        # A power cut or a full disk; the checkpoint is delivered again.
        with path.open("a") as file:
            file.write(made[1][:size])
        deliver(FileDestination(path), INSTALLATION, made[1:2])
    done = offline("audit", "verify", intact, "--checkpoint", str(path))
    assert (done.code, done.err.count("truncated line; the complete line follows")) == (0, 2), done.out
    assert f"{path}, line 2: " in done.err
    with path.open("a") as file:
        file.write(made[2][:100])
    cut = offline("audit", "verify", intact, "--checkpoint", str(path))
    assert (cut.code, f"{path}, line 6 was not compared" in cut.err) == (2, True), "no complete line follows"
    deliver(FileDestination(path), INSTALLATION, [made[2].replace('"seq":10', '"seq":11')])
    assert offline("audit", "verify", intact, "--checkpoint", str(path)).code == 1


def test_checkpoint_made_after_a_rewrite_does_not_count(offline: Ctl, tmp_path: Path) -> None:
    plain = entries(COUNT)
    plain[4]["after"] = {"mode": "off"}
    rewritten = chained(plain)
    name = _written(tmp_path / "rewritten", lines(rewritten))
    kept = [*held(record(COUNT), 3, 6), held(rewritten, 3, 6, 9)[2]]
    given = _written(tmp_path / "held", [checkpoint.line.encode() + b"\n" for checkpoint in kept])
    done = offline("audit", "verify", name, "--checkpoint", given)
    assert done.code == 1
    assert f"entries 4 to {COUNT}: later checkpoints were made from the changed audit log" in done.out
    assert "rebuilt between checkpoint 1 (2026-03-02T10:00:03Z, entry 3) and checkpoint 2 (" in done.out
    found = json.loads(offline("audit", "verify", name, "--checkpoint", given, "--json").out)
    assert (found["not_covered"], found["checkpoints"]["later"]["seq"]) == (COUNT - 3, 9)


def test_audit_log_in_parts_and_from_standard_input(
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
    assert "line 7: entry 7 was changed: its hash does not match its content" in done.out
    compared = offline("audit", "verify", name, "--checkpoint", kept)
    assert compared.code == 1
    assert "covered       up to entry 4, by checkpoint 1" in compared.out
    assert "not compared  1 of the checkpoints" in compared.out
    fault = json.loads(offline("audit", "verify", name, "--json").out)["fault"]
    assert (fault["line"], fault["seq"]) == (7, 7)


def test_truncated_audit_log_is_detected_by_a_checkpoint(offline: Ctl, tmp_path: Path, kept: str) -> None:
    cut = _written(tmp_path / "cut", lines(record(COUNT))[:6])
    assert offline("audit", "verify", cut).code == 0
    done = offline("audit", "verify", cut, "--checkpoint", kept)
    assert done.code == 1
    assert "entries were cut off at the end" in done.out


@pytest.mark.parametrize("rest", [True, False])
def test_unreadable_checkpoint_is_wrong_input_and_does_not_accuse_the_audit_log(
    offline: Ctl, tmp_path: Path, intact: str, *, rest: bool
) -> None:
    good, other = [checkpoint.line.encode() for checkpoint in held(record(COUNT), 4, 8)]
    name = _written(tmp_path / "damaged", [good if rest else b"", b"\n", other[:-9], b"\n"])
    done = offline("audit", "verify", intact, "--checkpoint", name)
    assert done.code == 2
    assert f"{name}, line 2 was not compared: not a checkpoint" in done.err
    assert "NOT INTACT" not in done.out
    assert ("as far as the hash chain alone shows" in done.out) is not rest
    assert f"{int(rest)} held, 1 not compared" in done.out
    found = json.loads(offline("audit", "verify", intact, "--checkpoint", name, "--json").out)
    assert (found["sound"], len(found["checkpoints"]["not_compared"])) == (True, 1)
    changed = _written(tmp_path / "changed", [*lines(record(COUNT))[:3], b"{}\n"])
    assert offline("audit", "verify", changed, "--checkpoint", name).code == 1, "a fault of the audit log comes first"


def test_each_form_that_is_printed_can_be_verified(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    printed = [
        ctl("audit", "checkpoint", "--held").out,
        ctl("audit", "checkpoint", "--json").out,
        ctl("audit", "checkpoint").out,
        ctl("audit", "checkpoints", "--held").out,
        ctl("audit", "checkpoints", "--json").out,
        ctl("audit", "checkpoints").out,
    ]
    export = ctl("audit", "export").out
    log = _written(tmp_path / "record.jsonl", [export.encode()])
    last = len(export.splitlines())
    for number, text in enumerate(printed):
        name = _written(tmp_path / f"held-{number}", [text.encode()])
        done = ctl("audit", "verify", log, "--checkpoint", name)
        assert (done.code, done.err) == (0, ""), text
        assert f"up to entry {last}, by checkpoint 1" in done.out
        assert ("It is not signed" in done.out) is (number in (2, 5))


def test_text_that_disagrees_is_a_fault(offline: Ctl, tmp_path: Path, intact: str) -> None:
    first, second = [checkpoint.statement for checkpoint in held(record(COUNT), 4, 8)]
    text = f"checkpoint 1: entry 4 has the hash {first.hash}\ncheckpoint 2: entry 8 has the hash {64 * '0'}\n"
    name = _written(tmp_path / "noted", [text.encode()])
    done = offline("audit", "verify", intact, "--checkpoint", name)
    assert (done.code, "NOT INTACT" in done.out) == (1, True)
    assert f"entry 8 has the hash {second.hash}, but checkpoint 2 as text says {64 * '0'}" in done.out
    assert "up to entry 4, by checkpoint 1 as text" in done.out
    later = _written(tmp_path / "later", [f"checkpoint 9: entry 99 has the hash {64 * '0'}".encode()])
    cut = offline("audit", "verify", intact, "--checkpoint", later)
    assert (cut.code, "but checkpoint 9 as text is of entry 99" in cut.out) == (1, True)


def test_the_key_is_given_in_hexadecimal_or_as_a_file(offline: Ctl, tmp_path: Path, intact: str, kept: str) -> None:
    pem = tmp_path / "public.pem"
    pem.write_bytes(KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    for key, code in ((public_text(KEY), 0), (str(pem), 0), (public_text(OTHER_KEY), 1)):
        assert offline("audit", "verify", intact, "--checkpoint", kept, "--key", key).code == code


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
def test_unreadable_file_is_wrong_input(offline: Ctl, intact: str, arguments: list[str]) -> None:
    done = offline("audit", "verify", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("dnsfilterctl: ")
    without = arguments[1:] == ["--checkpoint", "record.jsonl"]
    assert ("was not compared: it contains no checkpoint" in done.err) is without
    assert intact.endswith("record.jsonl")


def test_failed_export_prints_nothing(scripted: Scripted, ctl: Ctl) -> None:
    scripted.answers["/v1/audit/export"] = (503, "application/problem+json", b'{"type": "x", "title": "no database"}')
    done = ctl("audit", "export")
    assert (done.code, done.out) == (4, "")
    assert "no database" in done.err


def test_full_disk_is_reported_in_one_line(scripted: Scripted, tmp_path: Path) -> None:
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
