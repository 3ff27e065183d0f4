"""What was in force at an instant, and the policy of any revision, made again from what is kept.

A publication is in force from its second on until the next one's; of several in one second the last counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select, and_, func, null, select
from sqlalchemy.orm import Session

from api.db.base import Base, Json
from api.db.models import (
    AuditRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    CatalogueRow,
    ExemptionRow,
    ListRow,
    PublicationRow,
    SiteRow,
    SuspensionRow,
    TermRow,
    VersionRow,
)
from api.db.versions import KINDS
from api.errors import NotFound
from api.http.prefixes import narrowest, prefixes_around
from api.publish.policy_rows import Rows, policy_of, range_value, values_of
from api.publish.service_lists import service_of
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Address, Instant, Policy, Range, Service

BEGIN_ACT = "history.begin"
"""The act by which a database that was there before keeps its objects' first versions."""
RAISE_ACT = "installation.raise_revision"
"""The act by which a database that is older than the snapshots beside it gets a revision above theirs."""
RESTORE_ACT = "installation.restore"
"""The first act in a database that was made of a backup."""

Row = TypeVar("Row", bound=Base)


@dataclass(frozen=True, slots=True)
class Held:
    """The services that this process runs with, and the digest of their catalogue: they need not be read again."""

    digest: str
    services: Mapping[str, Service]


@dataclass(frozen=True, slots=True)
class Publication:
    """A snapshot that was in force over `[since_s, until_s)`; without `until_s` it still is.

    `made_s` is the instant for which it was compiled; None if an older version recorded it.
    """

    number: int
    revision: int
    since_s: Instant
    until_s: Instant | None
    made_s: Instant | None
    names: str
    ranges: str
    rules: str
    version: str
    catalogue: str


@dataclass(frozen=True, slots=True)
class Past:
    """A publication, the rows behind it and the policy that they make."""

    publication: Publication
    rows: Rows
    policy: Policy


def kept_publication_at(session: Session, at: Instant) -> Publication:
    """Return the publication in force at `at`. Raise NotFound if its policy is not kept."""
    found = publication_at(session, at)
    if found is None:
        raise NotFound(_before_all(session))
    begun = kept_since(session)
    if found.revision < begun:
        raise NotFound(f"what revision {found.revision} said is not kept: not kept before revision {begun}")
    return found


def policy_in(session: Session, found: Publication, held: Held) -> Past:
    """Make the policy of a kept publication again. It takes seconds if there are many ranges."""
    rows = rows_at(session, found.revision)
    return Past(found, rows, policy_of(values_of(rows), services_of(session, found.catalogue, held)))


def authority_at(session: Session, revision: int, site: str, client: Address) -> str | None:
    """Return the authority of the narrowest range that held an address at a revision, from the ranges around it."""
    around, body = prefixes_around(client), VersionRow.body
    named = select(VersionRow.key).where(
        VersionRow.kind == "range",
        VersionRow.revision <= revision,
        body["site"].as_string() == site,
        body["prefix"].as_string().in_(around),
    )
    found = {body["prefix"]: body["authority"] for body in bodies_at(session, "range", revision, named)}
    return narrowest(found, around)


def publication_at(session: Session, at: Instant) -> Publication | None:
    """The publication in force at `at`; None before the first that is kept."""
    # By number, not by time: after a clock was set back, the later publication is the one that counts.
    statement = select(PublicationRow).where(PublicationRow.time_s <= at).order_by(PublicationRow.id.desc()).limit(1)
    row = session.scalar(statement)
    return None if row is None else publication_of(session, row)


def publication_of(session: Session, row: PublicationRow) -> Publication:
    """A row with the end that the next one gives it."""
    following = select(PublicationRow.time_s).where(PublicationRow.id > row.id).order_by(PublicationRow.id).limit(1)
    return Publication(
        row.id,
        row.revision,
        row.time_s,
        session.scalar(following),
        row.made_s,
        row.names,
        row.ranges,
        row.rules,
        row.version,
        row.catalogue,
    )


def kept_since(session: Session) -> int:
    """The first revision of which every object is kept: 0, unless the database was there before versions were."""
    act = select(AuditRow.revision).where(AuditRow.act == BEGIN_ACT).order_by(AuditRow.seq).limit(1)
    return session.scalar(act) or 0


