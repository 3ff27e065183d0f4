"""RFC 7873 towards upstreams: a real server that answers over UDP only who returns its cookie."""

import re
from pathlib import Path

import dns.message
import dns.query
import pytest

from tests.support.knot import Knot
from tests.support.nodes import Node, eventually
from tests.support.unbound import Unbound

CLIENT = "127.0.5.10"
DEMANDS = "    answer-cookie: yes\n    access-control: 127.0.0.0/16 allow_cookie\n"


def counts(node: Node, what: str, by: str) -> dict[str, float]:
    """Return a counter of upstreams by a label. Leave out what did not happen."""
    found = {
        re.findall(f'{by}="([^"]+)"', key)[0]: number
        for key, number in node.metrics().items()
        if key.startswith(f"dnsfilter_upstream_{what}_total")
    }
    return {label: number for label, number in found.items() if number}


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_server_that_demands_cookies_is_asked_over_udp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, authority: Knot, engine: str
) -> None:
    monkeypatch.setenv("DNSFILTER_ENGINE", engine)
    with (
        Unbound(authority.hostport, extra=DEMANDS) as demanding,
        Node(tmp_path / "node", demanding.hostport, config="cookies = true\nvary_case = true\n") as node,
    ):
        for number in range(20):
            query = dns.message.make_query(f"n{number}.example.org", "A")
            found = dns.query.udp(query, "127.0.0.1", port=node.port, source=CLIENT, timeout=10)
            assert found.rcode() == dns.rcode.NXDOMAIN
        assert eventually(lambda: counts(node, "queries", "upstream").get(demanding.hostport, 0) >= 21)
        failed = counts(node, "failures", "reason")
        assert failed.get("cookie") == 1, failed
        assert failed.keys() <= {"cookie", "timeout", "late"}, failed  # the latter two on a busy machine
