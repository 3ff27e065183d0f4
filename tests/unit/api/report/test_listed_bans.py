"""Reports of a prohibited list, and studies that start from a list or a category."""

import re
from collections.abc import Iterator
from datetime import date

import pytest

from api.report.pages.html_page import html_page
from api.report.report_time import ReportDays
from api.report.schemas import FigureRead, Language, ReportRead
from api.report.service import Sources, report_ban, report_list
from api.usage.release import REPORTED_S
from tests.support.reported_list import DAYS, END_S, FIRST, LAST, LIST, REFERENCE, catalogue, decided, live_a_month
from tests.support.statements import statements
from tests.unit.api.conftest import Plane, make_plane

pytestmark = pytest.mark.heavy
REPORT = f"/v1/authorities/ghent/report?list={REFERENCE}&{DAYS}"
STUDY = f"/v1/authorities/ghent/study?{DAYS}"
ASKED = ReportDays(date.fromisoformat(FIRST), date.fromisoformat(LAST), None)


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Return a control plane after a month with a prohibited list, for tests that leave the list as it is."""
    plane = make_plane(tmp_path_factory.mktemp("listed") / "state", catalogue())
    plane.publisher.publish_current()
    live_a_month(plane)
    plane.publisher.store_in_force()
    yield plane
    plane.database.close()


@pytest.fixture(scope="module")
def made(listed: Plane) -> ReportRead:
    return ReportRead.model_validate(listed.done("GET", REPORT))


def text(plane: Plane, path: str, language: str = "en") -> str:
    return str(plane.call("GET", f"{path}&format=md&language={language}").text)


def test_a_report_says_when_each_service_was_on_the_list_and_which_ban_it_has(made: ReportRead) -> None:
    assert [
        (
            one.service,
            one.from_list,
            [(time.version, time.since[:10], time.until and time.until[:10]) for time in one.times],
        )
        for one in made.listed
    ] == [
        ("clips", True, [(1, "2027-03-01", "2027-03-20")]),
        ("mind", True, [(1, "2027-03-01", None)]),
        ("shop", False, [(1, "2027-03-01", None)]),
        ("chat", True, [(2, "2027-03-10", None)]),
    ]
    assert [one.ban for one in made.listed] == [ban.number for ban in made.bans]
    assert [(ban.service, ban.in_force[0].start[:10], ban.in_force[-1].end[:10]) for ban in made.bans] == [
        ("clips", "2027-03-01", "2027-03-20"),
        ("mind", "2027-03-01", "2027-03-31"),
        ("shop", "2027-02-28", "2027-03-31"),
        ("chat", "2027-03-10", "2027-03-31"),
    ]


def test_a_report_has_the_versions_of_the_list_with_their_decisions(made: ReportRead) -> None:
    (found,) = made.prohibited_lists
    assert (found.reference, found.title, made.prohibited_list) == (REFERENCE, "Verboden apps", REFERENCE)
    assert [(each.version, each.decision.reference, each.adds, each.removes) for each in found.versions] == [
        (1, "CBS/2", ["clips", "mind", "shop"], []),
        (2, "CBS/3", ["chat"], []),
        (3, "", [], ["clips"]),
    ]
    assert [act.act for act in made.list_acts] == ["list.create", "list.adopt", "list.add", "list.remove_service"]
    assert {act.account for act in made.list_acts} <= {one.number for one in made.accounts}


def test_each_service_has_what_the_report_of_its_ban_has(listed: Plane, made: ReportRead) -> None:
    for ban in made.bans:
        path = f"/v1/authorities/ghent/bans/{ban.service}/report?{DAYS}"
        assert ReportRead.model_validate(listed.done("GET", path)).bans == [ban]
    assert [(gap.cause, gap.start) for gap in made.bans[0].not_in_force] == [("suspended", "2027-03-15T09:00:00Z")]
    assert [one.number for one in made.suspensions] == [1]
    assert {mode.mode for mode in made.bans[1].modes} == {"enforce", "monitor"}


def test_the_total_counts_a_query_once_if_several_bans_may_have_counted_it(made: ReportRead) -> None:
    # One ban alone refuses a query: 50, 7, and a number from 1 to 4.
    assert made.total.refused == FigureRead(queries=None, at_least=58, at_most=61)
    # Of 100 and 80 on one day, up to 80 may be the same queries. On another day, one ban counted 20.
    assert made.total.monitored == FigureRead(queries=None, at_least=120, at_most=200)
    assert made.total.exempted == FigureRead(queries=0)


def test_a_report_reads_as_often_for_many_services_as_for_one(listed: Plane) -> None:
    with statements(listed.database) as few, listed.database.reading() as session:
        report_ban(Sources(session, {}, None, END_S + REPORTED_S), "ghent", "mind", ASKED)
    with statements(listed.database) as many, listed.database.reading() as session:
        report_list(Sources(session, {}, None, END_S + REPORTED_S), "ghent", REFERENCE, ASKED)
    # The list with its versions, all bans of the authority, and requests on the list.
    assert len(many) <= len(few) + 4


def test_a_follower_reports_the_bans_that_it_adopted_from_the_list(listed: Plane) -> None:
    found = listed.done("GET", f"/v1/authorities/mechelen/report?list={REFERENCE}&{DAYS}")
    assert [ban["service"] for ban in found["bans"]] == ["clips", "mind", "shop", "chat"]
    assert {ban["decision"]["reference"] for ban in found["bans"]} == {"MEC/1"}
    assert found["total"]["refused"]["queries"] == 11
    assert found["prohibited_lists"][0]["authority"] == "ghent"


TITLES = {
    "nl": "# Verslag over de verbodslijst Verboden apps (Stad Gent)\n",
    "fr": "# Rapport sur la liste d'interdiction Verboden apps (Stad Gent)\n",
    "de": "# Bericht über die Verbotsliste Verboden apps (Stad Gent)\n",
    "en": "# Report on the prohibited list Verboden apps (Stad Gent)\n",
}


@pytest.mark.parametrize("language", Language)
def test_a_report_is_complete_in_each_language(listed: Plane, made: ReportRead, language: Language) -> None:
    found = text(listed, REPORT, language)
    assert found.startswith(TITLES[language])
    # No name of the program is left: neither references nor acts nor objects of the audit log.
    assert re.findall(r"\bghent/|\b(?:ban|list|suspension)/\w|\blist\.\w", found) == []
    page = html_page(made, language)
    services = ["Clips", "Mind", "Shop", "Chat"]
    assert re.findall(r"<h2[^>]*>(Clips|Mind|Shop|Chat)</h2>", page) == services


def test_the_first_page_of_a_report_has_a_row_for_each_service_and_the_totals(listed: Plane) -> None:
    first, _, rest = text(listed, REPORT).partition("\n## Versions of the list")
    assert "**Services that the prohibited list named: 4. Of these, with a ban in force in this time: 4. " in first
    rows = [line.split(" | ") for line in first.splitlines() if line.startswith("| ")]
    services = {row[0].removeprefix("| "): row for row in rows}
    assert services["Clips"][1] == "01/03/2027 10:00 – 20/03/2027 10:00 (1)"
    assert services["Shop"][2] == "monitor, ban without the list"
    assert services["Mind"][-3:] == ["\\<5", "100", "0 |"]
    assert services["Total"][-3:] == ["58–61", "120–200", "0 |"]
    assert "| 2 | 10/03/2027 10:00 | college, CBS/3, 19 February 2027 | Chat |  |" in rest
    assert "besluit vernietigd" in rest


def test_the_report_of_one_ban_names_its_list_with_version_and_decision(listed: Plane) -> None:
    found = text(listed, f"/v1/authorities/ghent/bans/chat/report?{DAYS}")
    assert "- Prohibited list: Verboden apps (Stad Gent)\n" in found
    assert "- Version of the list: 2: college, CBS/3, 19 February 2027\n" in found
    alone = text(listed, f"/v1/authorities/ghent/bans/shop/report?{DAYS}")
    assert "Prohibited list" not in alone


@pytest.mark.parametrize(
    ("query", "services", "left_out"),
    [
        ("", ["shop"], []),
        ("&list=ghent/apps", ["shop"], ["chat", "clips", "mind"]),
        ("&category=ai", [], ["mind", "oracle"]),
        ("&category=shopping", ["shop"], []),
        ("&category=ai&from=2027-03-16", ["mind"], ["oracle"]),
    ],
)
def test_a_study_is_narrowed_to_a_list_or_a_category(
    listed: Plane, query: str, services: list[str], left_out: list[str]
) -> None:
    days = "" if "from=" in query else f"&from={FIRST}"
    found = listed.done("GET", f"/v1/authorities/ghent/study?to={LAST}{query}{days}")
    assert [ban["service"] for ban in found["bans"]] == services
    assert [one["service"] for one in found["left_out"]] == left_out


def test_a_study_has_totals_and_names_what_it_leaves_out(listed: Plane) -> None:
    found = text(listed, f"/v1/authorities/ghent/study?from=2027-03-16&to={LAST}&category=ai")
    assert "- Category: artificial intelligence\n" in found
    assert "| Total |  |  | 100 | 0 |" in found
    assert "Not only monitored in this time, and so not part of the study: Oracle." in found
    assert "- Prohibited list: Verboden apps (Stad Gent)\n" in text(listed, f"{STUDY}&list={REFERENCE}")


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        (REPORT.replace("apps", "aps"), 'No prohibited list "ghent/aps". Did you mean "ghent/apps"?'),
        (REPORT.replace("/ghent/report", "/gent/report"), 'No authority "gent". Did you mean "ghent"?'),
        (f"{STUDY}&list=ghent/app", 'No prohibited list "ghent/app". Did you mean "ghent/apps"?'),
        (f"{STUDY}&category=a", 'No category "a".'),
        (f"{STUDY}&category=ai&list=ghent/apps", "give a list or a category, not both"),
        (f"/v1/authorities/ghent/report?{DAYS}", "list"),
        (
            "/v1/authorities/mechelen/report?list=ghent/apps&from=2027-03-01&to=2027-03-05",
            "",
        ),
    ],
)
def test_a_wrong_list_or_category_is_named(listed: Plane, path: str, fault: str) -> None:
    answer = listed.call("GET", path)
    if not fault:
        assert answer.status_code == 200
        return
    assert answer.status_code in (404, 422)
    assert fault in str(answer.json())


def test_a_report_of_days_before_the_list_was_adopted_has_no_bans(listed: Plane) -> None:
    before = f"/v1/authorities/ghent/report?list={REFERENCE}&from=2027-02-21&to=2027-02-27"
    assert listed.done("GET", before)["bans"] == []
    assert "Services that the prohibited list named: 0." in text(listed, before)


def test_a_list_without_bans_has_no_report(town: Plane) -> None:
    path = "/v1/authorities/town/lists/apps"
    report = "report?list=town/apps&from=2026-09-20&to=2026-09-21"
    town.done("PUT", path, {"services": ["beta"]})
    assert "town/apps is not adopted yet, and has no bans." in town.call("GET", f"/v1/authorities/town/{report}").text
    town.done("POST", f"{path}/adopt", decided("C-1"))
    assert [ban["service"] for ban in town.done("GET", f"/v1/authorities/town/{report}")["bans"]] == ["beta"]
    answer = town.call("GET", f"/v1/authorities/zone/{report}")
    assert (answer.status_code, "zone has adopted no ban from town/apps" in answer.text) == (422, True)


@pytest.mark.parametrize(
    ("role", "within", "status"),
    [
        ("reader", "ghent", 403),
        ("operator", "mechelen", 403),
        ("operator", "ghent", 200),
        ("approver", "ghent", 200),
        ("auditor", None, 200),
    ],
)
def test_who_may_read_the_report_of_a_ban_may_read_that_of_a_list(
    listed: Plane, role: str, within: str | None, status: int
) -> None:
    _, token = listed.account(f"{role}-{within or 'all'}", (role, within))
    assert listed.call("GET", REPORT, token=token).status_code == status
    if within == "ghent":
        other = REPORT.replace("/ghent/report", "/mechelen/report")
        assert listed.call("GET", other, token=token).status_code == 403


def test_names_of_accounts_can_be_left_out(listed: Plane) -> None:
    found = listed.done("GET", f"{REPORT}&names=false")
    assert {act["name"] for act in found["list_acts"]} == {None}
    assert found["accounts"] == []


def test_a_service_that_an_unadopted_list_names_can_be_studied(listed: Plane) -> None:
    listed.done("PUT", f"{LIST}-draft", {"category": "ai"})
    found = listed.done("GET", f"/v1/authorities/ghent/study?list={REFERENCE}-draft&from=2027-03-16&to={LAST}")
    assert [ban["service"] for ban in found["bans"]] == ["mind"]
