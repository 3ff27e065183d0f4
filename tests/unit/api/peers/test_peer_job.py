"""Other installations: what is held of them, what breaks, and who sees it."""

import json
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from api.chain.checkpoint import Checkpoint, Statement, public_text
from api.feeds.failures import Failure, FetchError
from api.feeds.fetching import Fetched, Fetcher, Validators
from api.notices.kinds import Kind
from api.notices.letters import Names, letter
from api.peers.peer_job import MAX_REGISTER, NO_CHECKPOINT, NO_REGISTER, PeerFigures, PeerJob
from api.peers.state import EVERY_S, REPEATED
from tests.support.certificates import Authority
from tests.support.feed_server import feed_server
from tests.unit.api.conftest import Plane, on_both_databases
from tests.unit.api.notices.support import begun, new_kinds, rows

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
URL = "https://dns.example.org/v1/register/harbour"
PEER = "/v1/peers/harbour"
FIRST = Statement(7, "a" * 32, 40, "b" * 64, "2026-09-21T14:00:00Z")
SECOND = replace(FIRST, number=8, seq=44, hash="c" * 64)
FORK = replace(FIRST, number=8, seq=43, hash="d" * 64)


class Scripted(Fetcher):
    """Fetch what a test says, without a server."""

    content: bytes | None = None

    def fetch(self, source: str, known: Validators) -> Fetched | None:
        if self.content is None:
            raise FetchError(Failure.STATUS, f"{source} answered 404")
        return Fetched(self.content, known)


class Peer:
    """A peer of a control plane, and what fetches its register."""

    def __init__(self, plane: Plane) -> None:
        self.plane = plane
        self.fetcher = Scripted()
        self.job = PeerJob(plane.database, self.fetcher, plane.clock)
        plane.done("PUT", PEER, {"url": URL, "key": public_text(KEY)})

    def show(self, found: Checkpoint | None) -> dict[str, Any]:
        """Let the peer publish a checkpoint, fetch it after an hour, and return the peer."""
        checkpoint = None if found is None else found.fields
        return self.fetched(json.dumps({"authority": "harbour", "checkpoint": checkpoint}).encode())

    def fetched(self, content: bytes | None) -> dict[str, Any]:
        self.fetcher.content = content
        self.plane.clock.now += EVERY_S
        self.job.round()
        found: dict[str, Any] = self.plane.done("GET", PEER)
        return found

    def held(self) -> list[tuple[int, str, bool]]:
        items = self.plane.done("GET", f"{PEER}/checkpoints")["items"]
        return [(each["checkpoint"], each["hash"][0], each["contradicts"]) for each in items]


@pytest.fixture
def peer(town: Plane) -> Peer:
    return Peer(town)


@on_both_databases
def test_checkpoints_that_continue_are_held_once_each(peer: Peer) -> None:
    assert peer.plane.done("GET", PEER)["state"] == "new"
    for found in (FIRST, FIRST, SECOND):
        shown = peer.show(found.signed_by(KEY))
    assert (shown["state"], shown["checkpoints"], shown["checkpoint"], shown["hash"]) == ("continues", 2, 8, "c" * 64)
    assert shown["seen"] == shown["good"]
    assert peer.held() == [(8, "c", False), (7, "b", False)]
    (listed,) = peer.plane.done("GET", "/v1/peers")["items"]
    assert listed == shown


def test_two_hashes_of_one_number_are_kept_as_evidence_and_need_a_person(peer: Peer) -> None:
    notices = begun(peer.plane)
    for found in (FIRST, SECOND, FORK, FORK):
        shown = peer.show(found.signed_by(KEY))
    assert shown["state"] == "broken"
    assert shown["broken"] == "checkpoint 8 was made twice, of entries 44 and 43"
    assert (shown["checkpoints"], shown["hash"]) == (2, "c" * 64)
    assert peer.held() == [(8, "d", True), (8, "c", False), (7, "b", False)]
    (first,) = peer.plane.done("GET", "/v1/attention")["matters"]
    assert (first["matter"], first["first"][0]["object"]) == ("peer_broken", "peer/harbour")
    assert first["first"][0]["at"] == shown["broken_since"]
    acts = peer.plane.done("GET", "/v1/audit?act=peer.break")["items"]
    assert [act["after"]["broken"] for act in acts] == [shown["broken"]]
    assert new_kinds(peer.plane, notices.look) == [("peer_broken", None)]
    text = letter(Kind.PEER_BROKEN, rows(peer.plane)[0].facts, None, Names({}, {})).text
    assert "dnsfilterctl peer show harbour" in text


def test_only_auditors_and_administrators_learn_that_a_peer_is_broken(peer: Peer) -> None:
    peer.show(FIRST.signed_by(KEY))
    peer.show(replace(FIRST, hash="e" * 64).signed_by(KEY))
    _, operator = peer.plane.account("desk", ("operator", "town"))
    assert peer.plane.done("GET", "/v1/attention", token=operator)["matters"] == []


