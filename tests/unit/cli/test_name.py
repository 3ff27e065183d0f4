"""The commands for names on a node itself, in this process: arguments, exit codes, output."""

import json
import time
from datetime import datetime
from pathlib import Path

import pytest

from dnsfilter.cli.main import main
from dnsfilter.cli.publishing import publish_policy_file
from dnsfilter.config.load import load_config
from dnsfilter.policy.instants import at_words
from dnsfilter.snapshot.stored.store import SnapshotStore

pytestmark = [pytest.mark.heavy, pytest.mark.real_clock]

EXAMPLE = Path(__file__).parents[3] / "deploy/examples/belgium-2023.toml"
WHY = ("--authority", "ghent", "--reason", "payroll is down")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "dnsfilter.toml"
    path.write_text('listen = ["127.0.0.1:5300"]\nstate_dir = "state"\n[upstream]\nservers = ["192.0.2.53"]\n')
    store = SnapshotStore(tmp_path / "state" / "policy-snapshots")
    publish_policy_file(EXAMPLE, load_config(path), store, int(time.time()))
    return path


def run(config: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--config", str(config), "--policy", str(EXAMPLE)])
    assert isinstance(ended.value.code, int)
    return ended.value.code


def said(config: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    capsys.readouterr()
    assert run(config, *arguments) == 0
    return capsys.readouterr().out.splitlines()


def test_allowed_name_is_printed_listed_explained_and_ended(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (printed,) = said(config, capsys, "name", "allow", "https://www.tiktok.com/foryou", *WHY, "--for", "2d")
    (value,) = json.loads(said(config, capsys, "name", "list", "--json")[0])
    words = at_words(int(datetime.fromisoformat(value["until"]).timestamp()))
    assert printed == (
        f"www.tiktok.com and all names below it: allowed for ghent on this node until {words}; "
        "bans by law or agreement still apply: payroll is down"
    )
    assert said(config, capsys, "name", "list") == [printed]
    decided, here, allowed = said(config, capsys, "explain", "127.0.5.10", "www.tiktok.com")
    assert decided.endswith("www.tiktok.com: pass for a client of ghent (exempted: tiktok)")
    assert here == printed
    assert allowed.startswith("allowed: www.tiktok.com and all below it, since ")
    (line,) = said(config, capsys, "explain", "127.0.5.10", "www.tiktok.com", "--json")
    assert json.loads(line)["local_names"] == [value]
    assert len(said(config, capsys, "explain", "127.0.5.10", "tiktok.com")) == 1, "only the name is allowed"
    ended = said(config, capsys, "name", "end", "www.tiktok.com", "--authority", "ghent")
    assert ended == ["www.tiktok.com: no longer allowed on this node for ghent"]
    assert said(config, capsys, "name", "list") == ["no name is set on this node"]
    assert "refuse by ban" in said(config, capsys, "explain", "127.0.5.10", "www.tiktok.com")[0]


def test_refused_name_is_printed_explained_and_ended(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (printed,) = said(config, capsys, "name", "refuse", "phishing.example", "--exact", *WHY)
    (value,) = json.loads(said(config, capsys, "name", "list", "--json")[0])
    words = at_words(int(datetime.fromisoformat(value["until"]).timestamp()))
    assert printed == f"phishing.example: refused for ghent on this node until {words}: payroll is down"
    decided, here = said(config, capsys, "explain", "127.0.5.10", "phishing.example")
    assert decided.endswith("refuse by an act on this node on phishing.example for a client of ghent")
    assert here == printed
    (line,) = said(config, capsys, "explain", "127.0.5.10", "phishing.example", "--json")
    found = json.loads(line)
    assert (found["verdict"], found["ban"], found["service"]) == ("refuse", None, "phishing.example")
    assert said(config, capsys, "name", "end", "phishing.example", "--authority", "ghent") == [
        "phishing.example: no longer refused on this node for ghent"
    ]
    assert "pass for a client" in said(config, capsys, "explain", "127.0.5.10", "phishing.example")[0]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("co.uk", "NAME: co.uk is a public suffix"),
        ("corp.example.org", "NAME: corp.example.org must always be answered (a conditional zone)"),
        ("www.corp.example.org", "NAME: www.corp.example.org hits corp.example.org, which must always be answered"),
        ("example.net", "NAME: example.net hits policy.example.net, which must always be answered (the control plane)"),
    ],
)
def test_names_that_must_be_answered_are_not_refused(
    config: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    more = '[[zone]]\nsuffix = "corp.example.org"\nservers = ["192.0.2.54"]\n'
    url = '[control_plane]\nurl = "https://policy.example.net"\n'
    config.write_text(config.read_text() + more + url)
    assert run(config, "name", "refuse", name, *WHY) == 2
    assert message in capsys.readouterr().err
    assert run(config, "name", "refuse", "policy.example.net", "--exact", *WHY) == 2
    assert capsys.readouterr().err.endswith("(the control plane): refuse a longer name\n")
    assert said(config, capsys, "name", "list") == ["no name is set on this node"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("allow", "com", *WHY), 2, "NAME: 'com' is a top-level domain"),
        (("allow", "example.org", *WHY, "--for", "8d"), 2, "--for: '8d' is longer than 7 days"),
        (("allow", "example.org", "--authority", "gent", "--reason", "x"), 2, "no range on this node belongs to"),
        (("allow", "example.org", "--authority", "ghent"), 2, "--reason"),
        (("end", "example.org", "--authority", "ghent"), 1, "names set here: none"),
    ],
)
def test_what_cannot_be_done_is_said(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, message: str
) -> None:
    assert run(config, "name", *arguments) == code
    assert message in capsys.readouterr().err
