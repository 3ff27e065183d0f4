"""Find what was in force at an instant, and rebuild the policy of any revision from stored versions.

A publication is in force from its second until the second of the next one. Of several in one second, the last counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Select, and_, func, null, select
from sqlalchemy.orm import Session

from api.db.base import Base, Json
from api.db.models import (
    AllowedNameRow,
    AuditRow,
    AuthorityRow,
    BanRow,
    BindingRow,
    CatalogueRow,
    ExemptionRow,
    FleetNameRow,
    ListRow,
    PublicationRow,
    ServiceRow,
    SiteRow,
    SuspensionRow,
    TermRow,
    VersionRow,
)
from api.db.versions import KINDS
from api.errors import NotFound
from api.http.prefixes import narrowest, prefixes_around
from api.publish.policy_rows import Rows, policy_of, range_value, service_value, values_of
from api.publish.service_lists import service_of
from dnsfilter.policy.instants import at_words
from dnsfilter.policy.model import Address, Instant, Policy, Range, Service

RAISE_ACT = "installation.raise_revision"
"""The act that raises the revision of a database above that of newer stored snapshots."""
RESTORE_ACT = "installation.restore"
"""The first act in a database restored from a backup."""

Row = TypeVar("Row", bound=Base)


@dataclass(frozen=True, slots=True)
class LoadedServices:
    """The catalogue of this process, and its digest: it need not be read from the database."""

    digest: str
    services: Mapping[str, Service]


@dataclass(frozen=True, slots=True)
class Publication:
    """A snapshot in force over `[since_s, until_s)`. It still is if `until_s` is None.

    `made_s` is the instant for which it was compiled.
    """

    number: int
    revision: int
    since_s: Instant
    until_s: Instant | None
    made_s: Instant
    names: str
    ranges: str
    rules: str
    version: str
    catalogue: str


@dataclass(frozen=True, slots=True)
class PastPolicy:
    """A publication, the rows behind it, and their policy."""

    publication: Publication
    rows: Rows
    policy: Policy


def kept_publication_at(session: Session, at: Instant) -> Publication:
    """Return the publication in force at `at`. Raise NotFound before the first recorded one."""
    found = publication_at(session, at)
    if found is None:
        raise NotFound(_before_all(session))
    return found


def policy_in(session: Session, found: Publication, held: LoadedServices) -> PastPolicy:
    """Rebuild the policy of a publication. It takes seconds if there are many ranges."""
    rows = rows_at(session, found.revision)
    return PastPolicy(found, rows, policy_of(values_of(rows), services_of(session, found.catalogue, held)))


def authority_at(session: Session, revision: int, site: str, client: Address) -> str | None:
    """Return the authority of the narrowest range that held an address at a revision, from the ranges around it."""
    around, body = prefixes_around(client), VersionRow.body
    named = select(VersionRow.key).where(
        VersionRow.kind == "range",
        VersionRow.revision <= revision,
        body["site"].as_string() == site,
        body["prefix"].as_string().in_(around),
    )
    found = {body["prefix"]: body["authority"] for body in contents_at(session, "range", revision, named)}
    return narrowest(found, around)


def publication_at(session: Session, at: Instant) -> Publication | None:
    """Return the publication in force at `at`; None before the first recorded one."""
    # By number, not by time: after a clock was set back, the later publication counts.
    statement = select(PublicationRow).where(PublicationRow.time_s <= at).order_by(PublicationRow.id.desc()).limit(1)
    row = session.scalar(statement)
    return None if row is None else publication_of(session, row)


def publication_of(session: Session, row: PublicationRow) -> Publication:
    """Convert a row to a publication, which ends when the next one starts."""
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


def lost_after(session: Session, found: Publication) -> list[AuditRow]:
    """Return the acts that restored an older state of the database after `found`, before the next publication.

    The database does not know what was in force in between.
    """
    acts = select(AuditRow).where(AuditRow.act.in_((RESTORE_ACT, RAISE_ACT)), AuditRow.revision > found.revision)
    following = select(PublicationRow.revision).where(PublicationRow.id > found.number).order_by(PublicationRow.id)
    next_revision = session.scalar(following.limit(1))
    if next_revision is not None:
        acts = acts.where(AuditRow.revision <= next_revision)
    return list(session.scalars(acts.order_by(AuditRow.seq)))


def rows_at(session: Session, revision: int) -> Rows:
    """Return all rows of the policy of `revision`. They belong to no session. Never add them to one."""
    return Rows(
        revision,
        objects_at(session, AuthorityRow, revision),
        objects_at(session, SiteRow, revision),
        ranges_at(session, revision),
        objects_at(session, BanRow, revision),
        objects_at(session, BindingRow, revision),
        objects_at(session, ExemptionRow, revision),
        objects_at(session, SuspensionRow, revision),
        services_at(session, revision),
        objects_at(session, AllowedNameRow, revision),
        objects_at(session, FleetNameRow, revision),
    )


def services_at(session: Session, revision: int) -> tuple[Service, ...]:
    """Return the services that rows added or replaced at a revision, by slug."""
    rows = objects_at(session, ServiceRow, revision)
    stored = dict(_lists(session, (row.digest for row in rows)))
    return tuple(service_value(row, service_of(stored[row.digest]).tiers) for row in rows)


def own_list_at(session: Session, service: str, revision: int) -> tuple[int, str] | None:
    """Return the last version of a service's row up to a revision: its revision, and the digest of its list.

    The digest is empty if the row was removed. None means that there was no row: the catalogue's list counts.
    """
    row = VersionRow
    statement = select(row).where(row.kind == "service", row.key == service, row.revision <= revision)
    found = session.scalar(statement.order_by(row.revision.desc()).limit(1))
    return None if found is None else (found.revision, "" if found.body is None else str(found.body["digest"]))


def ranges_at(session: Session, revision: int) -> tuple[Range, ...]:
    """Return the ranges of a revision, by site and registration."""
    stored = sorted(contents_at(session, "range", revision), key=lambda body: (body["site"], body["id"]))
    fields = ("site", "prefix", "authority", "funding", "audience", "label")
    return tuple(range_value(*(body[field] for field in fields)) for body in stored)


def objects_at(session: Session, kind: type[Row], revision: int) -> list[Row]:
    """Return the rows of a table at a revision, ordered by key."""
    word = next(word for word, cls in KINDS.items() if cls is kind)
    key = _key_of(kind)
    return [row_of(kind, body) for body in sorted(contents_at(session, word, revision), key=lambda body: body[key])]


def contents_at(session: Session, word: str, revision: int, keys: Select[str] | None = None) -> Sequence[Json]:
    """Return the stored columns of the objects of a kind at a revision, in no order. `keys` selects some of them."""
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
    """Build a row, outside any session, from its stored columns; a ban with its terms."""
    known = {attribute.key for attribute in kind.__mapper__.column_attrs}
    row = kind(**{name: value for name, value in body.items() if name in known})
    if isinstance(row, BanRow):
        row.terms = [row_of(TermRow, term) for term in body["terms"]]
    return row


def services_of(session: Session, catalogue: str, held: LoadedServices) -> Mapping[str, Service]:
    """Return the services of a stored catalogue. Raise NotFound if it is not stored."""
    if catalogue == held.digest:
        return held.services
    row = session.get(CatalogueRow, catalogue)
    if row is None:
        raise NotFound(f"the catalogue {catalogue} is not kept")
    stored = dict(_lists(session, row.lists.values()))
    missing = set(row.lists.values()) - stored.keys()
    if missing:
        raise NotFound(f"the list {min(missing)} is not kept")
    return {service: service_of(stored[digest]) for service, digest in row.lists.items()}


def _lists(session: Session, digests: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    rows = session.execute(select(ListRow.digest, ListRow.body).where(ListRow.digest.in_(set(digests))))
    return ((row.digest, row.body) for row in rows)


def _key_of(kind: type[Base]) -> str:
    return str(kind.__mapper__.primary_key[0].key)


def _before_all(session: Session) -> str:
    first = session.scalar(select(PublicationRow).order_by(PublicationRow.id).limit(1))
    if first is None:
        return "no publication is recorded yet"
    return f"no publication is recorded before {at_words(first.time_s)} (revision {first.revision})"
