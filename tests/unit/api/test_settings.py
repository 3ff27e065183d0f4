"""Settings: where they come from, and every fault at once."""

from pathlib import Path

import pytest

from api.settings import Endpoint, parse_endpoint, parse_settings
from dnsfilter.errors import ConfigError


def test_the_command_line_comes_before_the_environment_before_the_default(tmp_path: Path) -> None:
    environ = {"DNSFILTER_API_STATE_DIR": str(tmp_path), "DNSFILTER_API_LISTEN": "[::1]:1"}
    settings = parse_settings({"listen": "127.0.0.1:2"}, environ)
    assert (settings.listen, settings.metrics_listen) == (Endpoint("127.0.0.1", 2), Endpoint("127.0.0.1", 9154))
    assert settings.database == f"sqlite:///{tmp_path}/dnsfilter.sqlite3"
    assert (settings.token_path, settings.snapshot_dir) == (tmp_path / "admin-token", tmp_path / "snapshots")


def test_every_fault_is_reported_with_its_place(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    environ = {
        "DNSFILTER_API_STATE_DIR": str(file),
        "DNSFILTER_API_METRICS_LISTEN": "9154",
        "DNSFILTER_API_DATABASE": "mysql://user:secret@127.0.0.1/x",
        "DNSFILTER_API_LISTENS": "1",
    }
    with pytest.raises(ConfigError) as caught:
        parse_settings({"listen": "127.0.0.1:99999", "init_policy": str(tmp_path / "none.toml")}, environ)
    assert [problem.place for problem in caught.value.problems] == [
        "DNSFILTER_API_LISTENS",
        "DNSFILTER_API_STATE_DIR",
        "--listen",
        "DNSFILTER_API_METRICS_LISTEN",
        "DNSFILTER_API_DATABASE",
        "--init-policy",
    ]
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "::1:8080", "a:b", "a:-1", "a:65536"])
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="port"):
        parse_endpoint(text)


def test_postgresql_is_accepted(tmp_path: Path) -> None:
    url = "postgresql+psycopg://127.0.0.1/dnsfilter"
    assert parse_settings({"state_dir": str(tmp_path), "database": url}, {}).database == url
