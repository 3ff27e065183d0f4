"""Answers about a client agree with what a node answers it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from blocklists.catalogue import Catalogue, CatalogueName
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import Plane, authority, ban, catalogue, make_plane

ALPHA = "/v1/authorities/town/bans/alpha"


@pytest.fixture
def with_hosts(tmp_path: Path) -> Iterator[Plane]:
    """A ban that says nxdomain on a service whose names are a domain and single hosts."""
    alpha, *others = catalogue().entries
    hosts = tuple(
        CatalogueName(name, parse_name(name), True, ()) for name in ("host.example.org", "www.alpha1.example.org")
    )
    tiers = (replace(alpha.tiers[0], names=(*alpha.tiers[0].names, *hosts)), *alpha.tiers[1:])
    plane = make_plane(tmp_path / "state", Catalogue((replace(alpha, tiers=tiers), *others)))
    plane.publisher.publish_current()
    plane.done("PUT", "/v1/authorities/town", authority())
    place = {"authority": "town", "funding": "public", "audience": "staff"}
    plane.done("PUT", "/v1/ranges/default/192.0.2.0/24", place)
    plane.done("PUT", ALPHA, ban(reply="nxdomain"))
    yield plane
    plane.database.close()


@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        ("alpha1.example.org", "NXDOMAIN"),
        ("www.alpha1.example.org", "NOERROR"),
        ("other.alpha1.example.org", "NXDOMAIN"),
        ("host.example.org", "NOERROR"),
    ],
)
def test_nxdomain_is_told_only_where_all_below_is_refused(with_hosts: Plane, name: str, rcode: str) -> None:
    told = with_hosts.done("GET", f"/v1/decision?client=192.0.2.10&name={name}")
    assert (told["verdict"], told["winner"]["reply"], told["rcode"]) == ("refuse", "nxdomain", rcode)


@pytest.mark.parametrize(("reply", "rcode"), [("refused", "REFUSED"), ("nodata", "NOERROR")])
def test_other_replies_do_not_depend_on_the_kind_of_name(with_hosts: Plane, reply: str, rcode: str) -> None:
    with_hosts.done("PATCH", ALPHA, {"reply": reply})
    for name in ("alpha1.example.org", "host.example.org"):
        told = with_hosts.done("GET", f"/v1/decision?client=192.0.2.10&name={name}")
        assert told["rcode"] == rcode
