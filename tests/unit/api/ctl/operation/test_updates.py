"""dnsfilterctl update: what it prints, and what it asks for."""

import json

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.ctl.conftest import Ctl, listening
from tests.unit.api.updates.proposals import in_force, own_service, update_of

pytestmark = pytest.mark.heavy


def test_updates_are_shown_and_decided(town: Plane, ctl: Ctl) -> None:
    own_service(town, "a.example")
    update_of(town, "a.example", "b.example", "kbc.be")
    with listening(town.app) as url:

        def run(*words: str) -> str:
            found = ctl("--api", url, "--token-file", str(town.settings.token_path), *words)
            assert found.code == 0, found.err
            return found.out

        assert "town:games" in run("update", "list", "--state", "held_back")
        shown = run("update", "show", "1")
        assert "kbc.be hits kbc.be (popular-belgian.txt)" in shown
        assert "2 added, 0 removed, 0 only monitored" in shown
        assert [each["name"] for each in json.loads(run("--json", "update", "show", "1"))["names"]] == [
            "b.example",
            "kbc.be",
        ]
        run("update", "object", "1", "kbc.be", "--reason", "a bank")
        listed = run("update", "objections", "--service", "town:games")
        assert [line.split() for line in listed.splitlines()][1][:2] == ["town:games", "kbc.be"]
        assert "administrator (account 1)  a bank" in listed
        assert "pending" in run("update", "accept", "1", "--note", "the rest is right")
        assert "b.example  and below" in run("update", "show", "1")
        run("update", "accept", "1")
        withdrawn = run("update", "withdraw", "town:games", "kbc.be", "--reason", "it is wanted")
        assert withdrawn == "withdrew the objection to kbc.be of town:games\n"
        assert json.loads(run("--json", "update", "objections"))["items"] == []
    assert in_force(town) == {"a.example": None, "b.example": None}
