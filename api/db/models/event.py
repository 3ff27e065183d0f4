"""Events: who receives them, and how far each receiver is."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base


class WebhookRow(Base):
    """A receiver of events by HTTP. `authority` None means all. `types` are types of events; empty means all.

    The signing secret is derived from `nonce` and the installation's token key. It is not stored.
    """

    __tablename__ = "webhooks"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    authority: Mapped[str | None] = mapped_column(ForeignKey("authorities.slug"), index=True)
    url: Mapped[str] = mapped_column(String(500))
    types: Mapped[list[str]]
    nonce: Mapped[str] = mapped_column(String(32))
    made_s: Mapped[int]
    revision: Mapped[int]


class EventCursorRow(Base):
    """How far a receiver is: the last act and the last notice that it has. `receiver` is `file`, `webhook/3` ….

    `parked` is how many events it rejected until they were left out, `parked_last` the last one with the reason.

    In `file/totals` and `syslog/totals`, `seq` is the number of the last day (from 1 January of year 1) that was sent.
    """

    __tablename__ = "event_cursors"

    receiver: Mapped[str] = mapped_column(String(32), primary_key=True)
    seq: Mapped[int]
    notice: Mapped[int]
    parked: Mapped[int] = mapped_column(default=0)
    parked_last: Mapped[dict[str, str]] = mapped_column(default=dict)
