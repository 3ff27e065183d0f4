"""Services that are not in the packaged catalogue, or not as packaged."""

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from api.db.base import Base
from api.db.models.audit_log import ListRow


class ServiceRow(Base):
    """A service of `authority`; without one, a service of the catalogue whose content an update replaced.

    The slug of an authority's own service is `AUTHORITY:SLUG`. `digest` names the list of its names in force.
    """

    __tablename__ = "services"

    slug: Mapped[str] = mapped_column(String(127), primary_key=True)
    authority: Mapped[str | None] = mapped_column(ForeignKey("authorities.slug"), index=True)
    name: Mapped[str] = mapped_column(String(200))
    category: Mapped[str] = mapped_column(String(32))
    source: Mapped[str] = mapped_column(String(500), default="")
    note: Mapped[str] = mapped_column(String(1000), default="")
    digest: Mapped[str] = mapped_column(ForeignKey("lists.digest"))
    revision: Mapped[int]

    content: Mapped[ListRow] = relationship()
