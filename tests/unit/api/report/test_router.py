"""Reports by HTTP: formats, languages, who may read them and whom they name."""

import json

import pytest

from api.db.models import BypassDayRow, UsageDayRow
from api.report.schemas import FileFormat, ReportRead
from api.usage.repository import BypassKey, DayKey, add
from tests.support.reported_authorities import DAYS, GHENT, STUDY
from tests.unit.api.conftest import Plane, ban

pytestmark = pytest.mark.heavy
TOWN = "/v1/authorities/town/bans/alpha/report?from=2026-09-12&to=2026-09-21"


@pytest.mark.parametrize(
    ("query", "accept", "media_type", "beginning"),
    [
        ("", "*/*", "application/json", '{"kind":"ban"'),
        ("", "text/html", "text/html; charset=utf-8", "<!doctype html>"),
        ("&format=md", "text/html", "text/markdown; charset=utf-8", "# Verslag over het verbod op TikTok"),
        ("&format=json", "text/html", "application/json", '{"kind":"ban"'),
    ],
)
def test_a_report_is_answered_in_the_wanted_format(
    reported: Plane, query: str, accept: str, media_type: str, beginning: str
) -> None:
    headers = {"Authorization": f"Bearer {reported.token}", "Accept": accept}
    answer = reported.call("GET", f"{GHENT}{query}", headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["vary"] == "Accept"
    assert answer.text.startswith(beginning)


@pytest.mark.parametrize(
    ("path", "query", "title"),
    [
        (GHENT, "", "# Verslag over het verbod op TikTok\n\nStad Gent, van 1 maart 2027 tot en met 1 september 2027"),
        (STUDY, "", "# Étude des services qui sont seulement observés\n\nVille de Bruxelles, du 1er mars 2027"),
        (STUDY, "&language=nl", "# Studie van diensten die alleen worden gemeten\n\nStad Brussel, van 1 maart 2027"),
        (GHENT, "&language=de", "# Bericht über das Verbot von TikTok\n\nStad Gent, 1. März 2027 bis einschließlich"),
        (GHENT, "&language=en", "# Report on the ban on TikTok\n\nStad Gent, 1 March 2027 through 1 September 2027"),
    ],
)
def test_a_report_is_in_the_first_language_of_the_authority_unless_another_is_wanted(
    reported: Plane, path: str, query: str, title: str
) -> None:
    assert reported.call("GET", f"{path}&format=md{query}").text.startswith(title)


@pytest.mark.parametrize("file_format", list(FileFormat))
def test_the_same_record_gives_the_same_file(town: Plane, file_format: str) -> None:
    path = f"{TOWN}&format={file_format}"
    town.clock.now += 86_400
    first = town.call("GET", path).content
    town.clock.now += 400 * 86_400
    assert town.call("GET", path).content == first


def test_an_act_changes_the_report_and_its_record(town: Plane) -> None:
    before = ReportRead.model_validate(town.done("GET", TOWN))
    town.clock.now += 3_600
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "off", "mode_reason": "a test of the resolver"})
    after = ReportRead.model_validate(town.done("GET", TOWN))
    assert after.record.revision == before.record.revision + 1
    assert after.record.seq == before.record.seq + 1
    assert [one.mode for one in after.bans[0].modes] == ["enforce", "off"]
    assert after.bans[0].acts[-1].reason == "a test of the resolver"


def test_a_report_leaves_out_a_removed_ban_on_the_same_service(town: Plane) -> None:
    path = "/v1/authorities/zone/bans/alpha"
    town.done("PUT", path, ban(terms=[{"start": "2027-01-01", "for": "6 months"}]))
    town.done("DELETE", path)
    town.clock.now += 60
    town.done("PUT", path, ban(mode="monitor"))
    found = town.done("GET", f"{path}/report?from=2026-09-01&to=2026-09-21")["bans"][0]
    assert [one["mode"] for one in found["modes"]] == ["monitor"]
    assert [act["act"] for act in found["acts"]] == ["ban.adopt"]


def test_a_provisional_ban_and_its_early_end_are_in_the_report(town: Plane) -> None:
    path = "/v1/authorities/zone/bans/alpha"
    town.done("PUT", path, {"provisional": True})
    town.clock.now += 3_600
    town.done("POST", f"{path}/end", {"reason": "the council said no"})
    found = town.done("GET", f"{path}/report?from=2026-09-01&to=2026-09-21")["bans"][0]
    assert found["provisional"] is True
    assert [act["act"] for act in found["acts"]] == ["ban.adopt_provisionally", "ban.end"]
    assert found["acts"][-1]["reason"] == "the council said no"
    assert found["in_force"] == [{"start": "2026-09-21T14:13:20Z", "end": "2026-09-21T15:13:20Z"}]
    text = town.call("GET", f"{path}/report?from=2026-09-01&to=2026-09-21&format=md&language=en").text
    assert "The ban is provisional" in text
    assert "the council said no" in text


