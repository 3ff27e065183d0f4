"""In how many ranges a ban applies: its authority's that it covers, and those of authorities that it binds."""

from api.publish.ban_reach import ban_reach
from tests.unit.api.conftest import Plane

RANGES = "/v1/ranges/default"
LAW = {"authority": "zone", "ground": "law", "instrument": "act 1", "date": "2026-09-01"}


def _reach(town: Plane) -> tuple[int, int, int, int, int]:
    found = ban_reach(town.publisher.committed(), 1, int(town.clock()))
    answer = town.done("GET", "/v1/authorities/town/bans/alpha/reach")
    numbers = found.ranges, found.exempted, found.uncovered, found.bound, found.bound_ranges
    assert tuple(answer.values()) == (*numbers, None, None)
    return numbers


def test_ranges_are_counted_that_a_ban_covers_exempts_and_binds(town: Plane) -> None:
    assert _reach(town) == (1, 0, 0, 0, 0)
    town.done("PUT", f"{RANGES}/192.0.2.0/25", {"authority": "town", "funding": "public", "audience": "public"})
    town.done("PUT", f"{RANGES}/192.0.2.128/25", {"authority": "town", "funding": "partly_public", "audience": "staff"})
    town.done("POST", "/v1/bindings", {"ban": "town/alpha", **LAW})
    assert _reach(town) == (2, 0, 1, 1, 1)
    exemption = {"ban": "town/alpha", "ranges": ["192.0.2.128/25"], "end": "2026-12-01", "reason": "the museum"}
    number = town.done("POST", "/v1/exemptions", exemption)["number"]
    assert _reach(town) == (2, 0, 1, 1, 1)
    town.done("POST", f"/v1/exemptions/{number}/approve", {}, token=town.other())
    assert _reach(town) == (2, 1, 1, 1, 1)


def test_another_scope_gains_and_loses_ranges(town: Plane) -> None:
    town.done("PUT", f"{RANGES}/192.0.2.0/25", {"authority": "town", "funding": "private", "audience": "pupils"})
    town.done("POST", "/v1/bindings", {"ban": "town/alpha", **LAW})
    path = "/v1/authorities/town/bans/alpha/reach"
    before = town.done("GET", path)
    answer = town.done("GET", f"{path}?funding=private,public&audience=pupils")
    gained = [{"site": "default", "prefix": "192.0.2.0/25", "label": ""}]
    assert answer["gained"] == {"ranges": 1, "first": gained, "bound_ranges": 0}
    assert (answer["lost"]["ranges"], answer["lost"]["bound_ranges"]) == (before["ranges"], before["bound_ranges"])
    same = town.done("GET", f"{path}?funding=public,partly_public")
    assert [same[key]["ranges"] for key in ("gained", "lost")] == [0, 0]
    refused = town.call("GET", f"{path}?funding=public,publik")
    assert refused.status_code == 422
    assert 'Did you mean "public"?' in refused.json()["faults"][0]["message"]


def test_only_readers_of_the_authority_count_its_ranges(town: Plane) -> None:
    _, reader = town.account("reader", ("reader", "town"))
    _, other = town.account("other", ("operator", "zone"))
    town.done("GET", "/v1/authorities/town/bans/alpha/reach", token=reader)
    assert town.call("GET", "/v1/authorities/town/bans/alpha/reach", token=other).status_code == 403
    assert town.call("GET", "/v1/authorities/town/bans/beta/reach").status_code == 404
