"""A table of networks in the console: checked, corrected, imported."""

import pytest

from tests.unit.api.conftest import Plane
from tests.unit.api.console.conftest import Session, signed_in

IMPORT = "/console/networks/import"
HEADER = "prefix\tauthority\tfunding\taudience\tlabel\r\n"
GOOD = f"{HEADER}203.0.113.0/25\ttown\tpublic\tstaff\tTown hall\r\n203.0.113.128/25\ttown\tpublic\tpupils\tSchool\r\n"
BAD = GOOD.replace("203.0.113.0/25", "203.0.113.7/25").replace("pupils", "cats")


def test_a_table_is_checked_corrected_and_imported(session: Session) -> None:
    wrong = session.send(IMPORT, table=BAD, do="check")
    assert wrong.status_code == 422
    assert "2 rows cannot be imported" in wrong.text
    assert 'id="table-fault"' in wrong.text
    line = wrong.text.split('<th scope="row">2</th>')[1].partition("</tr>")[0]
    assert "write 203.0.113.0/25" in line
    assert (
        "audience: &#39;cats&#39; is not one of" in wrong.text.split('<th scope="row">3</th>')[1].partition("</tr>")[0]
    )
    assert "203.0.113.7/25\ttown" in wrong.text
    checked = session.send(IMPORT, table=GOOD, do="check")
    assert checked.status_code == 200
    assert "2 networks are new" in checked.text
    assert "Import 2 networks" in checked.text
    assert "town, pupils, public, School" in checked.text
    ranges = session.plane.done("GET", "/v1/ranges?authority=town")["items"]
    assert [each["prefix"] for each in ranges] == ["192.0.2.0/24"]
    answer = session.send(IMPORT, table=GOOD, do="import")
    assert (answer.status_code, answer.headers["location"]) == (303, "/console/networks?done=imported")
    assert len(session.plane.done("GET", "/v1/ranges?authority=town")["items"]) == 3


def test_a_table_with_a_fault_is_not_imported(session: Session) -> None:
    assert session.send(IMPORT, table=BAD, do="import").status_code == 422
    assert len(session.plane.done("GET", "/v1/ranges?authority=town")["items"]) == 1


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("", "the file is empty"),
        ("address,owner\n192.0.2.0/24,town\n", "unknown column &#39;address&#39;"),
        (f'{HEADER}203.0.113.0/25\ttown\tpublic\tstaff\t"open', "cannot be read as CSV"),
        (f"{HEADER}203.0.113.0/25\ttown\tpublic\tstaff\t<b>\u202ehall</b>\r\n", "has an invisible character"),
    ],
)
def test_what_is_no_table_says_so(table: str, fault: str, session: Session) -> None:
    answer = session.send(IMPORT, table=table, do="check")
    assert answer.status_code == 422
    assert fault in answer.text
    assert "<b>" not in answer.text
    assert "\u202e" not in answer.text


def test_of_a_long_table_only_the_rows_with_a_fault_are_shown(session: Session) -> None:
    rows = "".join(f"10.{number // 256}.{number % 256}.0/24\ttown\tpublic\tstaff\t\r\n" for number in range(3000))
    answer = session.send(IMPORT, table=f"{HEADER}{rows}library\ttown\tpublic\tstaff\t\r\n", do="check")
    assert answer.status_code == 422
    assert answer.text.count('<tr class="faulty">') == 1
    assert '<th scope="row">3002</th>' in answer.text


def test_a_reader_imports_nothing(town: Plane) -> None:
    _, token = town.account("reader", ("reader", "town"))
    refused = signed_in(town, token).send(IMPORT, table=GOOD, do="import")
    assert refused.status_code == 422
    assert "operator" in refused.text
