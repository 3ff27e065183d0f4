"""Authorities."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base, Json
from dnsfilter.policy.model import Usage


class AuthorityRow(Base):
    """A public body. Its slug identifies it and never changes.

    `off_needs_reason` and `off_needs_approver` say what is needed to switch off one of its bans. `closes_s` is when it
    ceases to exist. `successor` is the authority into which it was merged. From `client_since_s` to `client_until_s`
    its usage is at the level `client`, for the reasons in `client_basis`. `public_register` says whether anybody
    may read its bans, `filtering_database` by which identifier browsers find them.
    """

    __tablename__ = "authorities"

    slug: Mapped[str] = mapped_column(String(63), primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    names: Mapped[dict[str, str]]
    languages: Mapped[list[str]]
    time_zone: Mapped[str] = mapped_column(String(64))
    contact: Mapped[str] = mapped_column(String(200))
    usage: Mapped[str] = mapped_column(String(16))
    group: Mapped[str] = mapped_column("display_group", String(100))
    public_register: Mapped[bool] = mapped_column(default=False)
    filtering_database: Mapped[str] = mapped_column(String(63), default="")
    off_needs_reason: Mapped[bool] = mapped_column(default=False)
    off_needs_approver: Mapped[bool] = mapped_column(default=False)
    closes_s: Mapped[int | None]
    closed_reason: Mapped[str] = mapped_column(String(1000), default="")
    closed_decision: Mapped[Json] = mapped_column(default=dict)
    successor: Mapped[str | None] = mapped_column(String(63))
    client_since_s: Mapped[int | None]
    client_until_s: Mapped[int | None]
    client_basis: Mapped[Json] = mapped_column(default=dict)
    revision: Mapped[int]

    @property
    def usage_level(self) -> Usage:
        """Return at which level its queries are counted."""
        return Usage(self.usage)

    @property
    def client_end_s(self) -> int | None:
        """Return when its level `client` ends: with the authority at the latest. None if it has none."""
        ends = (self.client_until_s, self.closes_s)
        return None if self.client_until_s is None else min(each for each in ends if each is not None)
