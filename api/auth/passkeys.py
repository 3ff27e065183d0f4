"""Passkeys: adding them, and what a browser signs with them (Web Authentication, level 3).

A challenge needs no row: it has its own end and seal, and is good for one purpose and one session. Only one that was
used is stored, until its end, so that nobody without a passkey can fill the database.
"""

import hmac
import json
import secrets
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    parse_authentication_credential_json,
    parse_client_data_json,
    parse_registration_credential_json,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from api.auth.passkey_removal import shown_passkey
from api.auth.passkey_rows import Purpose, of_account
from api.auth.tokens import digest
from api.db.models import NameRow, PasskeyRow, TokenRow, UsedChallengeRow
from api.db.subjects import subject
from api.db.unit_of_work import UnitOfWork
from api.errors import Conflict, Forbidden, Invalid, NotAuthenticated
from dnsfilter.policy.model import DAY_S, Instant
from dnsfilter.translatable import Text

CHALLENGE_S = 600
"""Seconds in which a challenge is good."""
MAX_PASSKEYS = 10
"""Most passkeys of one account."""
MAX_CREDENTIAL = 1023
"""Longest identifier of a credential in bytes (Web Authentication section 4)."""
MAX_SENT = 20_000
"""Longest answer of a browser in characters."""
MAX_LABEL = 100
NOT_ACCEPTED = Text("The passkey was not accepted. Try again, or ask an administrator for a link.")
NOT_ADDED = Text("The passkey was not added. Try again.")
_PLAIN = 24
_FAILURES = (WebAuthnException, ValueError, TypeError, KeyError)
"""What the library raises for an answer that is malformed, or not signed as it should be."""


def registration_options(session: Session, key: bytes, token: TokenRow, host: str, now_s: Instant) -> str:
    """Return, as JSON, what a browser needs to make a passkey for the account of a session."""
    name = session.get_one(NameRow, token.account)
    options = generate_registration_options(
        rp_id=host,
        rp_name="dnsfilter",
        user_id=hmac.digest(key, f"passkey user {token.account}".encode(), "sha256"),
        user_name=name.login,
        user_display_name=name.name,
        challenge=_challenge(key, Purpose.REGISTER, token.id, now_s),
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=_described(session, token.account),
    )
    return options_to_json(options)


