"""The page of components."""

from tests.unit.api.console.conftest import Session


def test_the_picture_has_a_title_a_description_and_a_table_of_its_figures(session: Session) -> None:
    page = session.shown("/console/styles")
    assert 'aria-labelledby="example-title example-text"' in page
    assert '<title id="example-title">Refused each day</title>' in page
    assert '<td class="number">1,750</td>' in page
