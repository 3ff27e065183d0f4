"""Large forms: read from a session, up to a megabyte, and from nobody else."""

import pytest

from api.auth.sessions import COOKIE
from api.http.file_bodies import FORM
from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

LARGE = "x" * 200_000


@pytest.fixture
def session(town: Plane) -> Session:
    """Return a session of the installation's administrator."""
    return signed_in(town)


def test_a_large_form_of_a_session_is_read(session: Session) -> None:
    answer = session.send("/console/suspend", authority="town", reason="n", note=LARGE)
    assert answer.status_code == 422
    assert 'id="reason-fault"' in answer.text
    assert session.send("/console/suspend", note="x" * (1024 * 1024)).status_code == 413


@pytest.mark.parametrize(
    ("cookie", "path", "status"),
    [
        ("", "/console/suspend", 401),
        (f"{COOKIE}=dnsf_unknown", "/console/suspend", 401),
        ("session", "/console/suspend/1", 413),
        ("session", "/v1/suspensions", 401),
    ],
)
def test_a_large_form_is_not_read_without_a_session_or_a_page(
    cookie: str, path: str, status: int, session: Session
) -> None:
    headers = {"Cookie": session.cookie if cookie == "session" else cookie, "Content-Type": FORM}
    answer = session.plane.call("POST", path, headers=headers, content=f"note={LARGE}".encode())
    assert (answer.status_code, answer.headers["connection"]) == (status, "close")


def test_a_token_of_the_api_sends_no_large_form(town: Plane) -> None:
    headers = {"Cookie": f"{COOKIE}={town.token}", "Content-Type": FORM}
    answer = town.call("POST", "/console/suspend", headers=headers, content=f"note={LARGE}".encode())
    assert answer.status_code == 401
