"""Pages of the audit log hold the wanted entries, with each index."""

from collections.abc import Iterator
from itertools import product

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from api.audit import repository
from api.audit.repository import EntryFilter, page
from api.db.models import AuditRow
from api.db.session import Database
from api.http.pagination import Paging
from tests.bench.audit import BUSIEST, QUIETEST, make_record, slug_of

ENTRIES, LIMIT = 300, 50


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    """Read an audit log that starts with the quietest authority; a tenth of the rest concerns the busiest one."""
    state = tmp_path_factory.mktemp("record") / "state"
    make_record(state, ENTRIES)
    database = Database(f"sqlite:///{state}/dnsfilter.sqlite3")
    with database.reading() as reading:
        yield reading
    database.close()


@pytest.fixture(scope="module")
def rows(session: Session) -> list[AuditRow]:
    return list(session.scalars(select(AuditRow).order_by(AuditRow.seq)))


def is_wanted(row: AuditRow, wanted: EntryFilter) -> bool:
    return all(
        (
            wanted.visible is None or bool(wanted.visible & set(row.authorities)),
            wanted.act is None
            or row.act == wanted.act
            or ("." not in wanted.act and row.act.startswith(wanted.act + ".")),
            wanted.subject is None or row.object == wanted.subject,
            wanted.account is None or row.account == wanted.account,
            wanted.since is None or row.time_s >= wanted.since,
            wanted.until is None or row.time_s < wanted.until,
            row.seq > wanted.above,
        )
    )


def read(session: Session, wanted: EntryFilter, *, newest_first: bool) -> list[int]:
    """Return the entry numbers of all pages in order."""
    found: list[int] = []
    cursor = None
    while True:
        part, cursor = page(session, wanted, Paging(LIMIT, cursor), newest_first=newest_first)
        assert len(part) == LIMIT or cursor is None
        found += [row.seq for row in part]
        if cursor is None:
            return found


VISIBLE = (None, frozenset[str](), frozenset({BUSIEST}), frozenset({BUSIEST, QUIETEST, slug_of(3)}))
ACTS = (None, "ban.set_off", "ban", "range", "authority", "ba")


@pytest.mark.heavy
@pytest.mark.parametrize("many", [5, 5000])
@pytest.mark.parametrize(("visible", "act"), list(product(VISIBLE, ACTS)))
def test_pages_hold_the_wanted_entries_in_order(
    session: Session,
    rows: list[AuditRow],
    monkeypatch: pytest.MonkeyPatch,
    visible: frozenset[str] | None,
    act: str | None,
    many: int,
) -> None:
    monkeypatch.setattr(repository, "MANY", many)
    some = rows[ENTRIES // 2]
    spans = ((None, None), (rows[80].time_s, rows[220].time_s))
    for subject, account, span in product((None, some.object), (None, some.account), spans):
        wanted = EntryFilter(visible, act, subject, account, *span)
        expected = [row.seq for row in rows if is_wanted(row, wanted)]
        assert read(session, wanted, newest_first=False) == expected
        assert read(session, wanted, newest_first=True) == expected[::-1]
    later = EntryFilter(visible, act, above=some.seq)
    expected = [row.seq for row in rows if is_wanted(row, later)]
    assert read(session, later, newest_first=False) == expected
    assert read(session, later, newest_first=True) == expected[::-1]