def test_a_break_lasts_until_an_administrator_begins_again(peer: Peer) -> None:
    peer.show(SECOND.signed_by(KEY))
    assert peer.show(FIRST.signed_by(KEY))["state"] == "broken"
    assert peer.show(replace(SECOND, number=9).signed_by(KEY))["state"] == "broken"
    assert peer.held() == [(9, "c", False), (8, "c", False)]
    peer.plane.done("PUT", PEER, {"url": URL, "key": public_text(KEY)})
    assert peer.show(replace(SECOND, number=10).signed_by(KEY))["state"] == "continues"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "dns.example.org: it does not answer with a register: check the URL in a browser"),
        (b"<html>", NO_REGISTER),
        (b"[" * 100_000, NO_REGISTER),
        (b'{"items": []}', NO_REGISTER),
        (b'{"checkpoint": null}', NO_CHECKPOINT),
        (b'{"checkpoint": 12}', "its checkpoint cannot be read: not a checkpoint: fields are missing or unknown"),
    ],
    ids=["status", "page", "nesting", "other JSON", "no checkpoint", "number"],
)
def test_what_cannot_be_read_changes_nothing_that_is_held(peer: Peer, content: bytes | None, reason: str) -> None:
    peer.show(FIRST.signed_by(KEY))
    shown = peer.fetched(content)
    assert (shown["state"], shown["failures"], shown["failure"], shown["checkpoints"]) == ("continues", 1, reason, 1)


def test_a_peer_that_fails_repeatedly_is_failing_and_recovers(peer: Peer) -> None:
    states = [peer.fetched(None)["state"] for _ in range(REPEATED)]
    assert states == ["new"] * (REPEATED - 1) + ["failing"]
    assert peer.show(FIRST.signed_by(KEY))["state"] == "continues"


def test_figures_have_the_age_of_the_last_good_fetch_and_whether_a_peer_is_broken(peer: Peer) -> None:
    assert peer.job.figures() == [PeerFigures("harbour", 0, False)]
    peer.show(SECOND.signed_by(KEY))
    assert peer.job.figures() == [PeerFigures("harbour", 0, False)]
    peer.fetched(None)
    assert peer.job.figures() == [PeerFigures("harbour", EVERY_S, False)]
    peer.show(FIRST.signed_by(KEY))
    assert peer.job.figures() == [PeerFigures("harbour", 0, True)]
    peer.plane.done("DELETE", PEER)
    assert peer.job.figures() == []


def test_a_peer_that_ended_is_not_fetched_and_keeps_what_is_held(peer: Peer) -> None:
    peer.show(FIRST.signed_by(KEY))
    peer.plane.done("DELETE", PEER)
    assert peer.show(SECOND.signed_by(KEY))["state"] == "ended"
    assert peer.held() == [(7, "b", False)]
    assert peer.plane.call("DELETE", PEER).status_code == 409


def test_a_register_of_this_program_is_what_a_peer_reads(peer: Peer) -> None:
    made = peer.plane.done("POST", "/v1/audit/checkpoints")
    peer.plane.done("PATCH", "/v1/authorities/town", {"public_register": True})
    peer.plane.done("PUT", PEER, {"url": URL, "key": made["key"]})
    shown = peer.fetched(peer.plane.call("GET", "/v1/register/town", headers={}).content)
    assert (shown["state"], shown["checkpoint"]) == ("continues", made["checkpoint"])
    (held,) = peer.plane.done("GET", f"{PEER}/checkpoints")["items"]
    assert {name: held[name] for name in made.keys() & held.keys()} == {
        name: value for name, value in made.items() if name != "delivered"
    }


def test_the_public_register_says_what_is_held(peer: Peer) -> None:
    peer.plane.done("PATCH", "/v1/authorities/town", {"public_register": True})
    peer.show(FIRST.signed_by(KEY))
    (held,) = peer.plane.done("GET", "/v1/register/town", headers={})["holds"]
    assert (held["name"], held["url"], held["checkpoints"], held["hash"]) == ("harbour", URL, 1, "b" * 64)
    assert held["continues"] is True
    peer.show(replace(FIRST, hash="e" * 64).signed_by(KEY))
    (held,) = peer.plane.done("GET", "/v1/register/town", headers={})["holds"]
    assert (held["continues"], held["hash"]) == (False, "b" * 64)
    assert "/register/harbour" in peer.plane.call("GET", "/register/town", headers={}).text
    peer.plane.done("DELETE", PEER)
    peer.plane.clock.now += EVERY_S
    assert peer.plane.done("GET", "/v1/register/town", headers={})["holds"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"url": "http://dns.example.org/v1/register/harbour", "key": "a" * 64},
        {"url": "https://user:secret@dns.example.org/v1/register/harbour", "key": "a" * 64},
        {"url": URL, "key": "A" * 64},
        {"url": URL, "key": "a" * 63},
        {"url": URL},
    ],
)
def test_a_peer_needs_a_secure_url_and_a_key(town: Plane, body: dict[str, str]) -> None:
    assert town.call("PUT", PEER, body).status_code == 422


@pytest.mark.heavy
def test_a_register_on_loopback_needs_its_network_in_the_settings(
    town: Plane, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path_factory.mktemp("peer")
    authority = Authority(directory)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca))
    with feed_server(authority, directory) as server:
        server.content = json.dumps({"checkpoint": FIRST.signed_by(KEY).fields}).encode()
        town.done("PUT", PEER, {"url": server.url("good"), "key": public_text(KEY)})
        PeerJob(town.database, Fetcher(most=MAX_REGISTER), town.clock).round()
        assert "name its network in DNSFILTER_API_FEED_NETWORKS" in town.done("GET", PEER)["failure"]
        town.clock.now += EVERY_S
        for most, failure in ((len(server.content) - 1, "localhost: the register has more than"), (MAX_REGISTER, "")):
            PeerJob(town.database, Fetcher((ip_network("127.0.0.0/8"),), most=most), town.clock).round()
            assert town.done("GET", PEER)["failure"].startswith(failure)
            town.clock.now += EVERY_S
        assert town.done("GET", PEER)["state"] == "continues"
