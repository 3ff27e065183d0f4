"""notice: what authorities were told by mail."""

import json

import pytest

from tests.unit.api.ctl.conftest import Ctl, Served
from tests.unit.api.notices.support import begun

NO_MAIL = "no mail server is set at the control plane (--notices-mail): none is sent\n"


@pytest.fixture
def told(served: Served) -> Served:
    """With a suspension of all, of which Ghent's contact and the installation's are told."""
    plane = served.plane
    telling = begun(plane, to=("installation@example.org",))
    plane.done("PATCH", "/v1/authorities/ghent", {"contact": "02 123 45 67"})
    for whom in ("ghent", "diest"):
        plane.done("POST", "/v1/suspensions", {"authority": whom, "for": "30m", "reason": "nobody can work"})
    plane.clock.now += 1
    telling.look()
    return served


@pytest.mark.usefixtures("told")
def test_the_list_says_to_whom_about_what_and_what_became_of_it(ctl: Ctl) -> None:
    done = ctl("notice", "list")
    assert (done.code, done.err) == (0, NO_MAIL)
    cells = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in done.out.splitlines()]
    assert cells[0][0] == "no."
    assert [line[1:] for line in cells[1:]] == [
        ["suspension started", "diest", "Stad Diest", "waiting since 21 September 2026 16:13:22 CEST, tries: 0"],
        [
            "suspension started",
            "ghent",
            "Stad Gent",
            "failed, made 21 September 2026 16:13:22 CEST",
            "the contact is no mail address",
        ],
    ]


@pytest.mark.usefixtures("told")
def test_the_list_is_narrowed(ctl: Ctl) -> None:
    done = ctl("notice", "list", "--state", "failed", "--authority", "ghent", "--json")
    assert [item["authority"] for item in json.loads(done.out)["items"]] == ["ghent"]
    none = ctl("notice", "list", "--state", "sent")
    assert (none.code, none.err) == (0, f"no notices\n{NO_MAIL}")
    assert ctl("notice", "list", "--state", "lost").code == 2
