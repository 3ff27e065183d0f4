"""`dnsfilter enrol`, and the snapshot of a node with a control plane."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dnsfilter.cli.serve import pull_policy
from dnsfilter.config.load import load_config
from tests.support.fake_control_plane import ONE_TIME, TOKEN, Played
from tests.unit.cli.test_main import run
from tests.unit.control.conftest import compiled


@pytest.fixture
def plane() -> Iterator[Played]:
    with Played() as made:
        made.publish(compiled(1))
        yield made


def written(directory: Path, control_plane: str, top: str = "") -> Path:
    path = directory / "dnsfilter.toml"
    text = f'listen = ["127.0.0.1:5300"]\nstate_dir = "state"\n{top}\n[upstream]\nservers = ["192.0.2.53"]\n'
    path.write_text(f"{text}[control_plane]\n{control_plane}\n")
    return path


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(f"{ONE_TIME}\n")
    return path


def test_enrol_prints_the_node_and_the_key_of_snapshots(
    plane: Played, tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, f'url = "{plane.url}"')
    assert run("enrol", "--config", config, "--token-file", token) == 0
    said = capsys.readouterr().out
    assert f"enrolled at {plane.url} as one, site default" in said
    assert plane.key in said
    assert TOKEN not in said
    assert json.loads((tmp_path / "state/node/identity.json").read_text())["token"] == TOKEN


def test_control_characters_of_an_answer_are_escaped(
    plane: Played, tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plane.script.site = "\x1b[2J"
    assert run("enrol", "--config", written(tmp_path, f'url = "{plane.url}"'), "--token-file", token) == 1
    assert r"registered at site \x1b[2J" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("control_plane", "code", "reason"),
    [
        ("", 2, "control_plane.url: is missing"),
        ('url = "{url}"\nsite = "annex"', 1, "registered at site default, and this node is configured for annex"),
        ('url = "http://127.0.0.1:9"', 1, "connection refused"),
    ],
)
def test_failed_enrol_gives_the_reason_and_stores_nothing(
    plane: Played,
    tmp_path: Path,
    token: Path,
    capsys: pytest.CaptureFixture[str],
    control_plane: str,
    code: int,
    reason: str,
) -> None:
    config = written(tmp_path, control_plane.replace("{url}", plane.url))
    assert run("enrol", "--config", config, "--token-file", token) == code
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "state/node/identity.json").exists()


def test_key_option_is_compared(plane: Played, tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = written(tmp_path, f'url = "{plane.url}"')
    assert run("enrol", "--config", config, "--token-file", token, "--key", "abc") == 2
    assert "--key: give the 64 hexadecimal digits" in capsys.readouterr().err
    assert plane.spoken == []
    assert run("enrol", "--config", config, "--token-file", token, "--key", 64 * "0") == 1
    assert f"its snapshots are signed with key {plane.key}, not 0000" in capsys.readouterr().err
    assert not (tmp_path / "state/node/identity.json").exists()
    plane.one_time.add(ONE_TIME)
    assert run("enrol", "--config", config, "--token-file", token, "--key", plane.key) == 0


def test_enrol_over_plain_http_needs_allow_plain(
    tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, 'url = "http://control.example.invalid"')
    assert run("enrol", "--config", config, "--token-file", token) == 1
    assert "plain HTTP to another machine exposes the token" in capsys.readouterr().err
    assert run("enrol", "--config", config, "--token-file", token, "--allow-plain") == 1
    assert "exposes the token" not in capsys.readouterr().err


def test_enrol_reads_the_token_only_from_a_file(
    plane: Played, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = written(tmp_path, f'url = "{plane.url}"')
    assert run("enrol", "--config", config, "--token-file", tmp_path / "nowhere") == 1
    assert "no such file" in capsys.readouterr().err
    assert plane.spoken == []


def test_explain_uses_the_pulled_snapshot(
    plane: Played, tmp_path: Path, token: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, f'url = "{plane.url}"\ntoken = "token"')
    pull_policy(load_config(path), None)
    assert run("explain", "--config", path, "192.0.2.1", "example.org") == 0
    assert "revision 1, example.org: refuse" in capsys.readouterr().out
    assert not (tmp_path / "state/snapshots").exists()
