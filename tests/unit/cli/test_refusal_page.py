"""`dnsfilter refusal-page`: where it listens."""

import socket
from pathlib import Path

import pytest

from tests.unit.cli.test_main import config, run

__all__ = ["config"]


def test_without_an_address_and_without_systemd_it_says_what_to_do(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("refusal-page", "--config", config) == 2
    assert "give --listen ADDRESS, or start dnsfilter-refusal-page.socket" in capsys.readouterr().err


def test_an_address_that_is_in_use_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert run("refusal-page", "--config", config, "--listen", address) == 1
    assert f"listen at {address}" in capsys.readouterr().err
