"""Changes that take effect with a reload, and changes that need a restart."""

from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest

from dnsfilter.config.node_config import Config, ControlPlane, Endpoint
from dnsfilter.errors import ConfigError
from dnsfilter.supervisor.reload_steps import check_listen, check_reloadable


def test_other_keys_change_with_a_reload(config_for: Callable[..., Config]) -> None:
    running = config_for("http://192.0.2.1")
    listen = (Endpoint(ip_address("192.0.2.53"), 53),)
    check_reloadable(replace(running, workers=running.workers + 1, listen=listen, default_listen=False), running)


def test_file_without_listen_removes_no_address(config_for: Callable[..., Config]) -> None:
    empty = config_for("http://192.0.2.1")
    running = replace(empty, default_listen=False, listen=(Endpoint(ip_address("192.0.2.53"), 53), *empty.listen))
    with pytest.raises(ConfigError, match=r"^listen: .*default 127\.0\.0\.1:53.* would drop 192\.0\.2\.53:53"):
        check_reloadable(empty, running)
    with pytest.raises(ConfigError):
        check_listen(empty, running.listen)
    check_reloadable(replace(running, listen=empty.listen), running)
    check_reloadable(empty, replace(running, listen=empty.listen))


def test_keys_that_need_a_restart_are_refused_and_named(config_for: Callable[..., Config], tmp_path: Path) -> None:
    running = config_for("http://192.0.2.1")
    new = replace(
        running,
        workers=running.workers + 1,
        metrics_listen=Endpoint(ip_address("192.0.2.1"), 1),
        state_dir=tmp_path / "elsewhere",
        user="another",
        control_plane=ControlPlane("https://192.0.2.2", tmp_path, "annex", tmp_path),
    )
    with pytest.raises(ConfigError) as refused:
        check_reloadable(new, running)
    keys = ("url", "token", "site", "ca")
    assert [problem.location for problem in refused.value.problems] == [
        *("metrics_listen", "state_dir", "user"), *(f"control_plane.{key}" for key in keys),
    ]  # fmt: skip
    assert "type systemctl restart dnsfilter" in str(refused.value)
