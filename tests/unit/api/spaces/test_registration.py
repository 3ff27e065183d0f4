"""Rules for operators: the same for many prefixes at once as for each one, with random space and ranges."""

from collections.abc import Sequence
from ipaddress import ip_network
from random import Random

import pytest
from sqlalchemy import insert

from api.db.models import RangeRow, SpaceRow
from api.spaces.registration import make_rules
from api.spaces.repository import rules_for
from dnsfilter.policy.model import Prefix
from tests.unit.api.conftest import Plane

OWNERS = ("town", "zone")
BLOCKS = (ip_network("203.0.113.0/24"), ip_network("2001:db8::/120"))
RULES = {"is not in space", "is inside another", "contains space of"}


def _prefix(draw: Random) -> Prefix:
    """Return one of the 127 prefixes that are the block or result from at most six halvings of it."""
    block, depth = draw.choice(BLOCKS), draw.randint(0, 6)
    parts: Sequence[Prefix] = list(block.subnets(depth))
    return draw.choice(parts)


def _owned(draw: Random) -> dict[Prefix, str]:
    return {_prefix(draw): draw.choice(OWNERS) for _ in range(8)}


@pytest.mark.parametrize("seed", [1, 2])
def test_the_rule_is_the_same_for_one_prefix_and_for_many(town: Plane, seed: int) -> None:
    draw, seen = Random(seed), set()
    with town.database.writing() as session:
        for _ in range(12):
            spaces, ranges = _owned(draw), _owned(draw)
            rules = make_rules(spaces.items(), ranges.items())
            savepoint = session.begin_nested()
            given = [{"site": "default", "prefix": str(each), "authority": slug} for each, slug in spaces.items()]
            session.execute(insert(SpaceRow), [{**row, "revision": 1} for row in given])
            kept = {"site": "default", "label": "", "funding": "public", "audience": "staff", "revision": 1}
            held = [{**kept, "prefix": str(each), "authority": slug} for each, slug in ranges.items()]
            session.execute(insert(RangeRow), held)
            for _ in range(12):
                prefix, authority = _prefix(draw), draw.choice(OWNERS)
                around = rules_for(session, "default", prefix)
                one, many = around.refusal(prefix, authority, "default"), rules.refusal(prefix, authority)
                assert (one and one.replace(" at site default", "")) == many
                seen.add(many and next(rule for rule in RULES if rule in many))
            savepoint.rollback()
    assert seen == {None, *RULES}
