"""What all pages share: their headers, errors as pages, and which operations they may call."""

from api.application import routes
from api.console.frame.security_headers import HEADERS
from api.console.router import page_routes
from tests.support.statements import statements
from tests.unit.api.console.conftest import Session


def test_every_answer_has_the_headers_of_the_console(session: Session) -> None:
    for path in ("/console", "/console/sign-in", "/console/styles", "/console/sign-in/x"):
        answer = session.get(path)
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS), path
    assert "unsafe" not in HEADERS["Content-Security-Policy"]


def test_pages_call_only_operations_that_exist() -> None:
    known = {route.operation_id for route in routes()}
    assert {name for page in page_routes() for name in page.operations} <= known


def test_a_page_that_does_not_exist_says_so_in_the_language_of_the_browser(session: Session) -> None:
    answer = session.get("/console/no-such-page")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")


def test_a_page_authenticates_its_session_once_and_each_act_again(session: Session) -> None:
    csrf = session.csrf()
    with statements(session.plane.database) as read:
        session.shown("/console")
    with statements(session.plane.database) as acted:
        answer = session.send("/console/suspend", csrf=csrf, authority="town", reason="a fault")
    assert answer.status_code == 303, answer.text
    assert [sum("JOIN accounts" in each for each in made) for made in (read, acted)] == [1, 3]
