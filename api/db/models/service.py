"""Services that are not in the packaged catalogue, or not as packaged; feeds of own services."""

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


class FeedRow(Base):
    """The feed of an own service. `source` is an https URL, or a path below the directory of feeds.

    An empty `format` is detected. `exact` None leaves to the format what a name means. `failures` counts fetches since
    the last good one, at `good_s`; `failure` and `message` are of the last one. `last_update` is the number of the last
    update that the feed caused.
    """

    __tablename__ = "feeds"

    service: Mapped[str] = mapped_column(ForeignKey("services.slug"), primary_key=True)
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), index=True)
    source: Mapped[str] = mapped_column(String(500))
    format: Mapped[str] = mapped_column(String(16))
    exact: Mapped[bool | None]
    every_s: Mapped[int]
    next_s: Mapped[int] = mapped_column(index=True)
    made_s: Mapped[int]
    fetched_s: Mapped[int | None]
    good_s: Mapped[int | None]
    etag: Mapped[str] = mapped_column(String(200), default="")
    modified: Mapped[str] = mapped_column(String(200), default="")
    names: Mapped[int] = mapped_column(default=0)
    skipped: Mapped[int] = mapped_column(default=0)
    failures: Mapped[int] = mapped_column(default=0)
    failing_since_s: Mapped[int | None]
    failure: Mapped[str] = mapped_column(String(32), default="")
    message: Mapped[str] = mapped_column(String(500), default="")
    last_update: Mapped[int | None]
    revision: Mapped[int]
