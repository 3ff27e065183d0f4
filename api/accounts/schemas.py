"""Request and response schemas of accounts, grants and tokens."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from api.auth.roles import Role
from api.http.patterns import LOGIN
from api.http.schemas import Day, EndText, Read, Reason, ShortLine, Slug, SpanText, Strict, Timestamp, TimestampText

Login = Annotated[str, StringConstraints(pattern=LOGIN), Field(examples=["ict-ghent"])]


class AccountKind(StrEnum):
    """Kind of account: a person (`user`) or a program (`service`)."""

    USER = "user"
    SERVICE = "service"


class AccountWrite(Strict):
    """A new account. `authority` is the one that a person works for."""

    kind: AccountKind
    login: Login
    name: Annotated[ShortLine, Field(min_length=1, examples=["the ICT desk of Ghent"])]
    authority: Slug | None = None


class AccountRead(Read):
    """An account. `login` and `name` are null after they were erased."""

    number: int
    kind: AccountKind
    login: str | None
    name: str | None
    authority: str | None
    recorded: Timestamp
    disabled: Timestamp | None
    revision: int


class GrantState(StrEnum):
    """State of a grant at an instant."""

    PLANNED = "planned"
    IN_FORCE = "in_force"
    ENDED = "ended"


class GrantWrite(Strict):
    """A role for an account; without `authority`, a role in the installation.

    A person from another authority needs an end.
    """

    account: Annotated[int, Field(ge=1, le=2**31 - 1)]
    role: Role
    authority: Slug | None = None
    start: TimestampText | None = None
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for")
    reason: Reason


class GrantEnding(Strict):
    """The reason for ending a grant now."""

    reason: Reason


class GrantRead(Read):
    """A role that an account has for a period."""

    number: int
    account: int
    role: Role
    authority: str | None
    start: Timestamp
    end: Timestamp | None
    reason: str
    recorded: Timestamp
    recorded_by: int
    ended: Timestamp | None
    ended_reason: str
    state: GrantState
    revision: int


class TokenWrite(Strict):
    """A new token, which ends within a year. `roles` and `authorities` narrow the permissions of its account.

    It ends no later than the token that makes it, unless an administrator sets `outlives_maker`.
    """

    label: Annotated[ShortLine, Field(min_length=1, examples=["the desk's workstation"])]
    end: EndText | None = None
    until: EndText | None = None
    for_: SpanText | None = Field(default=None, alias="for", examples=["90 days"])
    roles: Annotated[frozenset[Role], Field(max_length=len(Role))] = frozenset()
    authorities: Annotated[frozenset[Slug], Field(max_length=100)] = frozenset()
    outlives_maker: bool = Field(default=False, description="Let the token end later than the token that makes it.")


class TokenRead(Read):
    """A token, without its secret. `recorded_by` is an account, 0 for the installation; `made_with` is a token.

    A `session` is the token of a browser, which only the console accepts.
    """

    number: int
    account: int
    public: str
    label: str
    roles: list[Role]
    authorities: list[str]
    recorded: Timestamp
    expires: Timestamp | None
    revoked: Timestamp | None
    last_used: Day | None
    recorded_by: int
    made_with: int | None
    session: bool


class TokensRevoked(Read):
    """The tokens that an act revoked: the named one and those made with it. Empty if all were revoked before."""

    tokens: list[TokenRead]


class TokenMade(TokenRead):
    """A new token. `token` is shown only once."""

    token: str = Field(examples=["dnsf_0123456789ab_…"])


class SignInLinkMade(Read):
    """A link to the console, relative to the API's own address. It works once, and not after `expires`."""

    path: str = Field(examples=["/console/sign-in/…"])
    expires: Timestamp


class PasskeyRead(Read):
    """A passkey, with which a person signs in to the console. `made_with` is the token of the session that added it."""

    number: int
    account: int
    label: str
    recorded: Timestamp
    last_used: Day | None
    made_with: int


class AuthenticationFailureRead(Read):
    """A rejected token. `token` and `account` are null if the token is unknown."""

    number: int
    time: Timestamp
    address: str
    reason: str = Field(examples=["revoked"])
    token: int | None
    account: int | None
    request: str


class HeldRead(Read):
    """A role that is in force now."""

    role: Role
    authority: str | None


class SelfRead(Read):
    """The caller: the account, the token, and the roles that the token allows."""

    account: AccountRead
    token: TokenRead
    roles: list[HeldRead]
