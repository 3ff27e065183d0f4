"""Learning mode has one log line when it begins and one when it ends."""

import logging
from ipaddress import ip_network

import pytest

from dnsfilter.config.node_config import Clients, Unregistered
from dnsfilter.supervisor.vitals.node_vitals import LearningLog
from tests.support.policies import NOW

LEARNING = Clients(Unregistered.LEARN, (ip_network("10.0.0.0/8"),), NOW + 60)


def test_begin_and_end_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = LearningLog()
    assert log.look(Clients(Unregistered.REFUSE), NOW) is None
    assert not caplog.records
    assert [log.look(LEARNING, NOW + later_s) for later_s in (0, 1, 59)] == [NOW + 60] * 3
    assert [log.look(LEARNING, NOW + later_s) for later_s in (60, 61)] == [None, None]
    assert [record.message for record in caplog.records] == [
        "learning mode, unregistered clients are answered",
        "learning mode ended",
    ]


def test_a_reload_that_ends_learning_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = LearningLog()
    log.look(LEARNING, NOW)
    assert log.look(Clients(Unregistered.REFUSE), NOW) is None
    assert caplog.records[-1].message == "learning mode ended"
