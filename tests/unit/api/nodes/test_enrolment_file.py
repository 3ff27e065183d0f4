"""The one-time token for the control plane's own node: written once, removed when used, renewed when expired."""

import os
import stat
from pathlib import Path

import pytest

from api.auth.tokens import load_key
from api.nodes.enrolment_file import invite, maintain_enrolment_file
from api.nodes.service import ENROLMENT_S
from dnsfilter.control.local_enrolment import NAME
from tests.unit.api.conftest import Plane
from tests.unit.api.nodes.conftest import Machine


def _path(plane: Plane) -> Path:
    return plane.settings.enrolment_token_path


def _invite(plane: Plane) -> str:
    invite(plane.database, load_key(plane.settings.token_key_path), _path(plane), int(plane.clock()))
    return _path(plane).read_text().strip()


def _maintain(plane: Plane, *, restored_s: int | None = None) -> None:
    key = load_key(plane.settings.token_key_path)
    maintain_enrolment_file(plane.database, key, _path(plane), int(plane.clock()), restored_s)


def _enrol(plane: Plane, token: str) -> int:
    return plane.call("POST", "/v1/nodes/enrol", {"version": "1"}, token=token).status_code


def test_node_enrols_with_the_file_and_the_file_is_removed(plane: Plane) -> None:
    token = _invite(plane)
    assert stat.S_IMODE(_path(plane).stat().st_mode) == 0o640
    assert plane.done("GET", f"/v1/nodes/{NAME}")["state"] == "waiting"
    Machine.enrolled(plane, "office-1")
    assert _path(plane).exists(), "which is another node"
    assert _enrol(plane, token) == 201
    assert not _path(plane).exists()


def test_start_registers_no_node(plane: Plane) -> None:
    _maintain(plane)
    _maintain(plane, restored_s=int(plane.clock()))
    assert plane.done("GET", "/v1/nodes")["items"] == []
    assert not _path(plane).exists()


def test_start_keeps_a_valid_token_and_renews_an_expired_one(plane: Plane) -> None:
    token = _invite(plane)
    _maintain(plane)
    assert _path(plane).read_text().strip() == token
    plane.clock.now += ENROLMENT_S
    assert _enrol(plane, token) == 401
    _maintain(plane)
    assert _enrol(plane, _path(plane).read_text().strip()) == 201


def test_start_removes_the_token_of_an_enrolled_node(plane: Plane) -> None:
    _enrol(plane, _invite(plane))
    _invite(plane)
    plane.clock.now += ENROLMENT_S
    _maintain(plane)
    assert not _path(plane).exists()


@pytest.mark.parametrize("left", ["no file", "a used token", "a token that was lost"])
def test_start_after_a_restore_writes_a_token_for_an_enrolled_node(plane: Plane, left: str) -> None:
    first = _invite(plane)
    if left == "a token that was lost":
        _path(plane).unlink()
    else:
        _enrol(plane, first)
    if left == "a used token":
        _path(plane).write_text(first)
    _maintain(plane, restored_s=int(plane.clock()))
    token = _path(plane).read_text().strip()
    assert token != first
    assert _enrol(plane, token) == 201


def test_node_enrolled_after_the_restore_gets_no_further_token(plane: Plane) -> None:
    restored_s = int(plane.clock())
    _invite(plane)
    plane.clock.now += 1
    assert _enrol(plane, _path(plane).read_text().strip()) == 201
    _maintain(plane, restored_s=restored_s)
    assert not _path(plane).exists()


def test_start_continues_if_the_path_is_not_a_file(plane: Plane) -> None:
    os.mkfifo(_path(plane))
    _maintain(plane, restored_s=int(plane.clock()))
    assert not _path(plane).exists()


def test_start_keeps_a_token_that_was_given_out_for_the_node(plane: Plane) -> None:
    _invite(plane)
    given = plane.done("POST", f"/v1/nodes/{NAME}/enrolment")["enrolment_token"]
    _maintain(plane)
    assert not _path(plane).exists()
    assert _enrol(plane, given) == 201


def test_removed_node_gets_no_token_until_it_is_invited_again(plane: Plane) -> None:
    _invite(plane)
    plane.done("DELETE", f"/v1/nodes/{NAME}")
    _maintain(plane, restored_s=int(plane.clock()))
    assert not _path(plane).exists()
    assert _enrol(plane, _invite(plane)) == 201


def test_start_continues_if_the_file_cannot_be_written(plane: Plane, caplog: pytest.LogCaptureFixture) -> None:
    _enrol(plane, _invite(plane))
    _path(plane).with_name(".enrolment-token.new").mkdir()
    _maintain(plane, restored_s=int(plane.clock()))
    assert "cannot write a one-time token for the node of this machine" in caplog.text
