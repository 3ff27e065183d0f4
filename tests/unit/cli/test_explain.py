"""`dnsfilter explain` for a fleet: by its label or a token, and what is wrong input."""

import json
import time
from pathlib import Path

import pytest

from dnsfilter.cli.main import main
from tests.unit.config.test_fleet_tables import AUTHORITY, FLEET, TOKEN

pytestmark = [pytest.mark.heavy, pytest.mark.real_clock]

BAN = """
[[ban]]
authority = "ghent"
service = "tiktok"
mode = "enforce"
[[ban.term]]
start = 2023-01-01
review_by = 2199-01-01
"""
NAMES = f'names = [{{ token = "{TOKEN}" }}, {{ token = "{TOKEN}-new", from = 2199-01-01 }}]\n'


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    config, policy = tmp_path / "dnsfilter.toml", tmp_path / "policy.toml"
    config.write_text('listen = ["127.0.0.1:5300"]\nstate_dir = "state"\n[upstream]\nservers = ["192.0.2.53"]\n')
    policy.write_text(AUTHORITY + FLEET + NAMES + BAN)
    return ["--config", str(config), "--policy", str(policy)]


def explain(files: list[str], *arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["explain", *arguments, *files])
    assert isinstance(ended.value.code, int)
    return ended.value.code


@pytest.mark.parametrize("fleet", ["phones", TOKEN])
def test_fleet_is_decided_as_its_range(files: list[str], capsys: pytest.CaptureFixture[str], fleet: str) -> None:
    assert explain(files, "--fleet", fleet, "www.tiktok.com") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("fleet: phones (100::")
    assert "refuse by ban 1 on tiktok for a client of ghent" in second
    assert explain(files, "www.tiktok.com", "--fleet", fleet, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["fleet"], found["fleet_has_name"], found["verdict"]) == ("phones", True, "refuse")


def test_fleet_without_a_valid_name_gets_no_answer(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    policy = Path(files[-1])
    policy.write_text(policy.read_text().replace(f'"{TOKEN}" }}', f'"{TOKEN}", end = 2023-06-01 }}'))
    assert explain(files, "--fleet", "phones", "www.tiktok.com") == 0
    assert capsys.readouterr().out.splitlines()[1].startswith("no name of this fleet is valid")
    assert explain(files, "--fleet", "phones", "www.tiktok.com", "--json") == 0
    assert json.loads(capsys.readouterr().out)["fleet_has_name"] is False


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--fleet", "laptops", "a.example"), 'no fleet "laptops" at this site: its fleets are "phones"'),
        (("--fleet", f"{TOKEN}-new", "a.example"), "this token does not hold yet"),
        (("192.0.2.1", "a.example", "--fleet", "phones"), "give either the client's address"),
        (("a.example",), "the following arguments are required: name"),
    ],
)
def test_wrong_input_says_what_to_give(
    files: list[str], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], fault: str
) -> None:
    assert explain(files, *arguments) == 2
    assert fault in capsys.readouterr().err


def test_options_may_stand_between_client_and_name(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert explain(files, "192.0.2.1", "--at", time.strftime("%Y-%m-%d"), "a.example") == 0
    assert "no registered range" in capsys.readouterr().out
