"""Registration asks the control plane of the configuration, and prints why it cannot."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dnsfilter.cli.setup.answers import Answers
from dnsfilter.cli.setup.services import Registration
from dnsfilter.config.load import load_config
from dnsfilter.errors import UnavailableError
from tests.support.nodes import program


@pytest.fixture
def registration_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Registration]:
    """Return a function that makes a registration at a control plane, with the keys of that table."""
    monkeypatch.setattr(sys, "argv", [program("dnsfilter"), "setup"])
    (tmp_path / "admin-token").write_text("dnsf_token\n")
    (tmp_path / "admin-token").chmod(0o600)

    def make(keys: str) -> Registration:
        path = tmp_path / "dnsfilter.toml"
        path.write_text(f'state_dir = "{tmp_path}"\n[upstream]\nservers = ["192.0.2.1"]\n[control_plane]\n{keys}\n')
        return Registration(load_config(path))

    return make


def test_without_an_answer_nothing_is_registered_and_the_reason_is_printed(
    registration_at: Callable[[str], Registration], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert not registration_at('url = "http://127.0.0.1:1"').register(Answers(), tmp_path / "policy.toml")
    assert "http://127.0.0.1:1" in capsys.readouterr().err


def test_an_answer_or_setting_that_is_a_fault_is_an_error(
    registration_at: Callable[[str], Registration], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    registration = registration_at('url = "https://127.0.0.1:1"\nca = "no-such-ca.pem"')
    with pytest.raises(UnavailableError, match="see above"):
        registration.register(Answers(), tmp_path / "policy.toml")
    assert "no-such-ca.pem" in capsys.readouterr().err
