"""A batch of datagrams in which one goes wrong."""

from typing import NoReturn

import dns.message
import pytest

from dnsfilter.engine.slow_path import SlowPath
from tests.contract.cases import internet, office
from tests.support.engines import GHENT, query, running

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
