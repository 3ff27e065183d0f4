"""A decision that names 26 technologies, as clients of three authorities see it in an engine's answers."""

import dns.rcode
import pytest

from tests.support.engines import KINDS, Rig, edes, query, running
from tests.support.opened_snapshot import opened
from tests.support.scripted import Scripted, says
from tests.unit.api.conftest import Plane
from tests.unit.api.lists.conftest import ADOPTION, LIST, TECHNOLOGIES
from tests.unit.api.lists.test_links import FOLLOWING, LAW, LINKS, OWN
from tests.unit.api.lists.test_service import ADDITION

pytestmark = pytest.mark.heavy

CLIENTS = {"federal": "127.0.5.10", "ghent": "127.0.7.10", "mechelen": "127.0.8.10"}
NAMES = {service: f"www.{service}-1.example.org" for service in TECHNOLOGIES}


def _refused(rig: Rig, plane: Plane, owner: str) -> list[str]:
    """Return the services that the engine refuses to a client of the authority, over UDP."""
    rig.engine.swap(opened(plane.store))
    rig.clock.now_s = int(plane.clock.now)
    asked = {service: rig.ask(query(name), CLIENTS[owner]) for service, name in NAMES.items()}
    return [service for service, answer in asked.items() if answer.rcode() == dns.rcode.REFUSED]


@pytest.mark.parametrize("kind", KINDS)
def test_26_are_refused_by_one_act_and_an_addition_reaches_who_is_bound_and_who_follows(
    federal: Plane, kind: str
) -> None:
    for slug, client in CLIENTS.items():
        prefix = client.replace(".10", ".0/24")
        body = {"authority": slug, "funding": "public", "audience": "staff"}
        federal.done("PUT", f"/v1/ranges/default/{prefix}", body)
    upstream = Scripted(says({(name, "A"): (f"{name}. 300 A 192.0.2.1",) for name in NAMES.values()}))
    policy = federal.publisher.committed()
    with running(kind, policy, upstream, made_s=int(federal.clock.now), wall_s=int(federal.clock.now)) as rig:
        assert _refused(rig, federal, "federal") == []
        federal.done("PUT", LIST, {"title": "Prohibited technologies", "services": TECHNOLOGIES[:26]})
        federal.done("POST", f"{LIST}/adopt", ADOPTION)
        assert _refused(rig, federal, "federal") == TECHNOLOGIES[:26]
        federal.done("POST", LINKS, LAW)
        link = federal.done("POST", LINKS, FOLLOWING)["number"]
        assert [_refused(rig, federal, slug) for slug in ("ghent", "mechelen")] == [TECHNOLOGIES[:26], []]
        federal.done("POST", f"{LINKS}/{link}/adopt", OWN)
        assert _refused(rig, federal, "mechelen") == TECHNOLOGIES[:26]
        federal.clock.now += 60
        federal.done("POST", f"{LIST}/versions", ADDITION)
        found = {slug: "tech27" in _refused(rig, federal, slug) for slug in CLIENTS}
        assert found == {"federal": True, "ghent": True, "mechelen": False}
        bound = rig.ask(query(NAMES["tech27"]), CLIENTS["ghent"])
        assert [(code, "2026/2" in text) for code, text in edes(bound)] == [(16, True)]
        federal.done("POST", f"{LINKS}/{link}/adopt", {"decision": {**OWN["decision"], "reference": "M-2"}})
        own = _errors_of_follower(rig, federal)
        assert [(code, "M-2" in text) for code, text in own] == [(15, True)]
        federal.done("PATCH", LIST, {"mode": "off", "for": "8 hours"})
        assert [_refused(rig, federal, slug) for slug in ("federal", "ghent")] == [[], []]
        assert len(_refused(rig, federal, "mechelen")) == 27
        federal.clock.now += 8 * 3600
        assert len(_refused(rig, federal, "ghent")) == 27


def _errors_of_follower(rig: Rig, plane: Plane) -> list[tuple[int, str]]:
    """Return the extended errors of an answer to the follower's client, after the newest act."""
    rig.engine.swap(opened(plane.store))
    return edes(rig.ask(query(NAMES["tech27"]), CLIENTS["mechelen"]))
