"""Import of ranges: all or none, with every invalid row reported, recorded like single acts."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from api.chain.verification import verify
from api.db.models import AuditRow, MatterRow, RangeRow, VersionRow
from tests.unit.api.conftest import Plane, authority, ban, make_plane, on_both_databases

pytestmark = pytest.mark.heavy

HEADER = "prefix,authority,funding,audience,label\n"
IMPORT = "/v1/ranges/import"


def send(plane: Plane, text: str, query: str = "", token: str | None = None, **headers: str) -> httpx.Response:
    """Send a table."""
    all_headers = {"Authorization": f"Bearer {token or plane.token}", "Content-Type": "text/csv", **headers}
    return plane.call("POST", f"{IMPORT}{query}", content=text.encode(), headers=all_headers)


def done(plane: Plane, text: str, query: str = "", token: str | None = None) -> Any:
    """Return the answer to an import that must succeed."""
    response = send(plane, text, query, token)
    assert response.status_code == 200, response.text
    return response.json()


def faults(response: httpx.Response) -> list[tuple[str, str]]:
    """Return location and message of each fault."""
    return [(fault["location"], fault["message"]) for fault in response.json().get("faults", ())]


def rows(plane: Plane) -> list[tuple[str, ...]]:
    """Return the registered ranges."""
    listed = plane.done("GET", "/v1/ranges?limit=200")["items"]
    return [(item["prefix"], item["authority"], item["funding"], item["audience"], item["label"]) for item in listed]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Plane, Plane]]:
    """Yield two control planes in the same state: town's ban binds zone by law."""
    planes = make_plane(tmp_path / "single"), make_plane(tmp_path / "table")
    for plane in planes:
        plane.publisher.publish_current()
        for slug in ("town", "zone"):
            plane.done("PUT", f"/v1/authorities/{slug}", authority())
        plane.done("PUT", "/v1/authorities/town/bans/alpha", ban())
        law = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "law 1", "date": "2026-09-01"}
        plane.done("POST", "/v1/bindings", law)
        for last in range(0, 40, 4):
            body = {"authority": "zone", "funding": "private", "audience": "public", "label": f"old {last}"}
            plane.done("PUT", f"/v1/ranges/default/192.0.2.{last}/30", body)
    yield planes
    for plane in planes:
        plane.database.close()


def _kept(plane: Plane) -> dict[str, Any]:
    """Return the audit log and the policy of ranges, without numbers of revisions and requests."""
    with plane.database.reading() as session:
        acts = session.scalars(select(AuditRow).where(AuditRow.act.startswith("range.")).order_by(AuditRow.seq)).all()
        matters = {(row.seq, row.authority) for row in session.scalars(select(MatterRow))}
        versions = session.scalars(select(VersionRow).where(VersionRow.kind == "range")).all()
        ranges = session.scalars(select(RangeRow).order_by(RangeRow.id)).all()
        return {
            "acts": [(row.act, row.object, row.before, row.after, row.authorities) for row in acts],
            "matters": [sorted(whose for seq, whose in matters if seq == row.seq) for row in acts],
            "order": [list(row.after or ()) for row in acts],
            "versions": sorted((row.key, str({**(row.body or {}), "revision": 0})) for row in versions),
            "ranges": [(row.id, row.site, row.prefix, row.authority, row.label, row.funding) for row in ranges],
        }


def test_import_leaves_the_same_as_single_acts(pair: tuple[Plane, Plane]) -> None:
    single, table = pair
    lines = []
    for last in (*range(0, 12, 4), *range(40, 240, 4)):
        owner = "town" if last >= 120 else "zone"
        body = {"authority": owner, "funding": "public", "audience": "staff", "label": f"room {last}"}
        lines.append(f"192.0.2.{last}/30,{owner},public,staff,room {last}\n")
        single.done("PUT", f"/v1/ranges/default/192.0.2.{last}/30", body)
    revision = table.revision()
    # New ranges are recorded first, in any order of the lines.
    answer = done(table, HEADER + "".join(lines[3:] + lines[:3]))
    assert (answer["registered"], answer["changed"], answer["removed"], answer["unchanged"]) == (50, 3, 0, 0)
    assert (answer["revision"], table.revision(), len(answer["changes"])) == (revision + 1, revision + 1, 53)
    one, other = _kept(single), _kept(table)
    assert {key: sorted(map(str, value)) for key, value in one.items()} == {
        key: sorted(map(str, value)) for key, value in other.items()
    }
    assert one["ranges"] == other["ranges"]
    for client in ("192.0.2.1", "192.0.2.201"):
        question = f"/v1/decision?client={client}&name=alpha1.example.org"
        answers = [plane.done("GET", question) for plane in pair]
        assert answers[0]["winner"] == answers[1]["winner"]


