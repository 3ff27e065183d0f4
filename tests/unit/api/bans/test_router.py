"""How often one request loads and reads a ban, and which files a toggle runs."""

import re
import sys
import threading
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import event

from api.bans import reading, service
from api.bans.schemas import BanRead, ShownBan
from api.bans.state import ModeSetting
from tests.unit.api.conftest import Plane

PROJECT = Path(__file__).parents[4]
BAN = "/v1/authorities/town/bans/beta"
ADOPTION = {"decision": {"reference": "r1", "legal_basis": "the law"}, "terms": [{"for": "6 months"}]}
RENEWAL = {"for": "9 months", "decision": {"reference": "r2"}}


def _walk(town: Plane, method: str, path: str, body: Any, patch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often a request selects rows of bans and of terms with all columns, and reads a ban.

    It is read for the answer (`BanRead`) and for the audit log (`ShownBan`).
    """
    counted: Counter[str] = Counter()

    def executed(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        counted["loads"] += statement.startswith("SELECT bans.number, bans.authority")
        counted["loads of terms"] += statement.startswith("SELECT terms.")

    def answered(**fields: Any) -> BanRead:
        counted["answers"] += 1
        return BanRead(**fields)

    def shown(**fields: Any) -> ShownBan:
        counted["shown"] += 1
        return ShownBan(**fields)

    def switched(*known: Any) -> ModeSetting:
        counted["mode settings"] += 1
        return switch(*known)

    switch = service._switched
    with patch.context() as patched:
        patched.setattr(reading, "BanRead", answered)
        patched.setattr(reading, "ShownBan", shown)
        patched.setattr(service, "_switched", switched)
        event.listen(town.database.engine, "before_cursor_execute", executed)
        try:
            town.done(method, path, body)
        finally:
            event.remove(town.database.engine, "before_cursor_execute", executed)
    return +counted


@pytest.mark.parametrize(
    ("method", "path", "body", "shown", "settings"),
    [
        ("GET", "", None, 0, 0),
        # Once before each act and once after the last, for the audit log.
        ("PUT", "", {"mode": "off"}, 2, 1),
        ("PATCH", "", {"mode": "off"}, 2, 1),
        ("PATCH", "", {"mode": "enforce"}, 1, 1),
        ("POST", "/terms", RENEWAL, 2, 0),
        ("POST", "/end", {"reason": "it is over"}, 2, 0),
        # The reply, the scope and the mode are separate acts.
        ("PATCH", "", {"mode": "off", "funding": ["public"], "reply": "nxdomain"}, 4, 1),
    ],
    ids=["read", "toggle by PUT", "toggle by PATCH", "nothing differs", "renew", "end", "three acts"],
)
def test_a_ban_is_loaded_its_mode_computed_and_its_answer_read_once(
    town: Plane, method: str, path: str, body: Any, shown: int, settings: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    town.done("PUT", BAN, ADOPTION)
    walked = _walk(town, method, f"{BAN}{path}", body, monkeypatch)
    expected = Counter({"loads": 1, "loads of terms": 1, "answers": 1, "shown": shown, "mode settings": settings})
    assert walked == +expected


def test_a_list_loads_and_renders_each_ban_once(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    town.done("PUT", BAN, ADOPTION)
    count = len(town.done("GET", "/v1/bans")["items"])
    walked = _walk(town, "GET", "/v1/bans", None, monkeypatch)
    assert walked == {"loads": 1, "loads of terms": 1, "answers": count}


def _documented() -> list[str]:
    """Return the files of a toggle that ARCHITECTURE.md lists, up to those on the node."""
    journey = re.search(r"^\| a toggle \| (.*?); on the node", (PROJECT / "ARCHITECTURE.md").read_text(), re.M)
    assert journey
    names = re.findall(r"`([\w/]+\.py)`", journey[1])
    return [name if (PROJECT / name).exists() else f"dnsfilter/{name}" for name in names]


def test_a_toggle_runs_the_files_of_architecture_in_their_order(town: Plane) -> None:
    town.done("PUT", BAN, ADOPTION)
    files = {str(PROJECT / name): name for name in _documented()}
    entered: list[str] = []

    def noted(frame: FrameType, event: str, _argument: object) -> None:
        name = files.get(frame.f_code.co_filename)
        if event == "call" and name is not None and name not in entered:
            entered.append(name)

    # A request starts the threads in which its route and its dependencies run.
    threading.setprofile(noted)
    sys.setprofile(noted)
    try:
        town.done("PATCH", BAN, {"mode": "off"})
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    assert entered == list(files.values())


@pytest.mark.parametrize("path", ["/v1/authorities/Bad!/bans/beta", "/v1/authorities/town/bans/Bad!"])
def test_a_fault_in_the_path_is_named_once(town: Plane, path: str) -> None:
    refused = town.call("PATCH", path, {"mode": "off"})
    assert (refused.status_code, len(refused.json()["faults"])) == (422, 1)
