"""The examples for DHCP and router advertisements are accepted by their programs, and name only this resolver."""

import re
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