@on_both_databases
def test_audit_log_is_complete_after_an_import_and_the_past_is_traced_and_restored(town: Plane) -> None:
    before, revision = rows(town), town.revision()
    town.clock.now += 60
    done(town, f"{HEADER}203.0.113.0/24,town,public,staff,hall\n192.0.2.0/24,town,private,public,open\n")
    town.clock.now += 60
    at = "&at=2026-09-21T14:14:00Z&client=192.0.2.7&name=alpha1.example.org"
    assert town.done("GET", f"/v1/trace?{at}")["decision"]["verdict"] == "refuse"
    answer = town.done("GET", f"/v1/revisions/{town.revision()}")
    assert {change["object"] for change in answer["changes"]["items"]} == {
        "range/default/192.0.2.0/24",
        "range/default/203.0.113.0/24",
    }
    town.done("POST", f"/v1/revisions/{revision}/rollback", {"reason": "as it was"})
    assert rows(town) == before
    removed = done(town, f"{HEADER}203.0.113.0/25,town,public,staff,\n", "?sync=true&authority=town")
    assert (removed["registered"], removed["removed"]) == (1, 1)
    exported = town.call("GET", "/v1/audit/export").text
    assert verify(exported.encode().splitlines(keepends=True)).sound


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("192.0.2.0/24,zone,public,staff,", "registered to town"),
        ("203.0.113.0/24,nobody,public,staff,", "authority nobody is not registered"),
        ("203.0.113.1/24,town,public,staff,", "host bits set: write 203.0.113.0/24"),
        ("somewhere,town,public,staff,", "is not a prefix"),
        (",town,public,staff,", "prefix: is missing"),
        ("fe80::/64,town,public,staff,", "link-local"),
        ("203.0.113.0/24,town,,staff,", "funding: is missing: give one of public, partly_public, private"),
        ("203.0.113.0/24,town,public,cats,", "audience: 'cats' is not one of staff, public, pupils"),
        ("203.0.113.0/24,town,public,staff", "has 4 cells, but there are 5 columns"),
        ('203.0.113.0/24,town,public,staff,"a\nb"', "line break"),
        ("198.51.100.128/25,town,public,staff,\n198.51.100.128/25,town,public,public,", "repeats line 3"),
    ],
)
def test_invalid_row_is_reported_with_its_line_and_nothing_is_done(untouched: Plane, row: str, words: str) -> None:
    before = rows(untouched), untouched.revision()
    good = "203.0.113.128/25,town,public,staff,hall\n"
    response = send(untouched, f"{HEADER}{good}{row}\n")
    assert response.status_code == 422
    [(location, message)] = faults(response)
    assert (location, words in message) == ("line 4" if "repeats" in words else "line 3", True), message
    assert (rows(untouched), untouched.revision()) == before


def test_every_invalid_row_is_reported(town: Plane) -> None:
    bad = "".join(f"192.0.2.{last}/24,town,public,staff,\n" for last in range(1, 251))
    response = send(town, HEADER + bad)
    assert [location for location, _ in faults(response)] == [f"line {line}" for line in range(2, 252)]
    assert response.json()["detail"] == "250 rows cannot be imported: nothing was done"


