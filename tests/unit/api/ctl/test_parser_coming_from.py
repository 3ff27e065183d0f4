"""Coming from another resolver: its configuration is real, ours is complete, and the commands do what the page says."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml  # type: ignore[import-untyped]

from blocklists.catalogue import Catalogue
from dnsfilter.cli.main import main
from dnsfilter.config.upstreams.presets import PRESETS
from dnsfilter.config.upstreams.server_url import parse_server
from tests.support.components import component
from tests.support.documents import blocks, commands, text
from tests.unit.api.conftest import make_plane
from tests.unit.api.ctl.conftest import TOKEN, Ctl, Door

PAGE = "docs/tasks/coming-from.md"
OTHERS = {"From BIND": "text", "From Unbound": "text", "From Pi-hole": "toml", "From AdGuard Home": "yaml"}
OURS = blocks(PAGE, "To dnsfilter", "toml")[0]
GIVEN_APART = {"192.0.2.53": "From Pi-hole", "192.0.2.20": "From BIND"}
"""Values that are elsewhere than in the file: the address of the interface, the zone file of the printer."""


def original(heading: str) -> str:
    return blocks(PAGE, heading, OTHERS[heading])[0]


def checked(heading: str, directory: Path) -> tuple[int, str]:
    """Return the exit code and the faults of the program's own check of its configuration."""
    program, config = ("named", "named.conf") if heading == "From BIND" else ("unbound", "unbound.conf")
    lines = original(heading).replace("/var/cache/bind", str(directory))
    lines = lines.replace("server:\n", f'server:\n    directory: "{directory}"\n    chroot: ""\n    username: ""\n', 1)
    (directory / config).write_text(lines)
    done = component(f"{program}-checkconf").run(str(directory / config))
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(("heading", "option"), [("From BIND", "forwarders"), ("From Unbound", "forward-addr")])
def test_the_program_accepts_its_configuration(
    heading: str, option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, faults = checked(heading, tmp_path)
    assert code == 0, faults
    lines = original(heading)
    monkeypatch.setattr(f"{__name__}.original", lambda _: lines.replace(option, "no-such-option"))
    assert checked(heading, tmp_path)[0] != 0


def test_files_of_the_others_can_be_read() -> None:
    assert tomllib.loads(original("From Pi-hole"))["dns"]["upstreams"] == ["198.51.100.1", "198.51.100.2"]
    assert set(yaml.safe_load(original("From AdGuard Home"))) == {"dns", "filtering", "clients"}


@pytest.mark.parametrize("heading", OTHERS)
def test_our_configuration_has_the_names_and_servers_of_the_other(heading: str) -> None:
    ours = tomllib.loads(OURS)
    values = {
        *(address.rpartition(":")[0] for address in ours["listen"]),
        *ours["upstream"]["servers"],
        *(server for zone in ours["zone"] for server in zone["servers"]),
        *(record[key] for record in ours["record"] for key in ("name", "data")),
        ours["zone"][0]["suffix"],
    } - {"127.0.0.1"}
    missing = {value for value in values if value not in original(heading)}
    assert missing == {value for value, place in GIVEN_APART.items() if place == heading}


def test_dnsfilter_accepts_our_configuration(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "dnsfilter.toml"
    # Addresses and files of this machine. Nothing answers at the upstreams, which is no fault of the file.
    content = f'state_dir = "{tmp_path}"\n{OURS}'
    for there, here in {
        '"192.0.2.53:5300", ': "",
        "198.51.100.": "127.0.1.",
        "192.0.2.1": "127.0.2.1",
        "/var/lib/dnsfilter": str(tmp_path),
    }.items():
        assert there in content
        content = content.replace(there, here)
    path.write_text(content)
    (tmp_path / "enrolment-token").write_text(TOKEN)
    with pytest.raises(SystemExit) as ended:
        main(["check", "--config", str(path), "--json"])
    found = json.loads(capsys.readouterr().out)
    assert (ended.value.code, found["problems"]) == (0, [])
    assert found["upstream"] == ["127.0.1.1:53", "127.0.1.2:53"]


def test_dnsfilter_accepts_each_encrypted_upstream_of_the_page() -> None:
    section = text(PAGE).partition("### Encrypted upstreams")[2].partition("\n## ")[0]
    ours = [row.split("|")[3].strip().strip('`"') for row in section.splitlines() if '| `"' in row]
    assert len(ours) == 6
    assert all(parse_server(each).tls for each in ours)
    assert [word in PRESETS for word in re.findall(r'servers = "(\w+)"', section)] == [True]


@pytest.fixture
def empty(tmp_path: Path, packaged: Catalogue, door: Door, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serve a control plane without a policy, which dnsfilterctl uses by default."""
    plane = make_plane(tmp_path / ".run", packaged)
    monkeypatch.setenv("DNSFILTER_URL", door.url)
    door.app = plane.app
    yield
    door.app = None
    plane.database.close()


@pytest.mark.usefixtures("empty")
def test_the_commands_refuse_the_service_to_staff_and_not_to_guests(ctl: Ctl) -> None:
    printed = [words[1:] for words in commands(PAGE) if words[0] == "dnsfilterctl"]
    explained = {}
    for words in printed:
        done = ctl(*words, *(["--json"] if words[0] == "explain" else []))
        assert done.code == 0, done.err
        if words[0] == "explain":
            explained[words[1]] = json.loads(done.out)["verdict"]
    assert explained == {"192.0.2.17": "refuse", "192.0.2.140": "pass"}
