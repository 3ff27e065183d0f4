"""Checks before the first snapshot of a process."""

from api.db.models import InstallationRow
from api.db.models.audit_log import INSTALLATION
from api.db.session import Database
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.publish.epoch import begin_epoch
from api.publish.past_policies import RAISE_ACT
from api.publish.service import Publisher


def reconcile_with_store(database: Database, publisher: Publisher, now_s: int) -> None:
    """Record the store's snapshot if it matches this database, else raise the database's revision above it."""
    # In this order: a snapshot above the database's revision was made by acts that the database lacks.
    publisher.note_stored()
    raise_above(database, publisher.stored_revision(), now_s, foreign=publisher.stored_is_foreign())


def raise_above(database: Database, stored: int | None, now_s: int, *, foreign: bool = False) -> bool:
    """Raise the database's revision above that of the stored snapshot, if it is below. Return whether it was raised.

    It is below after a database was restored or newly created next to old snapshots. The database's policy counts, and
    a store never goes back. Equal revisions are also raised if the snapshot is `foreign`, of another policy: a revision
    identifies only one policy.
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


def accept(database: Database, stored: int | None, now_s: int) -> None:
    """Let the database's policy replace all that was published: raise its revision, and begin an epoch.

    Nodes may have pulled revisions above `stored`, the one of the stored snapshot.
    """
    with database.writing() as session:
        row = session.get_one(InstallationRow, INSTALLATION)
        before = {"revision": row.revision, "epoch": row.epoch}
        row.revision = max(row.revision, stored or 0)
        after = {"revision": row.revision + 1, "epoch": begin_epoch(session, now_s)}
        UnitOfWork(session, LOCAL, now_s).record(RAISE_ACT, "installation", before, after)
