"""RFC 9520: a question that nobody answers costs a bounded number of sends."""

import dns.rcode
import pytest

from dnsfilter.telemetry.metrics import Failure
from dnsfilter.telemetry.slots import upstream_slots
from tests.contract.cases import office
from tests.support.engines import edes, query
from tests.support.scripted import Behaviour, Scripted, fails, silent
from tests.support.starting import Start

NAME = "plain.example.org"


def test_a_silent_server_is_asked_three_times_and_then_the_client_is_told(start: Start) -> None:
    rig = start(office(), Scripted(silent))
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    for _ in range(8):
        rig.pass_time(700)
    found = wait()
    assert (found.rcode(), edes(found)) == (dns.rcode.SERVFAIL, [(22, "")])
    assert len(rig.upstream.asked) == 3
    assert rig.counters.slots[upstream_slots(1)[0].failure(Failure.TIMEOUT)] == 3
    assert rig.outcomes() == {("udp", "failed"): 1}


@pytest.mark.parametrize("behave", [fails(dns.rcode.SERVFAIL), fails(dns.rcode.REFUSED), silent])
@pytest.mark.parametrize("servers", [1, 2, 5])
def test_one_question_costs_at_most_three_sends_whatever_the_servers_do(
    start: Start, servers: int, behave: Behaviour
) -> None:
    rig = start(office(), *(Scripted(behave) for _ in range(servers)))
    wait = rig.begin(query(NAME))
    rig.until_asked(1)
    for _ in range(8):
        rig.pass_time(700)
    assert wait().rcode() == dns.rcode.SERVFAIL
    asked = sum(len(upstream.asked) for upstream in rig.upstreams)
    assert asked == (3 if behave is silent else min(servers, 3))