def test_first_of_very_many_invalid_rows_are_reported(town: Plane) -> None:
    bad = "192.0.2.1/24,town,public,staff,\n" * 10_299
    response = send(town, HEADER + bad)
    assert len(faults(response)) == 10_000
    message = "10299 rows cannot be imported (the first 10000 are listed): nothing was done"
    assert response.json()["detail"] == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "prefix,authority,funding\n192.0.2.0/24,town,public\n",
        "prefix,authority,funding,audience,colour\n",
        "prefix,prefix,authority,funding,audience\n",
    ],
)
def test_a_table_without_its_columns_is_refused_with_their_names(untouched: Plane, text: str) -> None:
    response = send(untouched, text)
    assert response.status_code == 422
    [(location, message)] = faults(response)
    assert (location, "prefix, authority, funding, audience, label" in message) == ("line 1", True)


def test_columns_come_in_any_order_with_a_site_of_their_own_and_as_spreadsheets_write_them(town: Plane) -> None:
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    text = "\ufeffAudience;Site;prefix;funding;authority\r\nstaff;depot;192.0.2.0/24;public;zone\r\n\r\n"
    assert done(town, text)["registered"] == 1
    assert done(town, f"{HEADER}203.0.113.0/24,town,public,staff,\n", "?site=depot")["registered"] == 1
    listed = town.done("GET", "/v1/ranges?site=depot")["items"]
    assert [(item["prefix"], item["authority"]) for item in listed] == [
        ("192.0.2.0/24", "zone"),
        ("203.0.113.0/24", "town"),
    ]
    refused = send(town, f"{HEADER}203.0.113.0/24,town,public,staff,\n", "?site=hall")
    assert faults(refused) == [("query.site", 'No site "hall". See dnsfilterctl site list.')]
    refused = send(town, HEADER, "?sync=true&authority=twon")
    assert faults(refused) == [("query.authority", 'No authority "twon". Did you mean "town"?')]


def test_dry_run_reports_and_does_nothing(town: Plane) -> None:
    before = rows(town), town.revision()
    text = f"{HEADER}203.0.113.0/24,town,public,staff,hall\n192.0.2.0/24,town,private,staff,\n"
    answer = done(town, text, "?dry_run=true")
    assert (answer["dry_run"], answer["registered"], answer["changed"]) == (True, 1, 1)
    assert [(change["act"], change["object"]) for change in answer["changes"]] == [
        ("range.register", "range/default/203.0.113.0/24"),
        ("range.change", "range/default/192.0.2.0/24"),
    ]
    assert answer["changes"][1]["before"]["funding"] == "public"
    assert (rows(town), town.revision()) == before


def test_what_is_registered_already_makes_no_revision(town: Plane) -> None:
    text = f"{HEADER}192.0.2.0/24,town,public,staff,\n"
    revision = town.revision()
    assert (done(town, text)["unchanged"], town.revision()) == (1, revision)


@on_both_databases
def test_sync_removes_only_missing_ranges_of_that_authority_and_site(town: Plane) -> None:
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    values = {"authority": "town", "funding": "public", "audience": "staff"}
    for path in ("default/203.0.113.0/26", "default/203.0.113.64/26", "depot/203.0.113.0/26"):
        town.done("PUT", f"/v1/ranges/{path}", values)
    text = f"{HEADER}192.0.2.0/24,town,private,staff,\n203.0.113.128/26,town,public,staff,\n"
    answer = done(town, text, "?sync=true&authority=town&dry_run=true")
    assert (answer["registered"], answer["changed"], answer["removed"]) == (1, 1, 2)
    answer = done(town, text, "?sync=true&authority=town")
    assert (answer["registered"], answer["changed"], answer["removed"]) == (1, 1, 2)
    assert [row[:2] for row in rows(town)] == [
        ("192.0.2.0/24", "town"),
        ("198.51.100.0/24", "zone"),
        ("203.0.113.0/26", "town"),
        ("203.0.113.128/26", "town"),
    ]
    assert [item["site"] for item in town.done("GET", "/v1/ranges")["items"]] == [
        "default", "default", "depot", "default",
    ]  # fmt: skip


