"""The declarative base, with names for constraints that migrations can refer to."""

from typing import Any, ClassVar

from sqlalchemy import JSON, BigInteger, MetaData
from sqlalchemy.orm import DeclarativeBase

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Json = dict[str, Any]
"""A JSON object as stored."""


class Base(DeclarativeBase):
    """Base of every table. Columns named `*_s` are integer seconds of UTC. `revision` is that of the last change."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        dict[str, Any]: JSON(none_as_null=True),
        dict[str, str]: JSON,
        list[str]: JSON,
        list[int]: JSON,
    }
