"""The order of healthy servers: as configured, or the fastest first."""

import pytest

from dnsfilter.config.node_config import Strategy
from dnsfilter.upstream.health import EXPLORE_EVERY
from tests.contract.cases import internet, office
from tests.support.engines import KINDS, Rig, query, running
from tests.support.scripted import Asked, Scripted, reply

pytestmark = pytest.mark.parametrize("kind", KINDS)


def answer_after(rig: Rig, number: int, milliseconds: int) -> int:
    """Ask a new name, and let the server that was asked answer after some time. Return which one that was."""
    before = [len(upstream.asked) for upstream in rig.upstreams]
    wait = rig.begin(query(f"n{number}.example.org"))
    rig.until(lambda: b"" if [len(upstream.asked) for upstream in rig.upstreams] != before else None)
    server = next(at for at, upstream in enumerate(rig.upstreams) if len(upstream.asked) != before[at])
    rig.clock.advance(milliseconds)
    asked: Asked = rig.upstreams[server].asked[-1]
    rig.upstreams[server].say(asked, reply(asked, (f"{asked.name}. 300 A 192.0.2.1",)))
    wait()
    return server


def held() -> Scripted:
    """Return an upstream that answers only by `say`."""
    return Scripted(lambda _: ())


def test_fastest_server_is_asked_first(kind: str) -> None:
    with running(kind, office(), held(), held(), strategy=Strategy.FASTEST) as rig:
        asked = [answer_after(rig, number, 40 if number == 0 else 4) for number in range(2 * EXPLORE_EVERY)]
        assert asked[:2] == [0, 1]
        slower = [number for number, server in enumerate(asked) if server == 0]
        assert slower == [0, EXPLORE_EVERY - 1, 2 * EXPLORE_EVERY - 1]


def test_configured_order_is_kept_without_the_strategy(kind: str) -> None:
    with running(kind, office(), held(), internet()) as rig:
        assert [answer_after(rig, number, 40) for number in range(3)] == [0, 0, 0]