def test_a_sync_beyond_its_cap_does_nothing(town: Plane) -> None:
    for last in range(12):
        values = {"authority": "town", "funding": "public", "audience": "staff"}
        town.done("PUT", f"/v1/ranges/default/203.0.113.{last}/32", values)
    before = rows(town), town.revision()
    text = f"{HEADER}192.0.2.0/24,town,public,staff,\n"
    for query in ("?sync=true&authority=town", "?sync=true&authority=town&max_removals=11"):
        response = send(town, text, query)
        assert (response.status_code, response.json()["type"]) == (409, "/problems/withheld")
        assert "12 ranges would be removed" in response.json()["detail"]
        answer = done(town, text, f"{query}&dry_run=true")
        assert (answer["removed"], [change["act"] for change in answer["changes"]]) == (12, ["range.remove"] * 12)
        assert answer["withheld"].startswith("12 ranges would be removed")
    assert (rows(town), town.revision()) == before
    assert done(town, text, "?sync=true&authority=town&max_removals=12")["removed"] == 12


def test_file_without_rows_removes_nothing_without_max_removals(town: Plane) -> None:
    before = rows(town), town.revision()
    response = send(town, HEADER, "?sync=true&authority=town")
    assert (response.status_code, response.json()["type"]) == (409, "/problems/withheld")
    assert "town would have no range at site default" in response.json()["detail"]
    answer = done(town, HEADER, "?sync=true&authority=town&dry_run=true")
    assert (answer["removed"], "has no rows" in answer["withheld"]) == (1, True)
    assert (rows(town), town.revision()) == before
    assert done(town, HEADER, "?sync=true&authority=town&max_removals=1")["removed"] == 1


def test_rows_that_cannot_be_read_hide_nothing_that_is_wrong_with_others(town: Plane) -> None:
    bad = "192.0.2.0/24,zone,public,staff,\nsomewhere,town,public,staff,\n203.0.113.0/24,nobody,public,staff,\n"
    expected = [("line 2", "registered to town"), ("line 3", "is not a prefix"), ("line 4", "nobody is not registered")]
    for query in ("", "?dry_run=true"):
        found = faults(send(town, HEADER + bad, query))
        assert [location for location, _ in found] == [location for location, _ in expected]
        assert all(words in message for (_, words), (_, message) in zip(expected, found, strict=True))
    # While a row cannot be read, it is not known what a sync would remove.
    assert [
        location for location, _ in faults(send(town, f"{HEADER}x,town,public,staff,\n", "?sync=true&authority=town"))
    ] == ["line 2"]


def test_a_sync_removes_no_range_that_an_exemption_names(town: Plane) -> None:
    body = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "30 days", "reason": "promotion"}
    town.done("POST", "/v1/exemptions", body)
    before = rows(town), town.revision()
    response = send(town, f"{HEADER}203.0.113.0/24,town,public,staff,\n", "?sync=true&authority=town")
    assert response.status_code == 409
    assert [location for location, _ in faults(response)] == ["range/default/192.0.2.0/24"]
    assert (rows(town), town.revision()) == before


@pytest.mark.parametrize("query", ["?sync=true", "?authority=town", "?sync=true&authority=town&max_removals=-1"])
def test_sync_needs_an_authority(untouched: Plane, query: str) -> None:
    assert send(untouched, HEADER, query).status_code == 422


def test_a_sync_takes_no_row_of_another_authority_or_site(town: Plane) -> None:
    town.done("PUT", "/v1/sites/depot", {"name": "depot"})
    of_zone, at_depot = ",203.0.113.0/25,zone,public,staff\n", "depot,192.0.2.0/24,town,public,staff\n"
    text = f"site,prefix,authority,funding,audience\n{of_zone}{at_depot}"
    response = send(town, text, "?sync=true&authority=town")
    message = "only ranges of town at site default are synchronised: remove this row"
    assert faults(response) == [("line 2", message), ("line 3", message)]