def signing_options(
    session: Session, key: bytes, purpose: Purpose, token: TokenRow | None, host: str, now_s: Instant
) -> str:
    """Return, as JSON, what a browser needs to sign with a passkey: any, or one of the account of a session."""
    options = generate_authentication_options(
        rp_id=host,
        challenge=_challenge(key, purpose, _number(token), now_s),
        allow_credentials=[] if token is None else _described(session, token.account),
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return options_to_json(options)


def register(unit: UnitOfWork, key: bytes, token: TokenRow, label: str, sent: str, host: str) -> PasskeyRow:
    """Add the passkey that a browser has made to the account of a session. Raise Forbidden, Conflict or Invalid."""
    if token.roles or token.authorities:
        raise Forbidden(Text("This session allows less than your account: its link was made with a narrowed token."))
    if not 0 < len(label) <= MAX_LABEL or not label.isprintable():
        raise Invalid.at(
            "body.label",
            Text("give a name of 1 to {most} characters, so that you know it again", most=MAX_LABEL),
        )
    if len(of_account(unit.session, token.account)) >= MAX_PASSKEYS:
        raise Conflict(Text("You have {most} passkeys. Remove one first.", most=MAX_PASSKEYS))
    try:
        made = parse_registration_credential_json(_read(sent))
        challenge, origin = _signed(made.response.client_data_json, host)
        found = verify_registration_response(
            credential=made,
            expected_challenge=challenge,
            expected_rp_id=host,
            expected_origin=origin,
            require_user_verification=True,
        )
        if len(found.credential_id) > MAX_CREDENTIAL:
            raise ValueError(f"the credential's identifier has {len(found.credential_id)} bytes")
    except _FAILURES:
        raise Invalid.at("body.label", NOT_ADDED) from None
    if not _spend(unit.session, key, Purpose.REGISTER, token.id, challenge, unit.now_s):
        raise Invalid.at("body.label", NOT_ADDED)
    credential, public_key = map(bytes_to_base64url, (found.credential_id, found.credential_public_key))
    if unit.session.scalar(select(PasskeyRow.number).where(PasskeyRow.credential == credential)) is not None:
        raise Conflict(Text("This passkey was added before."))
    row = PasskeyRow(
        account=token.account,
        label=label,
        credential=credential,
        public_key=public_key,
        seal=_seal(key, token.account, credential, public_key),
        uses=found.sign_count,
        created_s=unit.now_s,
        made_with=token.id,
    )
    unit.session.add(row)
    unit.session.flush()
    unit.note("passkey.add", subject(row), None, shown_passkey(row))
    return row


def signer(
    session: Session, key: bytes, purpose: Purpose, token: TokenRow | None, sent: str, host: str, now_s: Instant
) -> PasskeyRow:
    """Return the passkey with which a browser has signed a challenge. Raise NotAuthenticated.

    For a session it is one of its account.
    """
    try:
        given = parse_authentication_credential_json(_read(sent))
        challenge, origin = _signed(given.response.client_data_json, host)
        row = session.scalar(select(PasskeyRow).where(PasskeyRow.credential == bytes_to_base64url(given.raw_id)))
        if row is None or not hmac.compare_digest(row.seal, _seal(key, row.account, row.credential, row.public_key)):
            raise ValueError("no such passkey")
        if token is not None and token.account != row.account:
            raise ValueError("the passkey is of another account")
        done = verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=host,
            expected_origin=origin,
            credential_public_key=base64url_to_bytes(row.public_key),
            credential_current_sign_count=row.uses,
            require_user_verification=True,
        )
    except _FAILURES:
        raise NotAuthenticated(NOT_ACCEPTED) from None
    if not _spend(session, key, purpose, _number(token), challenge, now_s):
        raise NotAuthenticated(NOT_ACCEPTED)
    row.uses, row.used_day = done.new_sign_count, now_s // DAY_S
    return row


def _read(sent: str) -> dict[str, Any]:
    found = json.loads(sent) if len(sent) <= MAX_SENT else None
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def _signed(client_data: bytes, host: str) -> tuple[bytes, str]:
    """Return the challenge that a browser has signed, and its origin, which is on this host. Raise ValueError."""
    data = parse_client_data_json(client_data)
    origin = urlsplit(data.origin)
    if origin.hostname != host or origin.scheme not in (("http", "https") if host == "localhost" else ("https",)):
        raise ValueError(f"signed for {data.origin}")
    return data.challenge, data.origin


def _challenge(key: bytes, purpose: Purpose, token: int, now_s: Instant) -> bytes:
    plain = (now_s + CHALLENGE_S).to_bytes(8) + secrets.token_bytes(_PLAIN - 8)
    return plain + _own(key, purpose, token, plain)


def _own(key: bytes, purpose: Purpose, token: int, plain: bytes) -> bytes:
    return hmac.digest(key, f"passkey challenge {purpose} {token} ".encode() + plain, "sha256")


def _spend(session: Session, key: bytes, purpose: Purpose, token: int, challenge: bytes, now_s: Instant) -> bool:
    """Return whether a challenge is ours, has not expired, and was not used. It is used from now on."""
    session.execute(delete(UsedChallengeRow).where(UsedChallengeRow.expires_s <= now_s))
    plain = challenge[:_PLAIN]
    expires_s, used = int.from_bytes(plain[:8]), digest(key, challenge.hex())
    if not hmac.compare_digest(challenge[_PLAIN:], _own(key, purpose, token, plain)):
        return False
    if expires_s <= now_s or session.get(UsedChallengeRow, used) is not None:
        return False
    session.add(UsedChallengeRow(digest=used, expires_s=expires_s))
    return True


def _seal(key: bytes, account: int, credential: str, public_key: str) -> str:
    return digest(key, f"passkey {account} {credential} {public_key}")


def _described(session: Session, account: int) -> list[PublicKeyCredentialDescriptor]:
    own = of_account(session, account)
    return [PublicKeyCredentialDescriptor(id=base64url_to_bytes(row.credential)) for row in own]


def _number(token: TokenRow | None) -> int:
    return 0 if token is None else token.id
