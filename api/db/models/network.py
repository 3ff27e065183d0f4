"""Sites, the address space assigned there, the ranges registered there, and the names of fleets."""

from sqlalchemy import ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base


class SiteRow(Base):
    """A network with its own address plan."""

    __tablename__ = "sites"

    slug: Mapped[str] = mapped_column(String(63), primary_key=True)
    name: Mapped[str] = mapped_column(String(200))
    revision: Mapped[int]


class RangeRow(Base):
    """A normalised prefix of one site, registered to one authority."""

    __tablename__ = "ranges"
    __table_args__ = (UniqueConstraint("site", "prefix"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.slug"))
    prefix: Mapped[str] = mapped_column(String(43))
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), index=True)
    label: Mapped[str] = mapped_column(String(200))
    funding: Mapped[str] = mapped_column(String(16))
    audience: Mapped[str] = mapped_column(String(16))
    revision: Mapped[int]


class SpaceRow(Base):
    """A normalised prefix of one site. Inside it, operators of the authority register its ranges."""

    __tablename__ = "spaces"
    __table_args__ = (UniqueConstraint("site", "prefix"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.slug"))
    prefix: Mapped[str] = mapped_column(String(43))
    authority: Mapped[str] = mapped_column(ForeignKey("authorities.slug"), index=True)
    revision: Mapped[int]


class FleetNameRow(Base):
    """A token over `[start_s, end_s)` of the fleet that is the range with that prefix at `site`.

    Numbers are never reused. `recorded_by` is an account, 0 is the installation itself.
    """

    __tablename__ = "fleet_names"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    site: Mapped[str] = mapped_column(String(63))
    prefix: Mapped[str] = mapped_column(String(43), index=True)
    token: Mapped[str] = mapped_column(String(63), unique=True)
    start_s: Mapped[int]
    end_s: Mapped[int | None]
    recorded_by: Mapped[int]
    revision: Mapped[int]
