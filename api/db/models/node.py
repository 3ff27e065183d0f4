"""Nodes: machines that answer queries."""

from sqlalchemy import ColumnElement, ForeignKey, Integer, String, and_
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base, Json


class NodeRow(Base):
    """A node, registered for a site. Its tokens are stored as hashes and found by their public part.

    `enrolment_*` describe a one-time token, valid until `enrolment_until_s`. `public` and `digest` describe the token
    that the node got for it at `enrolled_s`. `report` is the node's last report, sent at `seen_s`.
    """

    __tablename__ = "nodes"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    name: Mapped[str] = mapped_column(String(63), unique=True)
    site: Mapped[str] = mapped_column(ForeignKey("sites.slug"))
    registered_s: Mapped[int]
    removed_s: Mapped[int | None]
    enrolment_public: Mapped[str | None] = mapped_column(String(12), unique=True)
    enrolment_digest: Mapped[str] = mapped_column(String(64), default="")
    enrolment_until_s: Mapped[int | None]
    enrolled_s: Mapped[int | None]
    public: Mapped[str | None] = mapped_column(String(12), unique=True)
    digest: Mapped[str] = mapped_column(String(64), default="")
    seen_s: Mapped[int | None]
    report: Mapped[Json] = mapped_column(default=dict)
    revision: Mapped[int]

    def may_enrol(self, now_s: float) -> bool:
        """Return whether there is a token that can enrol the node at `now_s`."""
        return self.enrolment_until_s is not None and self.enrolment_until_s > now_s

    @classmethod
    def sql_is_enrolled(cls) -> ColumnElement[bool]:
        """Select the nodes that have enrolled and were not removed."""
        return and_(cls.removed_s.is_(None), cls.enrolled_s.is_not(None))