def lost_after(session: Session, found: Publication) -> list[AuditRow]:
    """The acts by which an older state of the database took over after `found`, before anything else was published.

    Whatever was in force in between is not in this database.
    """
    acts = select(AuditRow).where(AuditRow.act.in_((RESTORE_ACT, RAISE_ACT)), AuditRow.revision > found.revision)
    following = select(PublicationRow.revision).where(PublicationRow.id > found.number).order_by(PublicationRow.id)
    next_revision = session.scalar(following.limit(1))
    if next_revision is not None:
        acts = acts.where(AuditRow.revision <= next_revision)
    return list(session.scalars(acts.order_by(AuditRow.seq)))


def rows_at(session: Session, revision: int) -> Rows:
    """All that makes the policy of `revision`. The rows belong to no session, and are never to be added to one."""
    return Rows(
        revision,
        objects_at(session, AuthorityRow, revision),
        objects_at(session, SiteRow, revision),
        ranges_at(session, revision),
        objects_at(session, BanRow, revision),
        objects_at(session, BindingRow, revision),
        objects_at(session, ExemptionRow, revision),
        objects_at(session, SuspensionRow, revision),
    )


def ranges_at(session: Session, revision: int) -> tuple[Range, ...]:
    """The ranges of a revision, by site and registration."""
    bodies = sorted(bodies_at(session, "range", revision), key=lambda body: (body["site"], body["id"]))
    fields = ("site", "prefix", "authority", "funding", "audience", "label")
    return tuple(range_value(*(body[field] for field in fields)) for body in bodies)


def objects_at(session: Session, kind: type[Row], revision: int) -> list[Row]:
    """The rows of one table as they were at a revision, by their keys."""
    word = next(word for word, cls in KINDS.items() if cls is kind)
    key = _key_of(kind)
    return [row_of(kind, body) for body in sorted(bodies_at(session, word, revision), key=lambda body: body[key])]


def bodies_at(session: Session, word: str, revision: int, keys: Select[str] | None = None) -> Sequence[Json]:
    """What is kept of the objects of a kind that were there at a revision, in no order; `keys` selects some."""
    wanted = select(VersionRow.key, func.max(VersionRow.revision).label("revision")).where(
        VersionRow.kind == word, VersionRow.revision <= revision
    )
    if keys is not None:
        wanted = wanted.where(VersionRow.key.in_(keys))
    latest = wanted.group_by(VersionRow.key).subquery()
    same = and_(VersionRow.key == latest.c.key, VersionRow.revision == latest.c.revision)
    statement = select(VersionRow.body).join(latest, same).where(VersionRow.kind == word)
    return [body for body in session.scalars(statement.where(VersionRow.body.is_not(null()))) if body is not None]


def row_of(kind: type[Row], body: Mapping[str, Any]) -> Row:
    """A row that belongs to no session, of its kept columns; a ban with its terms."""
    known = {attribute.key for attribute in kind.__mapper__.column_attrs}
    row = kind(**{name: value for name, value in body.items() if name in known})
    if isinstance(row, BanRow):
        row.terms = [row_of(TermRow, term) for term in body["terms"]]
    return row


def services_of(session: Session, catalogue: str, held: Held) -> Mapping[str, Service]:
    """The services of a kept catalogue; raises NotFound where it is gone."""
    if catalogue == held.digest:
        return held.services
    row = session.get(CatalogueRow, catalogue)
    if row is None:
        raise NotFound(f"the catalogue {catalogue} is not kept")
    bodies = dict(_lists(session, row.lists.values()))
    missing = set(row.lists.values()) - bodies.keys()
    if missing:
        raise NotFound(f"the list {min(missing)} is not kept")
    return {service: service_of(bodies[digest]) for service, digest in row.lists.items()}


def _lists(session: Session, digests: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    rows = session.execute(select(ListRow.digest, ListRow.body).where(ListRow.digest.in_(set(digests))))
    return ((row.digest, row.body) for row in rows)


def _key_of(kind: type[Base]) -> str:
    return str(kind.__mapper__.primary_key[0].key)


def _before_all(session: Session) -> str:
    first = session.scalar(select(PublicationRow).order_by(PublicationRow.id).limit(1))
    if first is None:
        return "nothing is kept yet of what was in force"
    return f"nothing is kept of what was in force before {at_words(first.time_s)} (revision {first.revision})"
