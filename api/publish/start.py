"""What has to hold before the first snapshot of a process."""

from api.db.models import InstallationRow
from api.db.models.record import INSTALLATION
from api.db.session import Database
from api.db.unit import LOCAL, UnitOfWork


def raise_above(database: Database, stored: int | None, now_s: int) -> bool:
    """Raise the database's revision above that of the stored snapshot, if it is below; says whether it was.

    So it is after a database was restored or made anew beside old snapshots: its policy is the one that counts, and
    a store never goes back.
    """
    with database.writing() as session:
        row = session.get_one(InstallationRow, INSTALLATION)
        if stored is None or row.revision >= stored:
            return False
        before = row.revision
        row.revision = stored
        unit = UnitOfWork(session, LOCAL, now_s)
        unit.record("installation.raise_revision", "installation", {"revision": before}, {"revision": stored + 1})
    return True
