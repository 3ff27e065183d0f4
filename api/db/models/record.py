"""The installation's revision, its tokens, and the record of acts."""

from typing import Any

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base

INSTALLATION = 1
"""The key of the only row of `installation`."""


class InstallationRow(Base):
    """One row. Every writing transaction locks it first: acts are serialised, revisions only grow."""

    __tablename__ = "installation"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    revision: Mapped[int]
    created_s: Mapped[int]


class TokenRow(Base):
    """A bearer token, by its SHA-256 only."""

    __tablename__ = "tokens"

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    created_s: Mapped[int]


class AuditRow(Base):
    """An act. Rows are only ever added; the first migration makes SQLite and PostgreSQL refuse anything else."""

    __tablename__ = "audit"
    __table_args__ = ({"sqlite_autoincrement": True},)

    seq: Mapped[int] = mapped_column(Integer, primary_key=True)
    time_s: Mapped[int]
    actor: Mapped[str] = mapped_column(String(100))
    act: Mapped[str] = mapped_column(String(64), index=True)
    object: Mapped[str] = mapped_column(String(300), index=True)
    before: Mapped[dict[str, Any] | None]
    after: Mapped[dict[str, Any] | None]
    revision: Mapped[int]
