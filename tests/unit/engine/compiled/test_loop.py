"""A batch of datagrams in which one goes wrong."""

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


def test_a_question_that_fails_in_python_costs_no_other_its_reply(monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_those_whose_replies_python_cuts_share_one_look_up_of_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
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
