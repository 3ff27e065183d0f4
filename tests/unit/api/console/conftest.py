"""A visitor of the console without a browser: a session, forms with its token, and pages as text."""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

import httpx
import pytest

from api.auth.sessions import COOKIE
from api.http.file_bodies import FORM
from tests.unit.api.conftest import Plane


@dataclass
class Session:
    """A session of an account in the console."""

    plane: Plane
    cookie: str

    def get(self, path: str, **headers: str) -> httpx.Response:
        """Open a page."""
        return self.plane.call("GET", path, headers={"Cookie": self.cookie, **headers})

    def shown(self, path: str, **headers: str) -> str:
        """Return a page that must open."""
        answer = self.get(path, **headers)
        assert answer.status_code == 200, answer.text
        return answer.text

    def send(self, path: str, *, csrf: str | None = None, **fields: str | list[str]) -> httpx.Response:
        """Send a form with the session's token, or with another."""
        sent = {**fields, "csrf": self.csrf() if csrf is None else csrf}
        headers = {"Cookie": self.cookie, "Content-Type": FORM}
        return self.plane.call("POST", path, headers=headers, content=urlencode(sent, doseq=True).encode())

    def csrf(self) -> str:
        """Return the token of the session's forms, as a page has it."""
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.shown("/console"))
        assert found is not None
        return found[1]


def signed_in(plane: Plane, token: str | None = None) -> Session:
    """Return a session that a link begins."""
    link = plane.done("POST", "/v1/self/sign-in-links", token=token)
    answer = plane.call("POST", link["path"], headers={})
    assert answer.status_code == 303, answer.text
    cookie = answer.headers["set-cookie"].partition(";")[0]
    assert cookie.startswith(f"{COOKIE}=")
    return Session(plane, cookie)


@pytest.fixture
def session(town: Plane) -> Session:
    """Return a session of the installation's administrator in a control plane with the authority `town`."""
    return signed_in(town)
