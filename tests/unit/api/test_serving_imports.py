"""What the control plane keeps in memory before its first request: libraries that few need, and routes."""

import subprocess
import sys

import pytest

SIGN_IN = {"webauthn", "cbor2", "authlib", "joserfc"}
FETCHING = {"httpx2", "httpcore2", "h2"}
"""Libraries of sign-ins with an organisation, and of feeds and registers."""
FIRST_START = {"alembic", "mako"}
TLS = {"cryptography.x509"}


def _printed(code: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.heavy
def test_libraries_that_few_installations_need_are_not_imported_by_the_start() -> None:
    loaded = _printed("import sys, api.serving; print(*sys.modules)")
    assert {"api.console.people.own_passkeys", "api.console.oidc.provider", "api.feeds.fetching"} <= loaded
    assert not (SIGN_IN | FETCHING | FIRST_START | TLS) & loaded


@pytest.mark.heavy
def test_no_route_is_built_by_the_start() -> None:
    code = (
        "from api.application import make_description\n"
        "routes = [route for route in make_description([]).routes if hasattr(type(route), 'handle')]\n"
        "print('routes' if len(routes) > 200 else 'too-few')\n"
        "print(*(route.path for route in routes if 'dependant' in vars(route)))\n"
    )
    assert _printed(code) == {"routes"}
