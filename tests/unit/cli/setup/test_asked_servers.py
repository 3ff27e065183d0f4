"""Servers are asked before their addresses are written: real ones on loopback."""

import dns.rcode
import pytest

from dnsfilter.cli import upstream_questions
from dnsfilter.cli.setup.asked_servers import unanswered_zones, upstream_problems
from dnsfilter.config.node_config import Endpoint
from tests.support.answering_server import server
from tests.support.ports import free_port


@pytest.fixture(autouse=True)
def wait_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers answer in their own time, on a busy machine too."""
    monkeypatch.setattr(upstream_questions, "_WITHIN_S", 60.0)


def test_upstreams_that_do_not_answer_refuse_or_do_not_recurse_are_problems() -> None:
    with server() as good, server(dns.rcode.REFUSED) as refusing, server(recurses=False) as limited:
        absent = Endpoint(good.address, free_port())
        found = upstream_problems([good, refusing, limited, absent])
        assert upstream_problems([good]) == []
    force = "; add --force to write it all the same"
    assert found == [
        f"--upstream: 127.0.0.1 port {refusing.port} over UDP answers REFUSED{force}",
        f"--upstream: 127.0.0.1 port {limited.port} over UDP answers without recursion{force}",
        f"--upstream: ask 127.0.0.1:{absent.port} over UDP: connection refused{force}",
    ]


def test_a_reverse_zone_is_left_out_if_none_of_its_servers_answers_for_it() -> None:
    with server() as good, server(dns.rcode.REFUSED) as refusing:
        zones = {"2.0.192.in-addr.arpa": [refusing, good], "10.in-addr.arpa": [refusing]}
        found = unanswered_zones(zones)
    assert found == {"10.in-addr.arpa": f"127.0.0.1 port {refusing.port} over UDP answers REFUSED"}