def test_a_request_for_a_second_person_is_among_the_acts(town: Plane) -> None:
    path = "/v1/authorities/town/bans/alpha"
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    _, operator = town.account("operator", ("operator", "town"))
    number = town.done("PATCH", path, {"mode": "off", "mode_reason": "a test"}, token=operator)["number"]
    town.done("POST", f"/v1/requests/{number}/approve", {}, token=town.other())
    acts = [act["act"] for act in town.done("GET", TOWN)["bans"][0]["acts"]]
    assert acts[-3:] == ["request.ask", "request.approve", "ban.set_off"]


def test_an_agreement_that_was_not_accepted_is_shown_as_such(town: Plane) -> None:
    agreement = {"ban": "town/alpha", "authority": "zone", "ground": "agreement", "instrument": "letter 1"}
    town.done("POST", "/v1/bindings", {**agreement, "date": "2026-09-01"})
    text = town.call("GET", f"{TOWN}&format=md&language=en").text
    assert "| letter 1, 01/09/2026 | 21/09/2026 16:13 | without an end date | not accepted |" in text


def test_a_number_that_could_identify_a_person_is_nowhere_in_a_report(town: Plane) -> None:
    with town.database.writing() as session:
        key = DayKey("town", "2026-09-13", "alpha", "town", "own", "refused")
        add(session, UsageDayRow, {key: 3, key._replace(day="2026-09-14"): 1_234})
        add(session, BypassDayRow, {BypassKey("town", "2026-09-13", "relay"): 2})
    found = town.done("GET", TOWN)
    refused = [bucket["refused"] for bucket in found["bans"][0]["buckets"]]
    unknown = {"queries": None, "below": None, "at_least": None, "at_most": None}
    assert refused[1] == {**unknown, "below": 5}
    assert refused[2] == {**unknown, "queries": 1_234}
    assert found["bans"][0]["total"]["refused"] == {**unknown, "at_least": 1_235, "at_most": 1_238}
    assert found["bypass_total"] == {"relay": {**unknown, "below": 5}}
    text = town.call("GET", f"{TOWN}&format=md&language=en").text
    assert "| 13/09/2026 | \\<5 | 0 | 0 |\n| 14/09/2026 | 1,234 | 0 | 0 |\n" in text
    assert "| Total | 1,235–1,238 | 0 | 0 |" in text
    assert "private relay \\<5" in text


def test_a_report_says_if_queries_are_not_counted(town: Plane) -> None:
    town.done("PATCH", "/v1/authorities/town", {"usage": "none"})
    assert town.done("GET", TOWN)["usage"] == "none"
    assert "Vragen worden niet geteld: Stad." in town.call("GET", f"{TOWN}&format=md").text


def test_names_of_accounts_can_be_left_out(town: Plane) -> None:
    named = town.done("GET", TOWN)["bans"][0]["acts"]
    assert {act["name"] for act in named} == {"the installation's administrator"}
    unnamed = town.done("GET", f"{TOWN}&names=false")["bans"][0]["acts"]
    assert {act["name"] for act in unnamed} == {None}
    assert town.done("GET", f"{TOWN}&names=false")["accounts"] == []
    assert [act["account"] for act in unnamed] == [act["account"] for act in named]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/authorities/ghent/bans/facebook/report", 404, "ghent has no ban on facebook"),
        ("/v1/authorities/gent/bans/tiktok/report", 404, "ghent"),
        ("/v1/authorities/mechlen/study", 404, "mechelen"),
    ],
)
def test_what_does_not_exist_is_not_found(reported: Plane, path: str, status: int, words: str) -> None:
    answer = reported.call("GET", f"{path}?{DAYS}")
    assert (answer.status_code, words in answer.text) == (status, True)


def test_a_study_without_a_monitored_service_says_so(reported: Plane) -> None:
    path = f"/v1/authorities/mechelen/study?{DAYS}"
    assert reported.done("GET", path)["bans"] == []
    assert "In deze periode is geen dienst alleen gemeten." in reported.call("GET", f"{path}&format=md").text
    assert reported.call("GET", f"{path}&format=html").status_code == 200


@pytest.mark.parametrize(
    ("query", "location"),
    [
        ("from=2026-09-21", "query.to"),
        ("from=yesterday&to=2026-09-30", "query.from"),
        ("from=2026-09-30&to=2026-09-21", "query.to"),
        ("from=2026-09-21&to=2026-09-22", "query.to"),
        ("from=2026-09-01&to=2026-09-21&language=it", "query.language"),
        ("from=2026-09-01&to=2026-09-21&format=pdf", "query.format"),
    ],
)
def test_a_wrong_question_names_its_fault(untouched: Plane, query: str, location: str) -> None:
    answer = untouched.call("GET", f"/v1/authorities/town/bans/alpha/report?{query}")
    assert answer.status_code == 422
    assert location in {fault["location"] for fault in json.loads(answer.text)["faults"]}
