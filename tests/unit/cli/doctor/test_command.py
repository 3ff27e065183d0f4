"""`dnsfilter doctor` on a real node: a clean bill, and what is found when the node stops."""

import json
import os
import signal
import subprocess
from inspect import getmembers, isfunction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dnsfilter.cli.doctor import certificate, in_force, listening, node_files, resolving, table
from dnsfilter.cli.doctor.findings import Outcome, Subject
from dnsfilter.cli.doctor.table import CHECKS
from dnsfilter.cli.main import main
from dnsfilter.errors import UnavailableError
from tests.support.answering_server import server
from tests.support.nodes import Node, eventually, program


def doctor(node: Node, *more: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the checks by name."""
    command = [program("dnsfilter"), "doctor", "--config", str(node.config), "--policy", str(node.policy), "--json"]
    done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60)
    result = json.loads(done.stdout)
    checks = {each["check"]: each for each in result["checks"]}
    assert result["findings"] == sum(len(each["findings"]) for each in checks.values())
    return done.returncode, checks


@pytest.mark.heavy
def test_running_node_has_a_clean_bill_and_a_stopped_one_is_found(tmp_path: Path) -> None:
    # What depends on the machine of the test is not compared.
    of_machine = {"receive buffers", "connection tracking", "disk", "own names", "other resolvers", "capabilities"}
    with server() as upstream:
        node = Node(tmp_path, f"127.0.0.1:{upstream.port}", top=f'user = "{os.environ.get("USER", "root")}"')
        with node:
            _, checks = doctor(node)
            found = {name for name, each in checks.items() if each["findings"]}
            assert found <= of_machine, checks
            assert checks["policy"]["seen"] == "revision 1 is in force"
            assert checks["ports"]["seen"] == "the node holds all its ports"
        code, checks = doctor(node)
    assert code == 1
    assert len(checks["ports"]["findings"]) == 3
    assert checks["policy"]["findings"][0]["finding"].startswith("the running node cannot be asked: ")


def follow(*command: str) -> int:
    return subprocess.run([program("dnsfilter"), *command], capture_output=True, text=True, timeout=60).returncode


@pytest.mark.slow
def test_advice_about_files_that_are_not_in_force_leads_to_a_clean_bill(tmp_path: Path) -> None:
    with server() as upstream, Node(tmp_path, f"127.0.0.1:{upstream.port}") as node:
        good, names = node.config.read_text(), ("--config", str(node.config))

        def found(check: str) -> list[dict[str, str]]:
            findings: list[dict[str, str]] = doctor(node)[1][check]["findings"]
            return findings

        assert found("configuration") == []
        for text, said, advised in (
            ("nonsense", "cannot be read as TOML", "mend the file"),
            (good.replace("workers = 1", "workers = 2"), "was changed and not reloaded", "systemctl reload dnsfilter"),
        ):
            node.config.write_text(text)
            (finding,) = found("configuration")
            assert said in finding["finding"]
            assert "; the configuration in force since 20" in finding["finding"]
            assert advised in finding["advice"]
            top = subprocess.run(
                [program("dnsfilter"), "top", "--once", "--interval", "0.1", *names], capture_output=True, text=True
            )
            assert top.stdout.startswith("CONFIGURATION: ")
            assert said in top.stdout
            if text == "nonsense":
                assert follow("reload", *names) == 1
                node.config.write_text(good)
            assert follow("reload", *names) == 0
            assert found("configuration") == []

        node.config.write_text('user = "nobody"\n' + good)
        assert follow("reload", *names) == 1
        (finding,) = found("configuration")
        assert "type systemctl restart dnsfilter" in finding["finding"]
        node.config.write_text(good)
        assert follow("reload", *names) == 0

        node.config.write_text("nonsense")  # the trial of an upgrade fails by it
        assert node.process is not None
        node.process.send_signal(signal.SIGUSR2)
        assert eventually(lambda: found("upgrade") != [])
        assert "USR2" in found("upgrade")[0]["advice"]
        node.config.write_text(good)
        node.process.send_signal(signal.SIGUSR2)
        assert eventually(lambda: found("upgrade") == [] and found("configuration") == [])


def run(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(["doctor", *arguments])
    return ended.value.code


def test_wrong_configuration_is_wrong_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('listen = ["nowhere"]\n')
    assert run("--config", str(path)) == 2
    assert "nowhere" in capsys.readouterr().err
    assert run("--config", str(path), "--count-clients", "601") == 2


def test_check_that_fails_does_not_hide_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(subject: Subject) -> Outcome:
        raise UnavailableError("the table is missing")

    def reads(subject: Subject) -> Outcome:
        return Outcome(seen=str(urlsplit("smtp://[2001:db8::1").hostname))

    def sees(subject: Subject) -> Outcome:
        return Outcome(seen="all is well")

    monkeypatch.setattr(table, "CHECKS", {"first": fails, "other": reads, "second": sees})
    monkeypatch.setattr(node_files, "node_files", lambda subject, named: Outcome(seen="readable"))
    path = tmp_path / "dnsfilter.toml"
    path.write_text('state_dir = "state"\n[upstream]\nservers = ["192.0.2.53"]\n')
    assert run("--config", str(path)) == 0
    assert capsys.readouterr().out.splitlines() == [
        "unknown  first: the check failed: the table is missing",
        "unknown  other: the check failed: Invalid IPv6 URL",
        "ok       second: all is well",
        "ok       files: readable",
        "0 findings",
    ]


def test_every_check_is_in_the_table() -> None:
    checks = {
        function.__name__
        for topic in (certificate, listening, in_force, resolving, node_files)
        for _, function in getmembers(topic, isfunction)
        if function.__module__ == topic.__name__ and function.__annotations__ == {"subject": Subject, "return": Outcome}
    }
    assert {check.__name__ for check in CHECKS.values()} == checks
