"""Bulk statements have the same result as single rows."""

from sqlalchemy import select, text

from api.db.base import Base
from api.db.bulk import add_to_all, insert_all, raise_all, replace_all, update_all
from api.db.models import CoverageDayRow, CoverageRow, RangeRow, VersionRow
from tests.unit.api.conftest import Plane, on_both_databases

RANGES, VERSIONS = (Base.metadata.tables[row.__tablename__] for row in (RangeRow, VersionRow))
BODIES = [None, {}, {"label": 'é ☂ 𝒳 "quoted" \\ %s :rows \n', "number": 2**53, "none": None, "list": [1, "a"]}]


@on_both_databases
def test_bulk_rows_are_like_rows_of_a_session(plane: Plane) -> None:
    rows = [{"kind": "range", "key": str(n), "revision": 2**40, "body": body} for n, body in enumerate(BODIES)]
    with plane.database.writing() as session:
        insert_all(session, VERSIONS, rows)
        insert_all(session, VERSIONS, [])
    with plane.database.reading() as session:
        kept = session.scalars(select(VersionRow).where(VersionRow.revision == 2**40).order_by(VersionRow.key)).all()
        none = select(VersionRow.key).where(text("body IS NULL"), VersionRow.revision == 2**40)
        assert list(session.scalars(none)) == ["0"]
    assert [(row.key, row.body) for row in kept] == [(str(n), body) for n, body in enumerate(BODIES)]


@on_both_databases
def test_numbers_follow_the_order_of_rows_and_only_named_columns_are_updated(town: Plane) -> None:
    common = {"site": "default", "authority": "town", "funding": "public", "audience": "staff", "revision": 1}
    prefixes = [f"203.0.113.{last}/32" for last in (9, 3, 7, 1, 8)]
    with town.database.writing() as session:
        insert_all(session, RANGES, [{**common, "prefix": prefix, "label": prefix} for prefix in prefixes])
        ids = select(RangeRow.id).where(RangeRow.prefix.startswith("203.0.113.")).order_by(RangeRow.id)
        keys = list(session.scalars(ids))
        update_all(session, RANGES, [{"id": key, "label": f"no. {key}"} for key in keys[1:3]])
        update_all(session, RANGES, [])
    with town.database.reading() as session:
        kept = session.scalars(select(RangeRow).order_by(RangeRow.id)).all()[2:]
    assert [row.prefix for row in kept] == prefixes
    assert [row.label for row in kept] == [prefixes[0], f"no. {keys[1]}", f"no. {keys[2]}", *prefixes[3:]]
    assert {(row.authority, row.funding, row.revision) for row in kept} == {("town", "public", 1)}


@on_both_databases
def test_rows_with_the_same_key_are_added_to_replaced_or_raised(town: Plane) -> None:
    key = {"authority": "town", "site": "default"}
    counts, days = (Base.metadata.tables[row.__tablename__] for row in (CoverageRow, CoverageDayRow))

    def rows(name: str, values: dict[str, object], **more: int) -> list[dict[str, object]]:
        return [{**key, "prefix": prefix, name: value, **more} for prefix, value in values.items()]

    def kept() -> dict[str, int]:
        with town.database.reading() as session:
            return {row.prefix: row.last_asked_s for row in session.scalars(select(CoverageRow))}

    with town.database.writing() as session:
        add_to_all(session, counts, [], "last_asked_s", 100)
        add_to_all(session, counts, rows("last_asked_s", {"a": 1, "b": 90}), "last_asked_s", 100)
        add_to_all(session, counts, rows("last_asked_s", {"a": 2, "b": 11, "c": 3}), "last_asked_s", 100)
    assert kept() == {"a": 3, "b": 100, "c": 3}
    with town.database.writing() as session:
        raise_all(session, counts, rows("last_asked_s", {"a": 2, "b": 101, "d": 4}), "last_asked_s")
    assert kept() == {"a": 3, "b": 101, "c": 3, "d": 4}
    for hours in ([1, 2], [3]):
        with town.database.writing() as session:
            replace_all(session, days, rows("hours", {"a": hours}, day_s=0), "hours")
    with town.database.reading() as session:
        assert [row.hours for row in session.scalars(select(CoverageDayRow))] == [[3]]
