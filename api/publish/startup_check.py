"""What has to hold before the first snapshot of a process."""

from sqlalchemy import inspect, select
from sqlalchemy.orm import Session

from api.db.base import Base
from api.db.models import InstallationRow, VersionRow
from api.db.models.audit_log import INSTALLATION
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.db.versions import KINDS, columns
from api.publish.past_policies import BEGIN_ACT, RAISE_ACT
from api.publish.service import Publisher


def meet_store(database: Database, publisher: Publisher, now_s: int) -> None:
    """Note what is in the publisher's store, where it is of this database, and else go on above its revision."""
    # In this order: what is above the database's revision was made by acts that it does not have.
    publisher.note_stored()
    raise_above(database, publisher.stored_revision(), now_s, foreign=publisher.stored_is_foreign())


def raise_above(database: Database, stored: int | None, now_s: int, *, foreign: bool = False) -> bool:
    """Raise the database's revision above that of the stored snapshot, if it is below; says whether it was.

    So it is after a database was restored or made anew beside old snapshots: its policy is the one that counts, and
    a store never goes back. Equal revisions are raised too where the snapshot is `foreign`, of another policy: a
    number is that of one policy only.
    """
    with database.writing() as session:
        row = session.get_one(InstallationRow, INSTALLATION)
        if stored is None or row.revision > stored or (row.revision == stored and not foreign):
            return False
        before = row.revision
        row.revision = stored
        unit = UnitOfWork(session, LOCAL, now_s)
        unit.record(RAISE_ACT, "installation", {"revision": before}, {"revision": stored + 1})
    return True


def keep_history(database: Database, now_s: int) -> int:
    """Keep the objects of which there is no version yet, as of a database that is older than versions; says how many.

    They are kept by an act of its own: what they were before its revision is not known. In a new database nothing was.
    """
    with database.writing() as session:
        rows = [(word, row) for word, kind in KINDS.items() for row in _unkept(session, word, kind)]
        if not rows:
            return 0
        unit = UnitOfWork(session, LOCAL, now_s)
        if unit.revision > 0:
            unit.record(BEGIN_ACT, "installation", None, {"objects": len(rows)})
        session.add_all(
            VersionRow(kind=word, key=str(_key(row)), revision=unit.revision, body=columns(row)) for word, row in rows
        )
    return len(rows)


def _unkept(session: Session, word: str, kind: type[Base]) -> list[Base]:
    known = set(session.scalars(select(VersionRow.key).where(VersionRow.kind == word).distinct()))
    keys = set(map(str, session.scalars(select(kind.__mapper__.primary_key[0]))))
    if keys <= known:
        return []
    return [row for row in session.scalars(select(kind)) if str(_key(row)) not in known]


def _key(row: Base) -> object:
    return inspect(row).mapper.primary_key_from_instance(row)[0]
