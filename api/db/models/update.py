"""Updates of the names of services, and names that nobody may bring back."""

from sqlalchemy import JSON, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.db.base import Base, Json
from api.db.models.audit_log import ListRow


class UpdateRow(Base):
    """New names for a service of `authority`, or without one of the catalogue.

    `digest` names the list of the wanted names, `base` that of the names that were in force. `outcome` is one of
    `api.updates.schemas.Outcome`. Of the names that are in force by it, `pending` are only monitored until
    `enforced_from_s`. `proposed_by` and `decided_by` are accounts, 0 for the installation itself.
    """

    __tablename__ = "updates"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    service: Mapped[str] = mapped_column(String(127), index=True)
    authority: Mapped[str | None] = mapped_column(ForeignKey("authorities.slug"), index=True)
    source: Mapped[str] = mapped_column(String(16))
    outcome: Mapped[str] = mapped_column(String(16), index=True)
    digest: Mapped[str] = mapped_column(ForeignKey("lists.digest"))
    base: Mapped[str] = mapped_column(ForeignKey("lists.digest"))
    added: Mapped[int]
    removed: Mapped[int]
    pending: Mapped[int]
    reasons: Mapped[list[Json]] = mapped_column(JSON)
    proposed_s: Mapped[int]
    proposed_by: Mapped[int]
    enforced_from_s: Mapped[int | None] = mapped_column(index=True)
    decided_s: Mapped[int | None]
    decided_by: Mapped[int | None]
    note: Mapped[str] = mapped_column(String(1000), default="")
    revision: Mapped[int]

    wanted: Mapped[ListRow] = relationship(foreign_keys=digest)
    before: Mapped[ListRow] = relationship(foreign_keys=base)


class ObjectionRow(Base):
    """A name that was left out of an update of a service. No feed or catalogue brings it back."""

    __tablename__ = "objections"

    service: Mapped[str] = mapped_column(String(127), primary_key=True)
    name: Mapped[str] = mapped_column(String(253), primary_key=True)
    reason: Mapped[str] = mapped_column(String(1000))
    recorded_s: Mapped[int]
    recorded_by: Mapped[int]
