"""The epoch of the installation: the history that its revisions belong to.

After a restore, revisions begin below those that nodes have pulled. A node follows a lower revision of a later epoch
only. It never goes back to an earlier epoch.
"""

from sqlalchemy.orm import Session

from api.db.models import InstallationRow
from api.db.models.audit_log import INSTALLATION


def begin_epoch(session: Session, now_s: int) -> int:
    """Begin an epoch, and return it: the time, because a backup does not know of earlier restores of itself."""
    row = session.get_one(InstallationRow, INSTALLATION)
    row.epoch = max(row.epoch + 1, now_s)
    return row.epoch
