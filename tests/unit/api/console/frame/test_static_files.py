"""Files of the console, which browsers keep."""

from api.console.frame.static_files import contents, url_of
from tests.unit.api.conftest import Plane


def test_files_are_kept_for_a_year_under_their_digest(plane: Plane) -> None:
    for name in contents():
        answer = plane.call("GET", url_of(name), headers={})
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert plane.call("GET", "/console/static/0000/console.css", headers={}).status_code == 404
