"""Convert rows of accounts, grants and tokens to API answers."""

from api.accounts.schemas import AccountKind, AccountRead, AuthenticationFailureRead, GrantRead, PasskeyRead, TokenRead
from api.accounts.state import grant_state
from api.auth.passkey_removal import shown_passkey
from api.auth.revocation import shown_token
from api.auth.roles import Role
from api.db.models import AccountRow, AuthenticationFailureRow, GrantRow, NameRow, PasskeyRow, TokenRow
from api.timestamps import optional_text, timestamp_text
from dnsfilter.policy.model import DAY_S, Instant


def read_account(row: AccountRow, name: NameRow | None) -> AccountRead:
    """Return an account as the API shows it."""
    return AccountRead(
        number=row.id,
        kind=AccountKind(row.kind),
        login=name.login if name is not None else None,
        name=name.name if name is not None else None,
        authority=row.authority,
        recorded=timestamp_text(row.created_s),
        disabled=optional_text(row.disabled_s),
        revision=row.revision,
    )


def read_grant(row: GrantRow, now: Instant) -> GrantRead:
    """Return a grant as the API shows it."""
    return GrantRead(
        number=row.number,
        account=row.account,
        role=Role(row.role),
        authority=row.authority,
        start=timestamp_text(row.start_s),
        end=optional_text(row.end_s),
        reason=row.reason,
        recorded=timestamp_text(row.recorded_s),
        recorded_by=row.recorded_by,
        ended=optional_text(row.ended_s),
        ended_reason=row.ended_reason,
        state=grant_state(row, now),
        revision=row.revision,
    )


def read_authentication_failure(row: AuthenticationFailureRow, account: int | None) -> AuthenticationFailureRead:
    """Return an authentication failure as the API shows it."""
    return AuthenticationFailureRead(
        number=row.id,
        time=timestamp_text(row.time_s),
        address=row.address,
        reason=row.reason,
        token=row.token,
        account=account,
        request=row.request,
    )


def read_token(row: TokenRow) -> TokenRead:
    """Return a token as the API shows it."""
    return TokenRead(**shown_token(row), last_used=_day(row.used_day))


def read_passkey(row: PasskeyRow) -> PasskeyRead:
    """Return a passkey as the API shows it."""
    return PasskeyRead(**shown_passkey(row), last_used=_day(row.used_day))


def _day(number: int | None) -> str | None:
    return None if number is None else timestamp_text(number * DAY_S)[:10]
