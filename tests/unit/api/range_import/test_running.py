"""Progress of an import: polling ends, even after a rejection, a replay and a restart."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import Request
from sqlalchemy.exc import DataError, OperationalError

from api.http.problems import of_error
from api.range_import.running import MAX_KEPT, Imports
from api.ranges.schemas import Stage
from dnsfilter.errors import UnavailableError
from tests.unit.api.conftest import Plane, make_plane, on_both_databases
from tests.unit.api.range_import.test_service import HEADER, faults, send

KEY, STATE = {"Idempotency-Key": "monday"}, "/v1/ranges/imports/monday"
TABLE = f"{HEADER}203.0.113.0/24,town,public,staff,\n"
BAD = f"{HEADER}203.0.113.1/24,town,public,staff,\n"
DONE = {"stage": "done", "done": 1, "total": 1, "problem": None}


@on_both_databases
def test_import_with_a_key_runs_once_and_reports_progress(town: Plane) -> None:
    unknown = town.call("GET", STATE)
    assert (unknown.status_code, unknown.json()["type"]) == (404, "/problems/not-found")
    first = send(town, TABLE, **KEY)
    revision = town.revision()
    assert town.done("GET", STATE) == DONE
    again = send(town, TABLE, **KEY)
    assert (again.json(), again.headers["Idempotency-Replayed"]) == (first.json(), "true")
    assert town.revision() == revision
    assert town.done("GET", STATE) == DONE
    _, other = town.account("other", ("operator", "zone"))
    assert town.call("GET", STATE, token=other).status_code == 404


def test_an_import_that_was_refused_has_failed_with_its_problem_and_can_be_sent_again(town: Plane) -> None:
    refused = send(town, BAD, **KEY)
    state = town.done("GET", STATE)
    assert (refused.status_code, state["stage"], state["problem"]) == (422, "failed", refused.json())
    assert send(town, TABLE, **KEY).status_code == 200
    assert town.done("GET", STATE) == DONE
    # Another request with that key is rejected and does not change the first.
    assert faults(send(town, TABLE, "?site=default", **KEY))[0][0] == "header.Idempotency-Key"
    assert town.done("GET", STATE)["stage"] == "done"


def test_of_many_faults_a_failed_import_keeps_the_first(town: Plane) -> None:
    rows = "".join(f"203.0.113.{last}/24,town,public,staff,\n" for last in range(1, 251))
    refused = send(town, HEADER + rows, **KEY)
    problem = town.done("GET", STATE)["problem"]
    assert (len(faults(refused)), problem["faults"]) == (250, refused.json()["faults"][:100])
    assert problem["detail"] == "250 rows cannot be imported: nothing was done"


def test_a_dry_run_is_done_and_keeps_no_key_from_the_import_after_it(town: Plane) -> None:
    assert send(town, TABLE, "?dry_run=true", **KEY).json()["registered"] == 1
    assert town.done("GET", STATE)["stage"] == "done"
    assert send(town, BAD, **KEY).status_code == 422
    assert town.done("GET", STATE)["stage"] == "failed"


def test_an_import_that_is_recorded_and_not_yet_in_force_is_done_and_says_so(
    town: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_compiled: object) -> bool:
        raise UnavailableError("publish: no space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(town.store, "publish", full)
        answer = send(town, TABLE, **KEY)
    state = town.done("GET", STATE)
    assert (answer.status_code, state["stage"], state["problem"]) == (503, "done", {**answer.json(), "faults": None})


@pytest.fixture
def restarted(town: Plane) -> Iterator[Any]:
    """Yield a function that returns the control plane after a restart."""
    planes: list[Plane] = []

    def restart() -> Plane:
        planes.append(make_plane(town.settings.state_dir))
        planes[-1].clock.now = town.clock.now
        return planes[-1]

    yield restart
    for plane in planes:
        plane.database.close()


def test_after_a_restart_what_was_recorded_is_done_for_a_day_and_nothing_else_is_known(
    town: Plane, restarted: Any
) -> None:
    send(town, TABLE, **KEY)
    send(town, BAD, **{"Idempotency-Key": "tuesday"})
    again = restarted()
    assert again.done("GET", STATE) == {"stage": "done", "done": 0, "total": 0, "problem": None}
    assert again.call("GET", "/v1/ranges/imports/tuesday").status_code == 404
    # The key of another act is not the key of an import.
    again.call(
        "PATCH", "/v1/authorities/town", {"group": "coast"}, headers={**_auth(again), "Idempotency-Key": "other"}
    )
    assert again.call("GET", "/v1/ranges/imports/other").status_code == 404
    assert send(again, TABLE, **KEY).headers["Idempotency-Replayed"] == "true"
    assert again.done("GET", STATE) == DONE
    later = restarted()
    later.clock.now += 86_400
    assert later.call("GET", STATE).status_code == 404


def _auth(plane: Plane) -> dict[str, str]:
    return {"Authorization": f"Bearer {plane.token}"}


def test_newest_and_running_imports_are_kept() -> None:
    imports, asked = Imports(), Request({"type": "http"})
    with imports.watched(asked, 1, "at work") as first, imports.watched(asked, 1, "at work"):
        for number in range(MAX_KEPT):
            with imports.watched(asked, 1, f"key {number}"):
                pass
        first.enter(Stage.RECORDING, 7)
        found = [imports.find(1, key, recorded=False) for key in ("at work", "key 0", "key 1", "key 99")]
    assert [None if one is None else str(one.stage) for one in found] == ["recording", None, "done", "done"]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (DataError("insert", {}, Exception("too large")), 422),
        (OperationalError("insert", {}, Exception("no disk")), 503),
        (RuntimeError("unexpected"), 500),
    ],
)
def test_an_import_that_fails_has_the_problem_that_the_request_is_answered_with(error: Exception, status: int) -> None:
    imports, asked = Imports(), Request({"type": "http", "request_id": "7"})
    with pytest.raises(type(error)), imports.watched(asked, 1, "monday"):
        raise error
    found = imports.find(1, "monday", recorded=False)
    assert found is not None
    assert found.problem is not None
    assert found.problem.status == status
    assert found.problem.model_dump(exclude_none=True) == json.loads(bytes(of_error(error, "7").body))
