"""Enrolment: a one-time token becomes a complete identity, or nothing."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from dnsfilter import __version__
from dnsfilter.config.node_config import Config
from dnsfilter.control.enrolment import enrol
from dnsfilter.control.identity import IDENTITY, TokenRefused, load_identity
from dnsfilter.errors import UnavailableError
from tests.support.fake_control_plane import ONE_TIME, TOKEN, Played
from tests.support.ports import free_port

ConfigFor = Callable[..., Config]


def test_identity_is_stored_for_its_owner_alone(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url)
    identity = enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert (identity.name, identity.site, identity.token, identity.key) == ("one", "default", TOKEN, plane.key)
    assert identity.url == plane.url
    assert load_identity(config.node_dir) == identity
    (spoken,) = plane.spoken
    assert json.loads(spoken.body) == {"version": __version__}
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (config.node_dir, config.node_dir / IDENTITY)]
    assert modes == [0o700, 0o600]
    assert [path.name for path in config.node_dir.iterdir()] == [IDENTITY]


def test_token_is_accepted_once(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url)
    enrol(config.control_plane, ONE_TIME, config.node_dir)
    with pytest.raises(TokenRefused, match="it refuses this token") as caught:
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert ONE_TIME not in str(caught.value)


def test_second_enrolment_replaces_the_identity(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url)
    enrol(config.control_plane, ONE_TIME, config.node_dir)
    plane.one_time.add(ONE_TIME)
    plane.token = f"{TOKEN}-another"
    assert enrol(config.control_plane, ONE_TIME, config.node_dir).token == plane.token
    found = load_identity(config.node_dir)
    assert found is not None
    assert found.token == plane.token


def nothing_kept(config: Config) -> bool:
    return not config.node_dir.exists() or list(config.node_dir.iterdir()) == []


def test_enrolment_for_another_site_is_refused(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url, site="annex")
    with pytest.raises(
        UnavailableError, match=r"one is registered at site default, and this node is configured for annex"
    ):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)


def test_enrolment_with_another_key_is_refused(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url, key=64 * "a")
    with pytest.raises(UnavailableError, match=f"signed with key {plane.key}, not {64 * 'a'}: find out who answers"):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)
    plane.one_time.add(ONE_TIME)
    config = config_for(plane.url, key=plane.key)
    assert enrol(config.control_plane, ONE_TIME, config.node_dir).key == plane.key


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "it refuses this token"), (403, "it refuses this token"), (500, "status 500: a test says 500")],
)
def test_a_refusal_leaves_nothing(plane: Played, config_for: ConfigFor, status: int, reason: str) -> None:
    config = config_for(plane.url)
    plane.script.status = status
    with pytest.raises(UnavailableError, match=reason):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)


def test_answer_that_is_not_an_identity_leaves_nothing(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url)
    plane.token = "short"
    with pytest.raises(UnavailableError, match="its answer is not an identity"):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)


def test_unreachable_control_plane_leaves_nothing(config_for: ConfigFor) -> None:
    config = config_for(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnavailableError, match="connection refused"):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)


def test_token_is_not_used_if_the_identity_cannot_be_written(
    plane: Played, config_for: ConfigFor, tmp_path: Path
) -> None:
    config = config_for(plane.url)
    (tmp_path / "state").write_text("a file")
    with pytest.raises(UnavailableError, match=r"write .*identity\.json"):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert plane.spoken == []
