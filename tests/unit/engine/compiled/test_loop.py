"""Batches of datagrams of which some need the slow path."""

from collections.abc import Sequence
from typing import NoReturn

import dns.flags
import dns.message
import pytest

from dnsfilter.engine.slow_path.slow_path import SlowPath
from dnsfilter.policy.model import WireName
from dnsfilter.snapshot.reader import Matched, Snapshot
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, query, running
from tests.support.scripted import Scripted, says

pytest.importorskip("dnsfilter.engine._engine")


def test_exception_in_the_slow_path_does_not_affect_other_replies(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> NoReturn:
        raise ArithmeticError("for a test")

    with running("compiled", office(), internet()) as rig:
        before, after = (query("www.tiktok.com") for _ in range(2))
        clients = [rig.send(wire, GHENT) for wire in (before, query("health.dnsfilter.internal"), after)]
        monkeypatch.setattr(SlowPath, "decide_message", failing)
        with pytest.raises(ArithmeticError, match="for a test"):
            rig.engine.poll(8)
        for client, wire in ((clients[0], before), (clients[2], after)):
            assert rig.wait(client).question == dns.message.from_wire(wire).question


def test_queries_with_truncated_replies_share_one_lookup_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[Sequence[WireName]] = []
    match_all = Snapshot.match_all

    def counting(snapshot: Snapshot, names: Sequence[WireName]) -> tuple[Matched, ...]:
        looked_up.append(names)
        return match_all(snapshot, names)

    many = tuple(f"many.example.org. 300 A 198.51.100.{number}" for number in range(50))
    with running("compiled", office(), Scripted(says({("many.example.org", "A"): many}))) as rig:
        clients = [rig.send(query("many.example.org", edns=False), GHENT) for _ in range(5)]
        rig.engine.poll(8)
        monkeypatch.setattr(Snapshot, "match_all", counting)
        assert all(rig.wait(client).flags & dns.flags.TC for client in clients)
    assert len(rig.upstream.asked) == len(looked_up) == 1
