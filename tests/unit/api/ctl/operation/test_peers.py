"""dnsfilterctl peer: set, list, show and end, and what is held for `audit verify`."""

import json

import pytest

from api.feeds.fetching import Fetched, Fetcher, Validators
from api.peers.peer_job import PeerJob
from tests.unit.api.conftest import Plane
from tests.unit.api.ctl.conftest import Ctl, listening

pytestmark = pytest.mark.heavy
URL = "https://dns.example.org/v1/register/town"


class Scripted(Fetcher):
    """Fetch the register of a control plane, without a server."""

    content = b""

    def fetch(self, source: str, known: Validators) -> Fetched | None:
        return Fetched(self.content, known)


def test_peer_is_set_shown_and_ended_and_its_checkpoints_verify_an_export(town: Plane, ctl: Ctl) -> None:
    town.done("PATCH", "/v1/authorities/town", {"public_register": True})
    made = town.done("POST", "/v1/audit/checkpoints")
    fetcher = Scripted()
    fetcher.content = town.call("GET", "/v1/register/town", headers={}).content
    with listening(town.app) as url:

        def run(*words: str) -> str:
            found = ctl("--api", url, "--token-file", str(town.settings.token_path), *words)
            assert found.code == 0, found.err
            return found.out

        assert run("peer", "list") == ""
        assert "last fetch  none yet" in run("peer", "set", "harbour", URL, "--key", made["key"])
        PeerJob(town.database, fetcher, town.clock).round()
        shown = run("peer", "show", "harbour")
        assert f"checkpoint {made['checkpoint']}: entry {made['seq']} has the hash {made['hash']}" in shown
        assert "continues  1" in run("peer", "list")
        assert made["hash"] in run("peer", "checkpoints", "harbour")
        signed = {name: value for name, value in made.items() if name != "delivered"}
        assert json.loads(run("peer", "checkpoints", "harbour", "--held")) == signed
        assert run("peer", "end", "harbour") == "ended harbour: its checkpoints stay\n"
        assert "state       ended" in run("peer", "show", "harbour")
