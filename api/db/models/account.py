"""Who acts: accounts, their names, their roles, their tokens; and who tried in vain."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base
from api.db.period import period_of
from dnsfilter.policy.model import Period


class AccountRow(Base):
    """A person or a service that may hold roles. `authority` is the body that a person works for, if it is known.

    The record of acts names accounts by number only; numbers are never used twice.
    """

    __tablename__ = "accounts"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16))
    authority: Mapped[str | None] = mapped_column(ForeignKey("authorities.slug"))
    created_s: Mapped[int]
    disabled_s: Mapped[int | None]
    revision: Mapped[int]


class NameRow(Base):
    """What an account is called. Erasing the row leaves every record whole, and names nobody."""

    __tablename__ = "names"

    account: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True, autoincrement=False)
    login: Mapped[str] = mapped_column(String(63), unique=True)
    name: Mapped[str] = mapped_column(String(200))


class GrantRow(Base):
    """A role that an account holds in `authority`, or in the installation (None), in `[start_s, end_s)`.

    `ended_s` is the earlier end that an act has given it.
    """

    __tablename__ = "grants"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    role: Mapped[str] = mapped_column(String(16))
    authority: Mapped[str | None] = mapped_column(ForeignKey("authorities.slug"), index=True)
    start_s: Mapped[int]
    end_s: Mapped[int | None]
    reason: Mapped[str] = mapped_column(String(1000))
    recorded_s: Mapped[int]
    recorded_by: Mapped[int]
    ended_s: Mapped[int | None]
    ended_reason: Mapped[str] = mapped_column(String(1000), default="")
    revision: Mapped[int]

    @property
    def period(self) -> Period:
        """When the role is held. It is asked about only after it was recorded."""
        return period_of(self.start_s, self.end_s, self.ended_s, self.start_s)


class TokenRow(Base):
    """A bearer token of an account, found by its public part and known by a keyed hash only.

    `roles` and `authorities` narrow what the account's roles allow; empty, they do not. `used_day` is a day of UTC
    as a number of days since 1970. `made_with` is the token that its maker presented; `made_by` the maker's account,
    0 where whoever may write to the installation's files made it.
    """

    __tablename__ = "tokens"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    public: Mapped[str] = mapped_column(String(16), unique=True)
    account: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    label: Mapped[str] = mapped_column(String(200))
    digest: Mapped[str] = mapped_column(String(64))
    roles: Mapped[list[str]]
    authorities: Mapped[list[str]]
    created_s: Mapped[int]
    expires_s: Mapped[int | None]
    revoked_s: Mapped[int | None]
    used_day: Mapped[int | None]
    made_with: Mapped[int | None] = mapped_column(index=True)
    made_by: Mapped[int] = mapped_column(default=0)


class AuthenticationFailureRow(Base):
    """A request whose token was not taken: the only place where an address is kept, for 90 days."""

    __tablename__ = "failed_tries"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    time_s: Mapped[int] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(String(45))
    reason: Mapped[str] = mapped_column(String(16))
    token: Mapped[int | None]
    request: Mapped[str] = mapped_column(String(64))
