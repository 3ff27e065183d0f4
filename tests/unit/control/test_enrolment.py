"""A one-time token for an identity: whole, kept, or nothing."""

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


def test_what_the_control_plane_gives_is_kept_for_its_owner_alone(plane: Played, config_for: ConfigFor) -> None:
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


def test_a_token_is_taken_once(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url)
    enrol(config.control_plane, ONE_TIME, config.node_dir)
    with pytest.raises(TokenRefused, match="does not take this token") as caught:
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert ONE_TIME not in str(caught.value)


def test_whoever_enrols_again_is_somebody_else_from_then_on(plane: Played, config_for: ConfigFor) -> None:
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


def test_another_site_than_the_configured_one_is_refused(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url, site="annex")
    with pytest.raises(
        UnavailableError, match=r"one is registered at site default, and this node is configured for annex"
    ):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)


def test_another_key_than_the_configured_one_is_refused(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url, key=64 * "a")
    with pytest.raises(UnavailableError, match=f"signed under {plane.key}, not under {64 * 'a'}: find out who answers"):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)
    plane.one_time.add(ONE_TIME)
    config = config_for(plane.url, key=plane.key)
    assert enrol(config.control_plane, ONE_TIME, config.node_dir).key == plane.key


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "does not take this token"), (403, "does not take this token"), (500, "status 500: a test says 500")],
)
def test_a_refusal_leaves_nothing(plane: Played, config_for: ConfigFor, status: int, reason: str) -> None:
    config = config_for(plane.url)
    plane.script.status = status
    with pytest.raises(UnavailableError, match=reason):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)


def test_an_answer_that_is_no_identity_leaves_nothing(plane: Played, config_for: ConfigFor) -> None:
    config = config_for(plane.url)
    plane.token = "short"
    with pytest.raises(UnavailableError, match="its answer is no identity"):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)


def test_nobody_there_leaves_nothing(config_for: ConfigFor) -> None:
    config = config_for(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnavailableError, match="connection refused"):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert nothing_kept(config)


def test_where_nothing_can_be_written_no_token_is_spent(plane: Played, config_for: ConfigFor, tmp_path: Path) -> None:
    config = config_for(plane.url)
    (tmp_path / "state").write_text("a file")
    with pytest.raises(UnavailableError, match=r"write .*identity\.json"):
        enrol(config.control_plane, ONE_TIME, config.node_dir)
    assert plane.spoken == []
