"""Fixtures: nodes that call a control plane."""

from dataclasses import dataclass
from typing import Any, Self

import httpx
import pytest

from api.auth.tokens import load_key
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.nodes import service
from api.timestamps import timestamp_text
from tests.unit.api.conftest import START, Plane


@dataclass
class Machine:
    """An enrolled node with its own token and its pinned public key."""

    plane: Plane
    name: str
    token: str
    key: str

    @classmethod
    def enrolled(cls, plane: Plane, name: str, site: str = "default") -> Self:
        """Register a node and enrol it."""
        invited = plane.done("POST", "/v1/nodes", {"name": name, "site": site})["enrolment_token"]
        return cls.of(plane, invited)

    @classmethod
    def of(cls, plane: Plane, invited: str) -> Self:
        """Enrol with this token."""
        own = plane.done("POST", "/v1/nodes/enrol", {"version": "1"}, token=invited)
        return cls(plane, own["name"], own["token"], own["key"])

    def call(self, method: str, what: str, json: Any = None, tag: str | None = None) -> httpx.Response:
        """Send a request of the node, with `tag` as If-None-Match."""
        headers = {"Authorization": f"Bearer {self.token}", **({"If-None-Match": tag} if tag is not None else {})}
        return self.plane.call(method, f"/v1/nodes/self/{what}", json, headers=headers)

    def manifest(self) -> str:
        """Return the digest of the newest snapshot's manifest."""
        return str(self.call("GET", "snapshot").headers["etag"]).strip('"')

    def report(self, **changes: Any) -> int:
        """Send a valid report with `changes`. Return the highest recorded number of its journal."""
        clock = timestamp_text(int(self.plane.clock.now))
        answer = self.call("POST", "report", report(**{"manifest": self.manifest(), "clock": clock, **changes}))
        assert answer.status_code == 200, answer.text
        return int(answer.json()["journal"])

    def use(self, usage: dict[str, Any] | None) -> int | None:
        """Report usage, and store it. Return the last sequence of its stream that was stored before."""
        answer = self.call("POST", "report", report(clock=timestamp_text(int(self.plane.clock.now)), usage=usage))
        assert answer.status_code == 200, answer.text
        self.plane.app.state.fleet.usage.store_held()
        found: int | None = answer.json()["usage"]
        return found

    def stands(self) -> dict[str, Any]:
        """Return the node as the control plane shows it."""
        found: dict[str, Any] = self.plane.done("GET", f"/v1/nodes/{self.name}")
        return found


def crowd(plane: Plane, count: int) -> list[str]:
    """Return the tokens of `count` enrolled nodes, made in one transaction."""
    key = load_key(plane.settings.token_key_path)
    with plane.database.writing() as session:
        unit = UnitOfWork(session, LOCAL, int(plane.clock.now))
        rows = [service.register(unit, key, f"node-{number}", "default")[0] for number in range(count)]
        return [service.enrol(unit, key, row, "1").text for row in rows]


def report(**changes: Any) -> dict[str, Any]:
    """Return the request body of a report."""
    return {
        "revision": 0,
        "manifest": None,
        "age_s": 3,
        "version": "1",
        "engine": "compiled",
        "workers": 2,
        "clock": timestamp_text(START),
        "uptime_s": 60,
        "trouble": "",
        "suspended": [],
        "names": [],
        "load": {"queries_per_second": 12.5, "cpu_percent": 1, "memory_bytes": 2**28, "cache_entries": 9},
        "unregistered": [],
        "journal": [],
        **changes,
    }


@pytest.fixture(scope="module")
def unheard(untouched: Plane) -> Machine:
    """Return an enrolled node for the tests of a module whose reports are all rejected."""
    return Machine.enrolled(untouched, "office-1")


@pytest.fixture
def machine(plane: Plane) -> Machine:
    """Return an enrolled node."""
    return Machine.enrolled(plane, "office-1")
