"""Which lists of a service were in force when."""

from sqlalchemy.orm import Session

from api.db.models import CatalogueRow, ListRow, PublicationRow
from api.publish.service_lists import digest_of, list_of
from api.report.list_versions import ListVersions
from api.timestamps import timestamp_text
from dnsfilter.policy.intervals import FOREVER
from dnsfilter.policy.model import Service, Tier
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import Plane


def service(*names: str) -> Service:
    return Service("gamma", "Gamma", (Tier(1, frozenset(map(parse_name, names)), frozenset()),))


def store(session: Session, time_s: int, *services: Service) -> None:
    """Publish a catalogue at an instant."""
    lists = list(map(list_of, services))
    found = digest_of(lists)
    if session.get(CatalogueRow, found.digest) is None:
        session.add(CatalogueRow(digest=found.digest, lists=dict(found.lists)))
    for one in lists:
        if session.get(ListRow, one.digest) is None:
            session.add(ListRow(digest=one.digest, service=one.service, body=one.body))
    same = {"names": "", "ranges": "", "rules": "", "version": "", "made_s": time_s}
    session.add(PublicationRow(revision=1, time_s=time_s, catalogue=found.digest, **same))
    session.flush()


def test_a_list_lasts_until_the_next_one_and_is_compared_with_the_one_before(plane: Plane) -> None:
    one, two = service("a.example.org", "b.example.org"), service("b.example.org", "c.example.org", "d.example.org")
    with plane.database.writing() as session:
        for time_s, found in ((1_000, one), (2_000, one), (3_000, two), (4_000, one)):
            store(session, time_s, found)
        versions = ListVersions(session, ["gamma"]).of("gamma", (0, FOREVER))
        later = ListVersions(session, ["gamma"]).of("gamma", (2_500, 3_500))
    assert [(found.since, found.until) for found in versions] == [
        (timestamp_text(1_000), timestamp_text(3_000)),
        (timestamp_text(3_000), timestamp_text(4_000)),
        (timestamp_text(4_000), None),
    ]
    assert [(found.tiers[0].names, found.added, found.removed) for found in versions] == [
        (2, None, None),
        (3, 2, 1),
        (2, 1, 2),
    ]
    assert [found.digest for found in later] == [list_of(one).digest, list_of(two).digest]


def test_a_catalogue_without_the_service_ends_its_list(plane: Plane) -> None:
    other = Service("delta", "Delta", ())
    with plane.database.writing() as session:
        store(session, 1_000, service("a.example.org"))
        store(session, 2_000, other)
        versions = ListVersions(session, ["gamma"]).of("gamma", (0, FOREVER))
    assert [(found.since, found.until) for found in versions] == [(timestamp_text(1_000), timestamp_text(2_000))]