def test_an_operator_imports_for_its_authority_where_it_registers_single_ranges(town: Plane) -> None:
    _, desk = town.account("desk", ("operator", "town"), ("reader", "zone"))
    for space, slug in (("203.0.113.0/24", "town"), ("203.0.113.0/28", "zone")):
        town.done("PUT", f"/v1/spaces/default/{space}", {"authority": slug})
    values = {"authority": "zone", "funding": "public", "audience": "staff"}
    town.done("PUT", "/v1/ranges/default/203.0.113.128/25", values)
    own = f"{HEADER}203.0.113.96/27,town,public,staff,\n"
    for prefix, owner, wrong in (
        ("203.0.112.0/24", "town", "not in space allotted"),
        ("203.0.113.5/32", "zone", "not an operator of zone"),
        ("203.0.113.200/32", "town", "another authority's range"),
        ("203.0.113.128/25", "town", "registered to another authority"),
        ("203.0.113.0/24", "town", "contains space of another authority"),
        ("198.51.100.7/32", "town", "not in space"),
    ):
        [(line, message)] = faults(send(town, f"{own}{prefix},{owner},public,staff,\n", token=desk))
        assert (line, wrong in message) == ("line 3", True), message
        single = town.call("PUT", f"/v1/ranges/default/{prefix}", {**values, "authority": owner}, token=desk)
        assert single.status_code == 403
    assert done(town, f"{own}203.0.113.64/26,town,public,staff,\n", token=desk)["registered"] == 2


def test_import_hides_others_ranges_outside_the_operators_space(town: Plane) -> None:
    _, desk = town.account("desk", ("operator", "town"))
    town.done("PUT", "/v1/spaces/default/203.0.113.0/24", {"authority": "town"})
    had, free = "198.51.100.0/24", "198.51.102.0/24"
    text = HEADER + "".join(f"{prefix},town,public,staff,\n" for prefix in (had, free))
    message = "is not in space allotted to town. Ask an administrator."
    for query in ("?dry_run=true", ""):
        found = faults(send(town, text, query, token=desk))
        assert found == [("line 2", f"{had} {message}"), ("line 3", f"{free} {message}")]


def test_import_without_a_role_in_the_named_authorities_is_rejected(town: Plane) -> None:
    _, reader = town.account("reader", ("reader", "town"))
    _, other = town.account("other", ("operator", "zone"))
    text = f"{HEADER}203.0.113.0/24,town,public,staff,\n"
    assert [send(town, text, token=token).status_code for token in (reader, other)] == [403, 403]


def test_an_operator_synchronises_only_what_lies_in_its_space(town: Plane) -> None:
    _, desk = town.account("desk", ("operator", "town"))
    town.done("PUT", "/v1/spaces/default/203.0.113.0/24", {"authority": "town"})
    text = f"{HEADER}203.0.113.0/26,town,public,staff,\n"
    response = send(town, text, "?sync=true&authority=town", token=desk)
    [(location, message)] = faults(response)
    assert (location, "not in space allotted to town" in message) == ("range/default/192.0.2.0/24", True)
    kept = f"{text}192.0.2.0/24,town,public,staff,\n"
    assert done(town, kept, "?sync=true&authority=town", token=desk)["unchanged"] == 1


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (HEADER.encode(), "application/xml", 415),
        (b"prefix\xff", "text/csv", 422),
        (b"p" * 17_000_000, "text/csv", 413),
    ],
    ids=["another type", "no UTF-8", "too large"],
)
def test_invalid_table_is_rejected(town: Plane, content: bytes, media_type: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {town.token}", "Content-Type": media_type}
    assert town.call("POST", IMPORT, content=content, headers=headers).status_code == status


@on_both_databases
def test_acts_wait_for_an_import_and_both_come_into_force(town: Plane) -> None:
    text = HEADER + "".join(f"10.{i >> 8}.{i & 255}.0/24,town,public,staff,\n" for i in range(600))
    importing = threading.Thread(target=done, args=(town, text))
    importing.start()
    town.done("PATCH", "/v1/authorities/town/bans/alpha", {"mode": "monitor"})
    importing.join()
    answer = town.done("GET", "/v1/decision?client=10.2.7.9&name=alpha1.example.org")
    assert (answer["verdict"], answer["authority"]) == ("monitor", "town")
    assert town.done("GET", "/readyz")["published"] == town.revision()
