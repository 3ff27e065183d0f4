"""Imports of the control plane before its first request, which it keeps in memory while nobody signs in."""

import subprocess
import sys

import pytest

SIGN_IN = {"webauthn", "cbor2", "authlib", "joserfc"}


@pytest.mark.heavy
def test_libraries_of_signing_in_are_not_imported_by_the_start() -> None:
    code = "import sys, api.serving; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "api.console.people.own_passkeys" in loaded
    assert not SIGN_IN & loaded
