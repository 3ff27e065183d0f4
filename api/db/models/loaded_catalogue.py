"""Catalogues that were loaded between releases."""

from sqlalchemy import Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base


class LoadedCatalogueRow(Base):
    """A signed catalogue that was loaded. `sha256` is that of its file, `key` the public key that signed it."""

    __tablename__ = "loaded_catalogues"

    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    made: Mapped[str] = mapped_column(String(10))
    sha256: Mapped[str] = mapped_column(String(64))
    key: Mapped[str] = mapped_column(String(64))
    loaded_s: Mapped[int]
    loaded_by: Mapped[int]
    revision: Mapped[int]
