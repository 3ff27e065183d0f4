"""The API's answers about accounts, grants, tokens and space, as this client reads them."""

from api.ctl.answers import Answer, Moment, Number


class Account(Answer):
    """A person or a program; its names are null once they were erased."""

    number: Number
    kind: str
    login: str | None
    name: str | None
    authority: str | None
    created: Moment
    disabled: Moment | None
    revision: Number


class Grant(Answer):
    """A role that an account holds, for a time."""

    number: Number
    account: Number
    role: str
    authority: str | None
    start: Moment
    end: Moment | None
    reason: str
    recorded: Moment
    recorded_by: Number
    ended: Moment | None
    ended_reason: str
    state: str
    revision: Number


class Token(Answer):
    """A token, without what is secret of it."""

    number: Number
    account: Number
    public: str
    label: str
    roles: list[str]
    authorities: list[str]
    created: Moment
    expires: Moment | None
    revoked: Moment | None
    last_used: str | None


class TokenMade(Token):
    """A token just made, with its text."""

    token: str


class Held(Answer):
    """A role that holds now; without an authority one in the installation."""

    role: str
    authority: str | None


class Oneself(Answer):
    """Whoever asks, as its token lets it act."""

    account: Account
    token: Token
    roles: list[Held]


class FailedTry(Answer):
    """A token that was not taken."""

    number: Number
    time: Moment
    address: str
    reason: str
    token: Number | None
    account: Number | None
    request: str


class Space(Answer):
    """A prefix inside which an authority registers its ranges by itself."""

    site: str
    prefix: str
    authority: str
    revision: Number
