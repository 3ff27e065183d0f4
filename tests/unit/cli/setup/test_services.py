"""Registration asks the control plane of the configuration, and prints why it cannot."""

import sys
from pathlib import Path

import pytest

from dnsfilter.cli.setup.answers import Answers
from dnsfilter.cli.setup.services import Registration
from dnsfilter.config.load import load_config
from tests.support.nodes import program


@pytest.mark.parametrize(
    ("keys", "printed"),
    [
        ('url = "http://127.0.0.1:1"', "http://127.0.0.1:1"),
        ('url = "https://127.0.0.1:1"\nca = "no-such-ca.pem"', "no-such-ca.pem"),
    ],
)
def test_without_an_answer_nothing_is_registered_and_the_reason_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, keys: str, printed: str
) -> None:
    monkeypatch.setattr(sys, "argv", [program("dnsfilter"), "setup"])
    path = tmp_path / "dnsfilter.toml"
    path.write_text(f'state_dir = "{tmp_path}"\n[upstream]\nservers = ["192.0.2.1"]\n[control_plane]\n{keys}\n')
    (tmp_path / "admin-token").write_text("dnsf_token\n")
    (tmp_path / "admin-token").chmod(0o600)
    assert not Registration(load_config(path)).register(Answers(), tmp_path / "policy.toml")
    assert printed in capsys.readouterr().err
