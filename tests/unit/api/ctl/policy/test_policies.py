"""Export, compare and apply a policy file; list the acts in the audit log."""

import json
import stat
from pathlib import Path

import pytest

from tests.unit.api.ctl.conftest import Ctl, Scripted, Served


def test_exported_policy_has_no_differences(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    printed = ctl("policy", "export").out
    assert ctl("policy", "export", "policy.toml").code == 0
    file = tmp_path / "policy.toml"
    assert file.read_text() == printed
    assert printed.startswith("# dnsfilter policy, revision 1\n")
    assert json.loads(ctl("policy", "export", "--json").out) == {"policy": printed}
    done = ctl("policy", "diff", "policy.toml")
    assert (done.code, done.out, done.err) == (0, "no differences\n", "")
    assert "no changes" in ctl("policy", "apply", "policy.toml").out


def test_difference_is_shown_then_applied_then_in_the_audit_log(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(ctl("policy", "export").out.replace('label = "this machine"', 'label = "hall"'))
    expected = '~ range/default/127.0.0.1/32  range.change\n    label: "this machine" -> "hall"\n'
    found = ctl("policy", "diff", "policy.toml")
    assert (found.code, found.out) == (1, expected)
    applied = ctl("policy", "apply", "policy.toml")
    assert (applied.code, applied.out) == (0, f"{expected}applied: revision 2\n")
    assert ctl("policy", "diff", "policy.toml").code == 0
    lines = ctl("audit", "list", "--object", "range/default/127.0.0.1/32", "--limit", "1").out.splitlines()
    who = "administrator (account 1), token 1"
    assert lines[0].split("  ")[2:] == [who, "range.change", "range/default/127.0.0.1/32", "revision 2"]
    assert lines[1] == '    label: "this machine" -> "hall"'
    assert [
        entry["act"] for entry in json.loads(ctl("audit", "list", "--act", "policy.apply", "--json").out)["items"]
    ] == ["policy.apply"]


def test_fault_that_prevents_a_file_is_wrong_input(served: Served, ctl: Ctl, tmp_path: Path) -> None:
    file = tmp_path / "policy.toml"
    file.write_text(ctl("policy", "export").out.replace("2027-03-", "2027-04-"))
    for command in ("diff", "apply"):
        done = ctl("policy", command, "policy.toml")
        assert done.code == 2
        assert any(line.startswith("ban/ghent/tiktok: ") for line in done.err.splitlines()), done.err
    file.write_text("[[authority]\n")
    assert ctl("policy", "diff", "policy.toml").code == 2
    assert served.plane.revision() == 1


def test_a_file_that_cannot_be_read_or_written_is_named(scripted: Scripted, ctl: Ctl, tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9")
    (tmp_path / "large.toml").write_bytes(b"#" * (8 * 1024 * 1024 + 1))
    scripted.answers["/v1/policy"] = (200, "application/toml", b"# policy\n")
    for arguments, message in (
        (("policy", "apply", "nowhere.toml"), "cannot read nowhere.toml: No such file or directory"),
        (("policy", "apply", "latin.toml"), "cannot read latin.toml: not UTF-8 at byte 5"),
        (("policy", "diff", "large.toml"), "cannot read large.toml: it is larger than 8388608 bytes"),
        (("policy", "export", "nowhere/policy.toml"), "nowhere/policy.toml: No such file or directory"),
    ):
        done = ctl(*arguments)
        assert (done.code, message in done.err) == (2, True), done.err
    assert [spoken.path for spoken in scripted.spoken] == ["/v1/policy"]


def test_exported_file_replaces_the_old_one_atomically_and_keeps_its_mode(
    scripted: Scripted, ctl: Ctl, tmp_path: Path
) -> None:
    file = tmp_path / "policy.toml"
    file.write_text("old")
    file.chmod(0o640)
    scripted.answers["/v1/policy"] = (200, "application/toml", b"\xff")
    assert (ctl("policy", "export", "policy.toml").code, file.read_text()) == (4, "old")
    scripted.answers["/v1/policy"] = (200, "application/toml", "# Région\n".encode())
    assert (ctl("policy", "export", "policy.toml").code, file.read_text()) == (0, "# Région\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["admin-token", "policy.toml"]


@pytest.mark.parametrize("command", ["diff", "apply"])
def test_policy_file_is_sent_unchanged(scripted: Scripted, ctl: Ctl, tmp_path: Path, command: str) -> None:
    (tmp_path / "policy.toml").write_bytes("# Région\r\n".encode())
    scripted.answers[f"/v1/policy/{command}"] = (
        200,
        "application/json",
        b'{"acts": [], "faults": [], "warnings": [], "revision": 3}',
    )
    assert ctl("policy", command, "policy.toml").code == 0
    assert scripted.spoken[0].body == "# Région\r\n".encode()
    assert scripted.spoken[0].headers["Content-Type"] == "application/toml"
