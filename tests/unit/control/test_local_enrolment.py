"""A machine with its own control plane registers and enrols its node."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from dnsfilter.config.node_config import Config
from dnsfilter.control.identity import load_identity
from dnsfilter.control.local_enrolment import NAME, join
from dnsfilter.errors import UnavailableError
from tests.support.fake_control_plane import ADMINISTRATOR, TOKEN, Played

ConfigFor = Callable[..., Config]


@pytest.fixture
def administrator(tmp_path: Path) -> Path:
    path = tmp_path / "admin-token"
    path.write_text(ADMINISTRATOR)
    return path


def joined(config: Config, administrator: Path) -> str | None:
    """Join, and return the node's token."""
    join(config.control_plane, config.node_dir, administrator)
    identity = load_identity(config.node_dir)
    return None if identity is None else identity.token


def test_first_start_registers_and_enrols(plane: Played, config_for: ConfigFor, administrator: Path) -> None:
    assert joined(config_for(plane.url), administrator) == TOKEN
    assert [each.path for each in plane.spoken] == ["/v1/nodes", "/v1/nodes/enrol"]
    assert json.loads(plane.spoken[0].body) == {"name": NAME, "site": "default"}


def test_later_start_needs_no_registration_and_no_token(
    plane: Played, config_for: ConfigFor, administrator: Path
) -> None:
    config = config_for(plane.url)
    joined(config, administrator)
    administrator.unlink()
    plane.spoken.clear()
    assert joined(config, administrator) == TOKEN
    assert [each.path for each in plane.spoken] == ["/v1/nodes/self/snapshot"]


def test_node_enrols_again_if_the_control_plane_does_not_know_it(
    plane: Played, config_for: ConfigFor, administrator: Path
) -> None:
    config = config_for(plane.url)
    joined(config, administrator)
    plane.token = f"{TOKEN}-of-a-new-database"
    plane.registered.clear()
    assert joined(config, administrator) == plane.token


def test_node_enrols_again_if_its_identity_is_lost(plane: Played, config_for: ConfigFor, administrator: Path) -> None:
    plane.registered.add(NAME)
    assert joined(config_for(plane.url), administrator) == TOKEN
    assert [each.path for each in plane.spoken][:2] == ["/v1/nodes", f"/v1/nodes/{NAME}/enrolment"]


def test_missing_administrator_token_is_an_error(plane: Played, config_for: ConfigFor, tmp_path: Path) -> None:
    config = config_for(plane.url)
    with pytest.raises(UnavailableError, match="no such file"):
        join(config.control_plane, config.node_dir, tmp_path / "nowhere")
    (tmp_path / "other").write_text("dnsf_not-the-administrator-s")
    with pytest.raises(UnavailableError, match=f"register {NAME} at .*: it answers with status 401"):
        join(config.control_plane, config.node_dir, tmp_path / "other")
    assert load_identity(config.node_dir) is None
