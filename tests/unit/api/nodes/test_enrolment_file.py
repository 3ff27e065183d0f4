"""The one-time token of the control plane's own node: left once, removed when used, renewed where it is of no use."""

import os
import stat
from pathlib import Path

import pytest

from api.auth.tokens import load_key
from api.nodes.enrolment_file import invite, look_after
from api.nodes.service import ENROLMENT_S
from dnsfilter.control.local_enrolment import NAME
from tests.unit.api.conftest import Plane
from tests.unit.api.nodes.conftest import Machine


def _path(plane: Plane) -> Path:
    return plane.settings.enrolment_token_path


def _invite(plane: Plane) -> str:
    invite(plane.database, load_key(plane.settings.token_key_path), _path(plane), int(plane.clock()))
    return _path(plane).read_text().strip()


def _look_after(plane: Plane, *, restored_s: int | None = None) -> None:
    key = load_key(plane.settings.token_key_path)
    look_after(plane.database, key, _path(plane), int(plane.clock()), restored_s)


def _enrol(plane: Plane, token: str) -> int:
    return plane.call("POST", "/v1/nodes/enrol", {"version": "1"}, token=token).status_code


def test_the_node_enrols_with_the_file_which_is_gone_then(plane: Plane) -> None:
    token = _invite(plane)
    assert stat.S_IMODE(_path(plane).stat().st_mode) == 0o640
    assert plane.done("GET", f"/v1/nodes/{NAME}")["state"] == "waiting"
    Machine.enrolled(plane, "office-1")
    assert _path(plane).exists(), "which is another node"
    assert _enrol(plane, token) == 201
    assert not _path(plane).exists()


def test_a_start_registers_nothing(plane: Plane) -> None:
    _look_after(plane)
    _look_after(plane, restored_s=int(plane.clock()))
    assert plane.done("GET", "/v1/nodes")["items"] == []
    assert not _path(plane).exists()


def test_a_start_leaves_a_token_that_is_taken_and_renews_one_whose_day_is_over(plane: Plane) -> None:
    token = _invite(plane)
    _look_after(plane)
    assert _path(plane).read_text().strip() == token
    plane.clock.now += ENROLMENT_S
    assert _enrol(plane, token) == 401
    _look_after(plane)
    assert _enrol(plane, _path(plane).read_text().strip()) == 201


def test_a_start_removes_a_token_that_an_enrolled_node_does_not_need(plane: Plane) -> None:
    _enrol(plane, _invite(plane))
    _invite(plane)
    plane.clock.now += ENROLMENT_S
    _look_after(plane)
    assert not _path(plane).exists()


@pytest.mark.parametrize("left", ["no file", "a used token", "a token that was lost"])
def test_a_restored_control_plane_leaves_a_token_for_a_node_that_may_have_lost_its_own(plane: Plane, left: str) -> None:
    first = _invite(plane)
    if left == "a token that was lost":
        _path(plane).unlink()
    else:
        _enrol(plane, first)
    if left == "a used token":
        _path(plane).write_text(first)
    _look_after(plane, restored_s=int(plane.clock()))
    token = _path(plane).read_text().strip()
    assert token != first
    assert _enrol(plane, token) == 201


def test_a_node_that_has_enrolled_since_the_restore_is_left_no_further_token(plane: Plane) -> None:
    restored_s = int(plane.clock())
    _invite(plane)
    plane.clock.now += 1
    assert _enrol(plane, _path(plane).read_text().strip()) == 201
    _look_after(plane, restored_s=restored_s)
    assert not _path(plane).exists()


def test_what_is_no_file_in_its_place_stops_no_start(plane: Plane) -> None:
    os.mkfifo(_path(plane))
    _look_after(plane, restored_s=int(plane.clock()))
    assert not _path(plane).exists()


def test_a_token_that_somebody_was_given_for_the_node_stays_good(plane: Plane) -> None:
    _invite(plane)
    given = plane.done("POST", f"/v1/nodes/{NAME}/enrolment")["enrolment_token"]
    _look_after(plane)
    assert not _path(plane).exists()
    assert _enrol(plane, given) == 201


def test_a_node_that_was_removed_is_given_no_token_until_somebody_wants_it(plane: Plane) -> None:
    _invite(plane)
    plane.done("DELETE", f"/v1/nodes/{NAME}")
    _look_after(plane, restored_s=int(plane.clock()))
    assert not _path(plane).exists()
    assert _enrol(plane, _invite(plane)) == 201


def test_a_file_that_cannot_be_written_stops_no_start(plane: Plane, caplog: pytest.LogCaptureFixture) -> None:
    _enrol(plane, _invite(plane))
    _path(plane).with_name(".enrolment-token.new").mkdir()
    _look_after(plane, restored_s=int(plane.clock()))
    assert "no one-time token for this machine's node" in caplog.text
