"""Networks imported and registered, a report printed, the audit log filtered: as people do it, with scripts or not."""

import re
from collections.abc import Iterator
from time import time

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from api.timestamps import timestamp_text
from tests.integration.console.conftest import ConsolePlane
from tests.support.browsers import Visitor, visitor
from tests.support.pdf import A4, page_sizes

pytestmark = pytest.mark.slow


@pytest.fixture(params=[True, False], ids=["scripts", "plain"])
def visiting(request: pytest.FixtureRequest, console: ConsolePlane, browser: Browser) -> Iterator[Visitor]:
    """Return the administrator's visit, in a browser with and without scripts."""
    with visitor(browser, console.shown_url, java_script_enabled=request.param) as found:
        found.sign_in(console.link())
        yield found


def test_a_table_is_corrected_and_imported(visiting: Visitor, request: pytest.FixtureRequest) -> None:
    part = 0 if _has_scripts(request) else 128
    table = (
        "prefix\tauthority\tfunding\taudience\tlabel\n"
        f"203.0.113.{part}/26\tghent\tpublic\tstaff\tTown hall\n"
        f"203.0.113.{part + 64}/26\tghent\tpublic\tcats\tLibrary\n"
    )
    page = visiting.open("/console/networks")
    page.get_by_role("link", name="Import a table").click()
    page.get_by_label("Table", exact=True).fill(table)
    page.get_by_role("button", name="Check the table").click()
    expect(page.get_by_role("row", name="Library")).to_contain_text("audience: 'cats' is not one of")
    expect(page.get_by_role("button", name="Import 2 networks")).to_have_count(0)
    _demand_accessible(visiting, request)
    field = page.get_by_label("Table", exact=True)
    field.fill(field.input_value().replace("cats", "public"))
    page.get_by_role("button", name="Check the table").click()
    expect(page.get_by_text("2 networks are new")).to_be_visible()
    _demand_accessible(visiting, request)
    page.get_by_role("button", name="Import 2 networks").click()
    expect(page.get_by_role("status").filter(has_text="Imported.")).to_be_visible()
    page.get_by_label("Authority").select_option("ghent")
    page.get_by_role("button", name="Show these networks").click()
    expect(page.get_by_role("link", name=f"203.0.113.{part}/26")).to_be_visible()


def test_an_unregistered_network_is_registered(
    visiting: Visitor, console: ConsolePlane, request: pytest.FixtureRequest
) -> None:
    name = "scripts" if _has_scripts(request) else "plain"
    prefix = "198.51.100.0/24" if name == "scripts" else "192.0.2.0/24"
    _report_unregistered(console, f"office-{name}", prefix)
    page = visiting.open("/console/networks")
    page.get_by_role("link", name="Unregistered networks").click()
    page.get_by_role("link", name=f"Register {prefix}").click()
    expect(page.get_by_label("Network", exact=True)).to_have_value(prefix)
    page.get_by_label("Authority").select_option("ghent")
    page.get_by_label("staff", exact=True).check()
    page.get_by_label("public money", exact=True).check()
    page.get_by_role("button", name="Show first what it changes").click()
    expect(page.get_by_text("Nothing is registered yet.")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="ghent/tiktok")).to_be_visible()
    _demand_accessible(visiting, request)
    page.get_by_role("button", name="Register the network").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(prefix)
    expect(page.get_by_role("status").filter(has_text="Registered.")).to_be_visible()


def test_a_report_is_asked_for_and_printed(visiting: Visitor, request: pytest.FixtureRequest) -> None:
    page = visiting.open("/console")
    page.get_by_role("link", name="Reports").click()
    page.get_by_label("Authority").select_option("ghent")
    page.get_by_role("button", name="Choose this authority").click()
    page.get_by_label("About").select_option("ban:tiktok")
    page.get_by_label("First day").fill("2024-01-01")
    page.get_by_label("Last day").fill("2024-03-31")
    page.get_by_role("button", name="Make the report").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Report on the ban on TikTok")
    _demand_accessible(visiting, request)
    _download(page, "Download as web page", ".html")
    _download(page, "Download as Markdown", ".md")
    printed = page_sizes(page.pdf(prefer_css_page_size=True))
    assert len(printed) >= 2
    assert set(printed) == {A4}
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation")).to_be_hidden()
    expect(page.get_by_role("link", name="Download as web page")).to_be_hidden()


@pytest.mark.parametrize("visiting", [True], ids=["scripts"], indirect=True)
def test_days_wait_until_those_of_the_chosen_ban_are_there(visiting: Visitor) -> None:
    waiting: list[Route] = []
    page = visiting.open("/console/reports?authority=ghent")
    page.route("**/console/reports?about=*", lambda route: waiting.append(route))
    with page.expect_request("**/console/reports?about=*"):
        page.get_by_label("About").select_option("study")
    for label in ("First day", "Last day"):
        expect(page.get_by_label(label)).to_be_disabled()
    expect(page.get_by_role("button", name="Make the report")).to_be_disabled()
    waiting[0].continue_()
    page.get_by_label("First day").fill("2024-01-01")
    page.get_by_label("Last day").fill("2024-03-31")
    page.get_by_role("button", name="Make the report").click()
    expect(page).to_have_url(re.compile("from=2024-01-01&to=2024-03-31"))


def _has_scripts(request: pytest.FixtureRequest) -> bool:
    return "scripts" in request.node.callspec.id


def _demand_accessible(visiting: Visitor, request: pytest.FixtureRequest) -> None:
    """Fail if axe-core finds something. It is a script itself."""
    assert not _has_scripts(request) or visiting.axe() == []


def _download(page: Page, name: str, ending: str) -> None:
    with page.expect_download() as found:
        page.get_by_role("link", name=name).click()
    assert found.value.suggested_filename.endswith(ending)


def test_the_audit_log_is_filtered_and_an_act_is_opened(visiting: Visitor, request: pytest.FixtureRequest) -> None:
    page = visiting.open("/console/audit")
    page.get_by_label("Authority").select_option("ghent")
    page.get_by_label("Kind of act").select_option("ban")
    page.get_by_role("button", name="Show these acts").click()
    act = page.get_by_text("ban/ghent/tiktok", exact=True).first
    expect(page.get_by_text("ban/mechelen/tiktok", exact=True)).to_have_count(0)
    act.click()
    expect(page.get_by_role("row", name="mode", exact=False).first).to_be_visible()
    _demand_accessible(visiting, request)
    with page.expect_download() as found:
        page.get_by_role("link", name="Download all acts").click()
    assert found.value.suggested_filename == "audit-log.jsonl"


def _report_unregistered(console: ConsolePlane, name: str, prefix: str) -> None:
    """Let a new node report a network that is in no range."""
    invited = console.ask("POST", "/v1/nodes", {"name": name, "site": "default"})["enrolment_token"]
    token = console.ask("POST", "/v1/nodes/enrol", {"version": "1"}, invited)["token"]
    report = {
        "revision": 0,
        "manifest": None,
        "age_s": 3,
        "version": "1",
        "engine": "compiled",
        "workers": 2,
        "clock": timestamp_text(int(time())),
        "uptime_s": 60,
        "trouble": "",
        "suspended": [],
        "names": [],
        "load": {"queries_per_second": 12.5, "cpu_percent": 1, "memory_bytes": 2**28, "cache_entries": 9},
        "unregistered": [{"prefix": prefix, "queries": 1234, "seen_s_ago": 60}],
        "journal": [],
    }
    console.ask("POST", "/v1/nodes/self/report", report, token)
