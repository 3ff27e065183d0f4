"""One control plane with the example policy, and one Chromium, for all tests of a file."""

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support.browsers import chromium
from tests.support.control_planes import Api
from tests.support.nodes import EXAMPLE


class ConsolePlane(Api):
    """A control plane, asked as a client of its API does."""

    @property
    def shown_url(self) -> str:
        """Return its address for a browser: passkeys need a name."""
        return f"http://localhost:{self.port}"

    def ask(self, method: str, path: str, body: object = None, token: str | None = None) -> Any:
        """Return the answer of the API to a request that must succeed."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {token or self.token()}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        with urllib.request.urlopen(request) as answer:
            content = answer.read()
        return json.loads(content) if content else None

    def account(self, login: str, *roles: tuple[str, str | None]) -> str:
        """Make an account with roles in an authority or (None) in the installation. Return its token."""
        number = self.ask("POST", "/v1/accounts", {"kind": "service", "login": login, "name": login})["number"]
        for role, authority in roles:
            held = {} if authority is None else {"authority": authority}
            grant = {"account": number, "role": role, "reason": "for a test", "for": "30 days", **held}
            self.ask("POST", "/v1/grants", grant)
        made: str = self.ask("POST", f"/v1/accounts/{number}/tokens", {"label": "test", "for": "20 days"})["token"]
        return made

    def link(self, token: str | None = None) -> str:
        """Return a link that signs an account in, by default the administrator's."""
        path: str = self.ask("POST", "/v1/self/sign-in-links", token=token)["path"]
        return path


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsolePlane]:
    """Run a control plane with the example policy."""
    with ConsolePlane(tmp_path_factory.mktemp("console") / "api", EXAMPLE.read_text()) as plane:
        assert isinstance(plane, ConsolePlane)
        plane.ask("PUT", "/v1/authorities/ghent/names/www.example.com", {"verdict": "refuse", "reason": "for a test"})
        yield plane


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Run Chromium."""
    with chromium() as running:
        yield running
