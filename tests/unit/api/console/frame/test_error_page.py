"""Errors are pages with the status in words, the reason and what to do next, and with the menu in a session."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from api.console.frame.security_headers import HEADERS
from api.errors import Overloaded
from api.http.problems import of_error
from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

SECRET = "the disk is on fire at /srv/secret"
MENU = 'aria-label="Pages"'
Break = Callable[[Plane, pytest.MonkeyPatch], None]


def unbroken(_plane: Plane, _monkeypatch: pytest.MonkeyPatch) -> None:
    """Break nothing."""


def broken(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let pages meet an unexpected error."""
    monkeypatch.setattr(plane.publisher, "committed", lambda: 1 / 0)


def without_database(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the database fail."""

    def fails() -> None:
        raise OperationalError(SECRET, {}, Exception(SECRET))

    monkeypatch.setattr(plane.database, "reading", fails)


def overloaded(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every request before it reaches a page."""
    stack = plane.app.build_middleware_stack
    monkeypatch.setattr(plane.app, "router", of_error(Overloaded(SECRET), "1"))
    plane.app.middleware_stack = stack()


@pytest.mark.parametrize(
    ("path", "breaks", "status", "texts", "has_menu"),
    [
        ("no-such-page", unbroken, 404, ["There is no such page", "Check the address"], True),
        ("bans/town/gamma", unbroken, 404, ["There is no such page", "no ban", "Check the address"], True),
        ("networks/unregistered", unbroken, 403, ["You may not do this", "administrator", "ask an approver"], True),
        ("bans?state=maybe", unbroken, 422, ["The request is not valid", "<code>state</code>", "correct it"], True),
        ("people", broken, 500, ["dnsfilter has failed", "Look first whether it was done"], True),
        (
            "bans",
            without_database,
            503,
            ["dnsfilter cannot do this now", "nothing was recorded", "Wait a minute"],
            False,
        ),
        ("bans", overloaded, 503, ["dnsfilter cannot do this now", "Wait a minute"], False),
    ],
)
def test_an_error_is_a_page_that_says_why_and_what_next(
    path: str,
    breaks: Break,
    status: int,
    texts: list[str],
    has_menu: bool,
    town: Plane,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = signed_in(town, town.account("desk", ("operator", "town"))[1])
    breaks(town, monkeypatch)
    answer = operator.get(f"/console/{path}")
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
    assert answer.headers["cache-control"] == "no-store"
    page = answer.text
    for text in texts:
        assert text in page
    assert (MENU in page) == has_menu
    assert "secret" not in page
    assert "division by zero" not in page
    (request,) = re.findall("request ([0-9a-f]{24}|1)<", page)
    assert request == answer.headers["x-request-id"]


def test_the_page_of_an_error_shows_no_menu_without_a_session(town: Plane) -> None:
    for path in ("/console/no-such-page", "/register/nowhere"):
        answer = town.call("GET", path, headers={"Accept-Language": "nl"})
        assert answer.status_code == 404, path
        assert "Deze pagina bestaat niet" in answer.text, path
        assert MENU not in answer.text, path


def test_the_page_of_an_error_shows_the_suspensions_in_force(session: Session) -> None:
    session.plane.done("POST", "/v1/suspensions", {"authority": "town", "for": "1h", "reason": "a fault"})
    assert "Nothing is refused for" in session.get("/console/no-such-page").text


def test_a_wrong_method_is_a_page_too(session: Session) -> None:
    answer = session.send("/console/styles")
    assert answer.status_code == 405
    assert "There is no such page" in answer.text
    assert "GET" in answer.headers["allow"]


def test_a_part_of_a_page_stays_as_it_is_if_it_cannot_be_fetched(town: Plane) -> None:
    nobody = signed_in(town, town.account("nobody")[1])
    assert nobody.get("/console/today/now", **{"HX-Request": "true"}).headers["hx-reswap"] == "none"
    boosted = nobody.get("/console/today/now", **{"HX-Request": "true", "HX-Boosted": "true"})
    assert (boosted.status_code, "hx-reswap" in boosted.headers) == (403, False)


def test_problems_of_the_api_are_no_pages(town: Plane) -> None:
    assert town.call("GET", "/v1/nothing").headers["content-type"] == "application/problem+json"
