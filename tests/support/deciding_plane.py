"""A control plane together with the plain list of what was decided on it."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine

from tests.support.expected_decisions import DAY, FOREVER, Ban, Decided, Span
from tests.support.expected_lists import Fixed, Pages, decided_as_shown
from tests.unit.api.conftest import Plane, catalogue, make_plane

RANGES = {
    "192.0.2.0/24": ("town", "public", "staff"),
    "192.0.2.128/25": ("town", "private", "public"),
    "198.51.100.0/24": ("zone", "public", "staff"),
    "203.0.113.0/24": ("city", "partly_public", "staff"),
}


class Acted(RuleBasedStateMachine):
    """The state and helpers that the rules of acts share."""

    def __init__(self) -> None:
        super().__init__()
        self._directory = TemporaryDirectory()
        self.plane: Plane = make_plane(Path(self._directory.name) / "state")
        self.services = {service.slug: service for service in catalogue().services}
        self.list = Decided(dict(RANGES))
        self.past: dict[int, Decided] = {}
        self.files: list[tuple[str, Decided]] = []
        self.shown: tuple[int, dict[object, Fixed]] = (0, {})
        """The revision, and what the lists showed at it."""
        self.decisions = 0

    def teardown(self) -> None:
        self.plane.database.close()
        self._directory.cleanup()

    @property
    def now(self) -> int:
        return int(self.plane.clock.now)

    def act(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Carry out an act and return its answer. Return None if it is refused, and check that it changed nothing."""
        before = self.plane.revision()
        response = self.plane.call(method, path, body, **options)
        assert response.status_code < 500, response.text
        if response.is_success:
            return response.json() if response.content else {}
        assert self.plane.revision() == before
        return None

    def decision(self, **also: str) -> dict[str, str]:
        """Return a formal decision with a new reference. So terms with equal ends stay apart."""
        self.decisions += 1
        return {"organ": "council", "reference": str(self.decisions), "legal_basis": "decree 1", **also}

    def ban(self, choice: int, among: Sequence[Ban] | None = None) -> Ban | None:
        """Return one of the bans, or None if there is none."""
        found = list(self.list.bans.values()) if among is None else among
        return found[choice % len(found)] if found else None

    def span(self, start_days: int, length: int, known: int | None = None) -> Span:
        first = self.now + start_days * DAY
        return Span(first, first + length, self.now if known is None else known)

    def read(self) -> Decided:
        return decided_as_shown(self.pages("ranges", "bans", "bindings", "exemptions"))

    def pages(self, *names: str) -> Pages:
        return {name: self.plane.done("GET", f"/v1/{name}?limit=200")["items"] for name in names}

    def instants(self, since: int) -> list[int]:
        """Return both sides of every edge from `since` on. Between two edges the list does not change."""
        edges = {edge for edge in self.list.edges() if edge < FOREVER}
        return sorted({at for edge in (self.now, *edges) for at in (edge - 1, edge) if at >= since})
