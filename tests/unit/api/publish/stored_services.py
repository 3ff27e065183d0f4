"""Give a service other names in a control plane, as an update does."""

from api.db.models import ListRow, ServiceRow
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.publish.service_lists import list_of
from dnsfilter.policy.model import Service, Tier
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import Plane


def service(slug: str, *names: str) -> Service:
    """Return a service with one tier of these names."""
    return Service(slug, slug.title(), (Tier(1, frozenset(map(parse_name, names))),))


def put(plane: Plane, made: Service, authority: str | None = None) -> int:
    """Store the service as a row of the policy, publish it, and return the revision."""
    stored = list_of(made)
    with plane.database.writing() as session:
        unit = UnitOfWork(session, LOCAL, int(plane.clock()))
        content = session.get(ListRow, stored.digest)
        if content is None:
            content = ListRow(digest=stored.digest, service=made.slug, body=stored.body)
            session.add(content)
            session.flush()
        row = session.get(ServiceRow, made.slug)
        if row is None:
            row = ServiceRow(slug=made.slug, authority=authority, name=made.name, category="social")
            session.add(row)
        row.digest, row.content, row.revision = stored.digest, content, unit.new_revision()
        unit.record("service.update", f"service/{made.slug}", None, {"digest": stored.digest})
        policy = plane.publisher.check(unit)
    plane.publisher.publish(policy)
    return policy.revision


def remove(plane: Plane, slug: str) -> None:
    """Remove the service's row, and publish."""
    with plane.database.writing() as session:
        unit = UnitOfWork(session, LOCAL, int(plane.clock()))
        session.delete(session.get_one(ServiceRow, slug))
        unit.record("service.remove", f"service/{slug}", {}, None)
        policy = plane.publisher.check(unit)
    plane.publisher.publish(policy)
