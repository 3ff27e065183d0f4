"""A control plane with half a year of acts, and its reports."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy.orm import Session

from api.report.report_time import ReportDays
from api.report.schemas import ReportRead
from api.report.service import Sources, report_ban, study
from api.usage.release import REPORTED_S
from blocklists.catalogue import Catalogue
from tests.support.reported_authorities import END_S, FIRST, LAST, live_half_a_year
from tests.unit.api.conftest import Plane, make_plane

ASKED = ReportDays(date.fromisoformat(FIRST), date.fromisoformat(LAST), None)


@pytest.fixture(scope="session")
def reported(tmp_path_factory: pytest.TempPathFactory, packaged: Catalogue) -> Iterator[Plane]:
    """Return the control plane, for tests that only read."""
    plane = make_plane(tmp_path_factory.mktemp("reported") / "state", packaged)
    plane.publisher.publish_current()
    live_half_a_year(plane)
    plane.publisher.store_in_force()
    yield plane
    plane.database.close()


@pytest.fixture(scope="session")
def ghent(reported: Plane) -> ReportRead:
    """Return the report of Ghent's ban."""
    with reported.database.reading() as session:
        return report_ban(_sources(session), "ghent", "tiktok", ASKED)


@pytest.fixture(scope="session")
def brussels(reported: Plane) -> ReportRead:
    """Return the study of Brussels City."""
    with reported.database.reading() as session:
        return study(_sources(session), "brussels-city", ASKED)


def _sources(session: Session) -> Sources:
    return Sources(session, {"tiktok": "TikTok", "facebook": "Facebook"}, None, END_S + REPORTED_S)
