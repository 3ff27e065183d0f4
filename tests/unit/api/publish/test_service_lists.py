"""Stored lists of services: what is read is what was written."""

import json
import zlib
from dataclasses import replace

import pytest

from api.publish.service_lists import list_of, service_of
from dnsfilter.policy.model import Service, Tier
from tests.support.policies import NOW, service, wire

LISTED = service("video", ["video.example"], ["login.example.org"], Tier(2, wire("cdn.example")))


@pytest.mark.parametrize(
    "held",
    [LISTED, replace(LISTED, tiers=(*LISTED.tiers, Tier(1, wire("new.example"), enforced_from=NOW)))],
    ids=["names in force", "pending names"],
)
def test_a_stored_list_is_read_as_the_service_that_was_written(held: Service) -> None:
    assert service_of(list_of(held).body) == held


def test_tiers_in_force_are_stored_without_an_instant() -> None:
    """So a list keeps its digest, whenever it was written."""
    head = zlib.decompress(list_of(LISTED).body).partition(b"\n")[0]
    assert [sorted(tier) for tier in json.loads(head)["tiers"]] == 2 * [["domains", "hosts", "number"]]


def test_names_with_any_bytes_in_their_labels_are_read_as_written() -> None:
    held = Service("odd", "Odd", (Tier(1, frozenset({b"\x03a\x00b\x00", b"\x01\n\x00", b"\x02\x00\x00\x00"})),))
    assert service_of(list_of(held).body) == held
