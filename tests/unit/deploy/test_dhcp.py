"""The examples for DHCP and router advertisements are accepted by their programs, and name only this resolver."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.components import component

DIRECTORY = Path(__file__).parents[3] / "deploy" / "dhcp"
RESOLVERS = {"192.0.2.53", "2001:db8::53"}


@pytest.mark.parametrize(
    ("program", "arguments", "file"),
    [
        ("kea-dhcp4", ("-t",), "kea-dhcp4.conf"),
        ("dnsmasq", ("--test", "--conf-file"), "dnsmasq.conf"),
        ("radvd", ("-c", "-C"), "radvd.conf"),
    ],
)
def test_the_program_accepts_the_example(program: str, arguments: tuple[str, ...], file: str, tmp_path: Path) -> None:
    text = (DIRECTORY / file).read_text().replace("/var/lib/kea", str(tmp_path)).replace("eth1", "lo")
    given = tmp_path / file
    for content, accepted in ((text, True), (text.replace("192.0.2.53", "nowhere").replace("::53", "::x"), False)):
        given.write_text(content)
        given.chmod(0o600)
        *options, last = arguments
        done = component(program).run(*options, *([f"{last}={given}"] if last[:2] == "--" else [last, str(given)]))
        assert (done.returncode == 0) is accepted, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("program", "option", "file", "comment"),
    [
        ("kea-dhcp4", "-t", "kea-dhcp4.conf", r"// (\{ \"name\": \"v4-dnr)"),
        ("dnsmasq", "--test", "dnsmasq.conf", r"(?m)^#(dhcp-option)"),
    ],
)
def test_the_program_accepts_the_lines_for_encrypted_resolvers(
    program: str, option: str, file: str, comment: str, tmp_path: Path
) -> None:
    text = (DIRECTORY / file).read_text().replace("/var/lib/kea", str(tmp_path)).replace("eth1", "lo")
    given = tmp_path / file
    given.write_text(re.sub(comment, r"\1", text))
    given.chmod(0o600)
    assert given.read_text() != text
    done = component(program).run(option, *([f"--conf-file={given}"] if program == "dnsmasq" else [str(given)]))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_bytes_of_dnsmasq_are_those_that_the_guide_prints() -> None:
    guide = (DIRECTORY.parents[1] / "docs/tasks/dhcp-and-firewall.md").read_text()
    script = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)[0]
    for option, address in (("162", "192.0.2.53"), ("option6:144", "2001:db8::53")):
        done = subprocess.run(
            [sys.executable, "-c", script, "dns.example.org", address], capture_output=True, text=True, check=True
        )
        assert f"#dhcp-option={option},{done.stdout.strip()}\n" in (DIRECTORY / "dnsmasq.conf").read_text()


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("kea-dhcp4.conf", r'"domain-name-servers", "data": "(.*?)"'),
        ("dnsmasq.conf", r"(?m)^dhcp-option=option6?:dns-server,\[?(.*?)\]?$"),
        ("radvd.conf", r"RDNSS (.*)"),
        ("windows-dhcp.ps1", r'resolvers\d = @\("(.*?)"\)'),
    ],
)
def test_the_example_names_only_the_resolver(file: str, line: str) -> None:
    named = re.findall(line, (DIRECTORY / file).read_text())
    assert named
    assert set(named) <= RESOLVERS
