"""Reports in the console: asked for by a form, shown as they print, and kept as files."""

import re
from html import unescape

import pytest

from api.console.reports import report_page
from api.report.pages.html_page import html_page
from api.report.schemas import Language, ReportRead
from tests.unit.api.conftest import Plane, ban
from tests.unit.api.console.conftest import Session, signed_in

REPORTS = "/console/reports"
DAYS = "from=2026-09-21&to=2026-09-21"
OF_BAN = f"authority=town&about=ban:alpha&{DAYS}"


def test_the_form_offers_the_bans_of_the_authority(session: Session) -> None:
    page = session.shown(f"{REPORTS}?authority=town")
    assert '<option value="ban:alpha"' in page
    assert '<option value="ban:alpha"' not in session.shown(f"{REPORTS}?authority=zone")


@pytest.mark.parametrize(
    ("later_days", "about", "first", "last"),
    [
        pytest.param(0, "ban:alpha", "2026-09-21", "2026-09-21", id="a ban that began today"),
        pytest.param(5, "ban:alpha", "2026-09-21", "2026-09-25", id="a ban of five days"),
        pytest.param(5, "ban:beta", "2026-09-23", "2026-09-25", id="a ban of three days"),
        pytest.param(5, "study", "2026-09-21", "2026-09-25", id="all bans: the first of them"),
        pytest.param(40, "ban:beta", "2026-10-01", "2026-10-30", id="an old ban: thirty days"),
    ],
)
def test_the_days_offered_begin_with_the_ban(
    session: Session, later_days: int, about: str, first: str, last: str
) -> None:
    plane = session.plane
    began = plane.clock.now
    plane.clock.now = began + min(2, later_days) * 86_400
    decided_before = ban(terms=[{"start": "2026-08-01", "for": "6 months"}])
    plane.done("PUT", "/v1/authorities/town/bans/beta", decided_before)
    plane.clock.now = began + later_days * 86_400
    page = signed_in(plane).shown(f"{REPORTS}?authority=town&about={about}")
    assert f'name="from" value="{first}"' in page
    assert f'name="to" value="{last}"' in page


def test_bans_that_a_page_does_not_list_are_on_the_next_one(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report_page, "MAX_LIMIT", 1)
    session.plane.done("PUT", "/v1/authorities/town/bans/beta", ban())
    first = session.shown(f"{REPORTS}?authority=town")
    assert '<option value="ban:beta"' not in first
    (address,) = re.findall(r'href="(/console/reports\?[^"]*cursor=[^"]+)"', first)
    assert '<option value="ban:beta"' in session.shown(unescape(address))


def test_a_report_is_shown_with_the_parts_of_its_own_page(session: Session) -> None:
    page = session.shown(f"{REPORTS}/show?{OF_BAN}")
    answer = session.plane.done("GET", f"/v1/authorities/town/bans/alpha/report?{DAYS}")
    own = html_page(ReportRead.model_validate(answer), Language.ENGLISH)
    shapes = re.findall(r"<(?:rect|line|text)\b[^>]*>|<h2[^>]*>[^<]*", own)
    assert len(shapes) > 20
    assert re.findall(r"<(?:rect|line|text)\b[^>]*>|<h2[^>]*>[^<]*", page) == shapes
    assert "<style" not in page
    assert 'href="/console/static/' in page
    assert page.count("<h1") == 1


@pytest.mark.parametrize(("about", "title"), [("study", "Study"), ("ban:alpha", "Report")])
def test_a_report_is_kept_as_a_file(about: str, title: str, session: Session) -> None:
    asked = f"authority=town&about={about}&{DAYS}"
    file = session.get(f"{REPORTS}/file?{asked}&format=html")
    assert file.headers["content-type"].startswith("text/html")
    assert file.headers["content-disposition"].startswith("attachment; filename=")
    assert "unsafe" not in file.headers["content-security-policy"]
    text = session.get(f"{REPORTS}/file?{asked}&format=md").text
    assert text.startswith(f"# {title}")


def test_a_publication_leaves_out_names(session: Session) -> None:
    _, token = session.plane.account("anna", ("operator", "town"))
    change = {"mode": "off", "mode_reason": "a storm in the region"}
    session.plane.done("PATCH", "/v1/authorities/town/bans/alpha", change, token=token)
    assert "anna" in session.shown(f"{REPORTS}/show?{OF_BAN}&names=yes")
    assert "anna" not in session.shown(f"{REPORTS}/show?{OF_BAN}&names=no")


def test_wrong_days_have_their_fault_next_to_them(session: Session) -> None:
    answer = session.get(f"{REPORTS}/show?authority=town&about=ban:alpha&from=2026-09-20&to=2026-09-01")
    assert answer.status_code == 422
    assert 'id="to-fault"' in answer.text
    assert 'value="2026-09-01"' in answer.text
    assert session.get(f"{REPORTS}/file?authority=town&about=ban:alpha&from=&to=").status_code == 422


@pytest.mark.parametrize("query", ["", "authority=town&about=ban:", "authority=a/b", "authority=town&about=ban:a/../b"])
def test_an_address_that_names_nothing_says_so(query: str, session: Session) -> None:
    assert session.get(f"{REPORTS}/show?{query}&{DAYS}").status_code == 404


def test_a_reader_gets_no_report(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "town"))
    reader = signed_in(town, token)
    assert "Make the report" not in reader.shown(REPORTS)
    assert reader.get(f"{REPORTS}/show?{OF_BAN}").status_code == 403
    assert reader.get(f"{REPORTS}/file?{OF_BAN}").status_code == 403
