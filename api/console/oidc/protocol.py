"""OpenID Connect: what is asked of a provider, and which of its answers are valid. Pure, and the door to authlib.

The authorization code flow with PKCE (OpenID Connect Core 1.0 section 3.1, RFC 7636). Its libraries are imported by
the first sign-in: few installations need them, and they take 4 MB.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from api.console.oidc.sign_in_attempt import Attempt
from api.console.oidc.sign_in_failures import NOT_VALID, SignInFailed
from api.delivery.identity_provider import IdentityProvider, is_secure
from dnsfilter.policy.model import Instant

CALLBACK = "/console/sign-in/oidc/callback"
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures that only the provider can make. Those with a shared secret, and none, are refused."""
LEEWAY_S = 60
"""Seconds by which the provider's clock may differ."""
BASIC, POST = "client_secret_basic", "client_secret_post"
FORM = "application/x-www-form-urlencoded"
_SCOPES = {"email": "openid email"}
"""Scopes that a claim needs; other claims need `openid profile` (OpenID Connect Core 1.0 section 5.4)."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a provider publishes about itself (OpenID Connect Discovery 1.0 section 3)."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    authentication: str
    algorithms: tuple[str, ...]
    names_issuer: bool


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request for the tokens of a code."""

    url: str
    headers: Mapping[str, str]
    body: str


def metadata_url(issuer: str) -> str:
    """Return where an issuer publishes its metadata."""
    return issuer.rstrip("/") + "/.well-known/openid-configuration"


def read_metadata(issuer: str, found: Mapping[str, Any]) -> Metadata:
    """Return the metadata of a provider. Raise SignInFailed if they are another's, or cannot be used safely."""
    if found.get("issuer") != issuer:
        raise SignInFailed(NOT_VALID, "the provider's metadata name another issuer")
    urls = [found.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
    secure = [url for url in urls if isinstance(url, str) and is_secure(url)]
    if len(secure) != len(urls):
        raise SignInFailed(NOT_VALID, "the provider's metadata lack an https endpoint")
    authorization, token, keys = secure
    methods = _texts(found, "token_endpoint_auth_methods_supported", (BASIC,))
    algorithms = _texts(found, "id_token_signing_alg_values_supported", ("RS256",))
    usable = tuple(each for each in ALGORITHMS if each in algorithms)
    if not usable or not {BASIC, POST} & set(methods):
        raise SignInFailed(NOT_VALID, "the provider supports no usable signature or client authentication")
    authentication = BASIC if BASIC in methods else POST
    names_issuer = found.get("authorization_response_iss_parameter_supported") is True
    userinfo = found.get("userinfo_endpoint")
    if not (isinstance(userinfo, str) and is_secure(userinfo)):
        userinfo = None
    return Metadata(authorization, token, keys, userinfo, authentication, usable, names_issuer)


def authorization_url(provider: IdentityProvider, metadata: Metadata, attempt: Attempt) -> str:
    """Return where the browser goes to sign in."""
    from authlib.oauth2.rfc6749.parameters import prepare_grant_uri
    from authlib.oauth2.rfc7636 import create_s256_code_challenge

    url: str = prepare_grant_uri(
        metadata.authorization,
        provider.client_id,
        "code",
        redirect_uri=provider.console_url + CALLBACK,
        scope=_SCOPES.get(provider.claim, "openid profile"),
        state=attempt.state,
        nonce=attempt.nonce,
        code_challenge=create_s256_code_challenge(attempt.verifier),
        code_challenge_method="S256",
    )
    return url


def check_answer(provider: IdentityProvider, metadata: Metadata, issuer: str | None) -> None:
    """Raise SignInFailed if the answer to the browser is from another issuer (RFC 9207)."""
    if issuer != provider.issuer and (issuer is not None or metadata.names_issuer):
        raise SignInFailed(NOT_VALID, "the answer is from another issuer")


def token_request(
    provider: IdentityProvider, metadata: Metadata, secret: str, attempt: Attempt, code: str
) -> TokenRequest:
    """Return the request for the tokens of a code."""
    from authlib.oauth2.auth import ClientAuth
    from authlib.oauth2.rfc6749.parameters import prepare_token_request

    body = prepare_token_request(
        "authorization_code", redirect_uri=provider.console_url + CALLBACK, code=code, code_verifier=attempt.verifier
    )
    client = provider.client_id, secret
    if metadata.authentication == BASIC:
        # RFC 6749 section 2.3.1 encodes both; authlib does not.
        client = quote_plus(provider.client_id), quote_plus(secret)
    headers = {"Content-Type": FORM}
    return TokenRequest(*ClientAuth(*client, metadata.authentication).prepare("POST", metadata.token, headers, body))


def verified_claims(
    provider: IdentityProvider,
    metadata: Metadata,
    keys: Mapping[str, Any],
    tokens: Mapping[str, Any],
    nonce: str,
    now_s: Instant,
) -> Mapping[str, Any]:
    """Return the claims of an ID token. Raise SignInFailed unless its signature and all that it says are valid."""
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
    from joserfc.jws import JWSRegistry

    try:
        decoded = jwt.decode(
            tokens["id_token"],
            KeySet.import_key_set(dict(keys)),  # type: ignore[arg-type]
            registry=JWSRegistry(algorithms=list(metadata.algorithms), strict_check_header=False),
        )
        wanted = {
            "iss": {"essential": True, "value": provider.issuer},
            "aud": {"essential": True, "value": provider.client_id},
        }
        known = {"nonce": nonce, "client_id": provider.client_id, "access_token": tokens.get("access_token")}
        claims = CodeIDToken(decoded.claims, decoded.header, wanted, known)
        claims.validate(now_s, LEEWAY_S)
    except JoseError as error:
        raise SignInFailed(NOT_VALID, f"the ID token is not valid: {error}") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SignInFailed(NOT_VALID, "the provider's ID token or keys cannot be read") from error
    return dict(claims)


def userinfo_headers(tokens: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the headers of a request for claims that the ID token lacks."""
    return {"Authorization": f"Bearer {tokens.get('access_token')}"}


def with_userinfo(claims: Mapping[str, Any], found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the claims of an ID token, and those that userinfo adds. Raise SignInFailed if they are of another person.

    Providers may leave claims of a scope out of the ID token (OpenID Connect Core 1.0 section 5.4).
    """
    if found.get("sub") != claims["sub"]:
        raise SignInFailed(NOT_VALID, "userinfo is about another person than the ID token")
    return {**found, **claims}


def login_of(provider: IdentityProvider, claims: Mapping[str, Any]) -> str:
    """Return the login that the claims name, in lower case. Raise SignInFailed if they name none."""
    value = claims.get(provider.claim)
    # Lower case turns some characters of other scripts into Latin ones.
    if not isinstance(value, str) or not value.isascii() or not value:
        raise SignInFailed(NOT_VALID, f"there is no claim {provider.claim} that is an ASCII text")
    if provider.claim == "email" and claims.get("email_verified") is not True:
        raise SignInFailed(NOT_VALID, "the provider has not verified the claim email")
    login = value.lower()
    if provider.domain is None:
        return login
    name, _, domain = login.rpartition("@")
    if domain != provider.domain:
        raise SignInFailed(NOT_VALID, f"the claim {provider.claim} has another domain than {provider.domain}")
    return name


def _texts(found: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    values = found.get(name, default)
    return tuple(each for each in values if isinstance(each, str)) if isinstance(values, list | tuple) else ()
