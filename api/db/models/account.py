"""Accounts, their names, roles, tokens and passkeys, and authentication failures."""

from sqlalchemy import ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from api.db.base import Base
from api.db.period import period_of
from dnsfilter.policy.model import Period


class AccountRow(Base):
    """A person or a service that may hold roles. `authority` is the one that a person works for, if known.

    The audit log names accounts only by number. Numbers are never reused.
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
    """The name of an account. Erasing the row removes the name and leaves the audit log unchanged."""

    __tablename__ = "names"

    account: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True, autoincrement=False)
    login: Mapped[str] = mapped_column(String(63), unique=True)
    name: Mapped[str] = mapped_column(String(200))


class GrantRow(Base):
    """A role that an account holds in `authority`, or in the installation (None), in `[start_s, end_s)`.

    `ended_s` is an earlier end, set by an act.
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
        """Return when the role is held. Use it only for instants after the grant was recorded."""
        return period_of(self.start_s, self.end_s, self.ended_s, self.start_s)


class TokenRow(Base):
    """A bearer token of an account, found by its public part. Only a keyed hash of it is stored.

    `roles` and `authorities` narrow the account's roles, unless they are empty. `used_day` is the last day of use in
    UTC, in days since 1970. `made_with` is the token that its maker presented. `made_by` is the maker's account, or 0
    if it was made with access to the installation's files. A `session` is a token in the cookie of a browser: only the
    console accepts it. `passkey` began it, or None. At `proven_s` its person signed in, or last confirmed it.
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
    session: Mapped[bool] = mapped_column(default=False)
    passkey: Mapped[int | None] = mapped_column(index=True)
    proven_s: Mapped[int | None]


class SignInLinkRow(Base):
    """A link that begins one session of an account in the console. Only a keyed hash of its code is stored.

    `made_with` is the token that its maker presented: the session allows no more than this token, and ends with it.
    """

    __tablename__ = "sign_in_links"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    made_with: Mapped[int]
    made_by: Mapped[int]
    expires_s: Mapped[int]


class PasskeyRow(Base):
    """A passkey of an account: `credential` identifies it, both in unpadded URL-safe base64.

    `uses` is the counter of the device that holds it, or 0 if it has none. `made_with` is the token of the session in
    which it was added. `seal` is a keyed hash: who can only write the database cannot add a passkey.
    """

    __tablename__ = "passkeys"
    __table_args__ = ({"sqlite_autoincrement": True},)

    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    account: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    label: Mapped[str] = mapped_column(String(200))
    credential: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[str] = mapped_column(String(4000))
    seal: Mapped[str] = mapped_column(String(64))
    uses: Mapped[int]
    created_s: Mapped[int]
    used_day: Mapped[int | None]
    made_with: Mapped[int] = mapped_column(index=True)


class UsedChallengeRow(Base):
    """A challenge that a passkey has signed, as a keyed hash. It is kept until the challenge expires."""

    __tablename__ = "used_challenges"

    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    expires_s: Mapped[int]


class AuthenticationFailureRow(Base):
    """A request whose token was not accepted. Only these rows hold addresses of clients, for 90 days."""

    __tablename__ = "failed_tries"
    __table_args__ = ({"sqlite_autoincrement": True},)

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    time_s: Mapped[int] = mapped_column(index=True)
    address: Mapped[str] = mapped_column(String(45))
    reason: Mapped[str] = mapped_column(String(16))
    token: Mapped[int | None]
    request: Mapped[str] = mapped_column(String(64))
