"""Pictures of usage and coverage: their numbers are those of the API, and hide what it hides."""

from datetime import date

import pytest

from api.console.frame.calls import Answer
from api.console.reports.pictures import refused
from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in
from tests.unit.api.nodes.conftest import Machine
from tests.unit.api.usage.conftest import batch, count

PICTURES = "/console/reports/pictures"
DAY, NEXT = date(2026, 9, 14), date(2026, 9, 15)


def test_refused_queries_are_shown_by_day_and_by_week(town: Plane) -> None:
    Machine.enrolled(town, "office-1").use(batch([count(queries=1234)]))
    town.clock.now += 86_400
    session = signed_in(town)
    by_day = session.shown(f"{PICTURES}?authority=town")
    assert "<title>21 Sept: Refused queries 1,234</title>" in by_day
    assert "21 September 2026</th>" in by_day
    by_week = session.shown(f"{PICTURES}?authority=town&by=week")
    assert "Refused queries 1,234</title>" in by_week
    assert by_week.count('<th scope="row"') < by_day.count('<th scope="row"')
    assert "1,234" not in session.shown(f"{PICTURES}?authority=zone")


def test_networks_are_counted_by_whether_they_ask(session: Session) -> None:
    page = session.shown(f"{PICTURES}?authority=town")
    assert "<title>never asked: Networks 1</title>" in page


@pytest.mark.parametrize(
    ("rows", "text"),
    [
        ("2026-09-14,refused,12\n2026-09-14,refused,8\n", "20"),
        ("2026-09-14,refused,<5\n", "<5"),
        ("2026-09-14,refused,10\n2026-09-14,refused,<5\n", "11-14"),
        ("2026-09-14,monitored,10\n2026-09-15,refused,7\n", "0"),
    ],
)
def test_hidden_numbers_stay_hidden_in_sums(rows: str, text: str) -> None:
    answer = Answer(200, {}, f"day,result,queries\n{rows}".encode())
    assert refused(answer, [(DAY, DAY), (NEXT, NEXT)])[0].text == text


def test_a_reader_sees_the_pictures_and_somebody_without_a_role_does_not(town: Plane) -> None:
    _, reader = town.account("reader", ("reader", "town"))
    assert "Refused queries" in signed_in(town, reader).shown(PICTURES)
    _, nobody = town.account("nobody")
    assert "Refused queries" not in signed_in(town, nobody).shown(PICTURES)
