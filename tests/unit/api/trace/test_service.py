"""A trace shows a past decision as it was, with everything that led to it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text

from api.db.models import PublicationRow
from api.publish.startup_check import raise_above
from blocklists.catalogue import Catalogue, CatalogueName
from blocklists.catalogue_file import Source
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import START, Plane, authority, ban, catalogue, make_plane, on_both_databases

pytestmark = pytest.mark.heavy

BAN = "/v1/authorities/town/bans/alpha"
NAME = "www.alpha1.example.org"


def _at(seconds: int) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _trace(plane: Plane, seconds: int, client: str = "192.0.2.10", name: str = NAME, **options: Any) -> Any:
    query = {"client": client, "name": name, "at": _at(seconds)}
    return plane.done("GET", "/v1/trace", params=query, **options)


def test_each_instant_is_answered_by_the_revision_that_was_in_force_then(town: Plane) -> None:
    adopted = town.revision()
    for seconds, mode in ((100, "off"), (200, "monitor"), (300, "enforce")):
        town.clock.now = START + seconds
        town.done("PATCH", BAN, {"mode": mode})
    town.clock.now = START + 1000
    traces = [_trace(town, seconds) for seconds in (0, 99, 100, 199, 200, 300, 1000)]
    assert [(one["decision"]["verdict"], one["revision"] - adopted) for one in traces] == [
        ("refuse", 0), ("refuse", 0), ("pass", 1), ("pass", 1), ("monitor", 2), ("refuse", 3), ("refuse", 3),
    ]  # fmt: skip
    assert [(one["since"], one["until"]) for one in traces[2:]] == [
        *[(_at(100), _at(200))] * 2, (_at(200), _at(300)), *[(_at(300), None)] * 2,
    ]  # fmt: skip
    assert all(one["publication"]["revision"] == one["revision"] == one["decision"]["revision"] for one in traces)


def test_the_digests_are_those_of_the_published_files(town: Plane) -> None:
    files = {path.name for path in town.settings.snapshot_dir.iterdir()}
    publication = _trace(town, 0)["publication"]
    assert {f"{publication[part]}.{part}" for part in ("names", "ranges", "rules")} <= files


def test_trace_shows_the_allowed_name_that_freed_a_query_and_its_acts(town: Plane) -> None:
    names = f"/v1/authorities/town/names/{NAME}"
    town.clock.now = START + 100
    town.done("PUT", names, {"verdict": "allow", "reason": "the library needs it", "for": "7d"})
    town.clock.now = START + 200
    town.done("DELETE", f"{names}?reason=no%20longer%20needed")
    town.clock.now = START + 300
    before, meanwhile, after = (_trace(town, seconds) for seconds in (50, 150, 250))
    assert [one["decision"]["verdict"] for one in (before, meanwhile, after)] == ["refuse", "pass", "refuse"]
    (row,) = meanwhile["decision"]["rows"]
    assert (row["standing"], row["allowed"]) == ("allowed", 1)
    assert f"town allows {NAME} and all below it since" in meanwhile["decision"]["reason"]
    assert "the library needs it" in meanwhile["decision"]["reason"]
    assert f"name/town/{NAME}" in {act["object"] for act in meanwhile["acts"]}
    assert f"name/town/{NAME}" not in {act["object"] for act in after["acts"]}


@on_both_databases
def test_trace_shows_the_ban_its_term_formal_decision_and_acts(town: Plane) -> None:
    number, token = town.account("toggler", ("operator", "town"))
    for seconds in range(100, 108, 2):
        town.clock.now = START + seconds
        town.done("PATCH", BAN, {"mode": "off"}, token=token)
        town.clock.now = START + seconds + 1
        town.done("PATCH", BAN, {"mode": "enforce"}, token=token)
    town.clock.now = START + 200
    renewal = {"organ": "mayor", "reference": "C-2", "legal_basis": "decree 1"}
    town.done("POST", f"{BAN}/terms", {"start": _at(0), "for": "12 months", "decision": renewal}, token=town.token)
    trace = _trace(town, 150)
    assert (trace["ban"]["authority"], trace["term"]["start"], trace["formal"]["reference"]) == ("town", _at(0), "C-1")
    assert [(act["act"], act["account"] == number, act["time"], act["fields"]) for act in trace["acts"]][1:] == [
        ("ban.set_enforce", True, _at(107), ["mode"])
    ]
    first = trace["acts"][0]
    assert (first["act"], first["account"], "terms" in first["fields"], "mode" in first["fields"]) == (
        "ban.adopt", 1, True, False,
    )  # fmt: skip
    after = _trace(town, 200)
    assert [act["act"] for act in after["acts"]] == ["ban.adopt", "ban.set_enforce", "ban.renew"]
    assert (len(trace["ban"]["terms"]), len(after["ban"]["terms"])) == (1, 2)
    numbers = {entry["seq"]: entry["act"] for entry in town.done("GET", "/v1/audit?limit=200")["items"]}
    assert {act["seq"]: act["act"] for act in after["acts"]}.items() <= numbers.items()


def test_trace_shows_a_planned_renewal_that_was_removed_later(town: Plane) -> None:
    first = {"start": _at(0), "for": "6 months"}
    later = {"start": "2027-04-01", "for": "6 months", "decision": {"reference": "C-2"}}
    for seconds, terms in ((10, [first, later]), (20, [first]), (30, [first, {**later, "start": "2027-05-01"}])):
        town.clock.now = START + seconds
        town.done("PUT", BAN, {"terms": terms})
    acts = [act["act"] for act in _trace(town, 30)["acts"]]
    assert acts == ["ban.adopt", "ban.renew", "ban.change", "ban.renew"]


def test_a_lapse_needs_no_act(town: Plane) -> None:
    days = 200 * 86_400
    town.clock.now = START + days
    before, after = _trace(town, 100 * 86_400), _trace(town, days)
    assert (before["decision"]["verdict"], after["decision"]["verdict"]) == ("refuse", "pass")
    assert before["revision"] == after["revision"]
    assert after["decision"]["rows"][0]["standing"] == "not_in_term"
    assert (after["ban"], after["term"], after["formal"], after["acts"]) == (None, None, None, [])


def test_trace_shows_the_binding_and_exemption_that_mattered(town: Plane) -> None:
    bound = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "act 7", "date": "2026-09-01"}
    number = town.done("POST", "/v1/bindings", {**bound, "until": "2026-12-31"})["number"]
    trace = _trace(town, 0, "198.51.100.1")
    assert (trace["binding"]["number"], trace["binding"]["instrument"], trace["decision"]["ede"]) == (
        number,
        "act 7",
        16,
    )
    assert [act["act"] for act in trace["acts"]] == ["ban.adopt", "binding.bind"]
    town.clock.now = START + 100
    asked = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "for": "1 month", "reason": "a study"}
    exemption = town.done("POST", "/v1/exemptions", asked)["number"]
    town.clock.now = START + 200
    town.done("POST", f"/v1/exemptions/{exemption}/approve", {"note": "seen"}, token=town.other())
    town.clock.now = START + 300
    before, after = _trace(town, 199), _trace(town, 300)
    assert (before["decision"]["verdict"], before["exemptions"]) == ("refuse", [])
    assert [(one["number"], one["state"]) for one in after["exemptions"]] == [(exemption, "in_force")]
    assert [act["act"] for act in after["acts"]] == ["exemption.request", "exemption.approve"]
    assert after["decision"]["verdict"] == "pass"


def test_trace_shows_objects_removed_since(town: Plane) -> None:
    town.clock.now = START + 100
    town.done("DELETE", "/v1/ranges/default/192.0.2.0/24")
    assert _trace(town, 99)["decision"]["range"]["prefix"] == "192.0.2.0/24"
    assert _trace(town, 100)["decision"]["range"] is None


@pytest.mark.parametrize(
    ("seconds", "reader", "status"),
    [(0, "town", 200), (0, "zone", 403), (100, "town", 403), (100, "zone", 200), (0, None, 200), (100, None, 200)],
)
def test_readers_of_the_authority_of_that_instant_may_ask(
    town: Plane, seconds: int, reader: str | None, status: int
) -> None:
    _, token = town.account("reader", ("reader", reader) if reader else ("auditor", None))
    town.clock.now = START + 100
    town.done("DELETE", "/v1/ranges/default/192.0.2.0/24")
    body = {"authority": "zone", "funding": "public", "audience": "staff"}
    town.done("PUT", "/v1/ranges/default/192.0.2.0/24", body)
    query = {"client": "192.0.2.10", "name": NAME, "at": _at(seconds)}
    assert town.call("GET", "/v1/trace", params=query, token=token).status_code == status


def test_time_before_the_first_stored_revision_is_rejected(town: Plane) -> None:
    query = {"client": "192.0.2.10", "name": NAME, "at": "2020-01-01T00:00:00Z"}
    answer = town.call("GET", "/v1/trace", params=query)
    assert answer.status_code == 404
    assert "no publication is recorded before 21 September 2026 16:13:20 CEST (revision 0)" in answer.json()["detail"]


def test_trace_reports_lost_later_revisions(town: Plane) -> None:
    last = town.revision()
    assert "lost" not in _trace(town, 0)["meaning"]
    assert raise_above(town.database, last + 7, START + 100)
    town.clock.now = START + 100
    town.publisher.publish_current()
    before, after = _trace(town, 99), _trace(town, 100)
    assert (before["revision"], after["revision"]) == (last, last + 8)
    assert "later revisions were lost" in before["meaning"]
    assert "lost" not in after["meaning"]


@pytest.mark.parametrize(
    ("change", "reproduced"),
    [
        ("""UPDATE versions SET body = replace(body, '"mode": "enforce"', '"mode": "off"')""", False),
        ("UPDATE versions SET body = replace(body, '192.0.2.0/24', '192.0.2.0/25')", False),
        ("UPDATE publications SET rules = ranges", False),
        ("UPDATE publications SET version = '0'", None),
    ],
)
def test_altered_history_is_reported_as_not_reproduced(town: Plane, change: str, reproduced: bool | None) -> None:
    assert _trace(town, 0)["reproduced"]
    with town.database.writing() as session:
        session.execute(text(change))
    trace = _trace(town, 0)
    assert (trace["reproduced"], "not what was in force" in trace["meaning"]) == (reproduced, reproduced is False)


@pytest.mark.parametrize("what", ["ban", "exemption"])
def test_a_snapshot_made_just_before_something_was_left_out_is_reproduced(town: Plane, what: str) -> None:
    """What ended a day before is omitted: that second may pass between making and publishing."""
    if what == "exemption":
        other = {"authority": "town", "funding": "public", "audience": "staff"}
        town.done("PUT", "/v1/ranges/default/203.0.113.0/24", other)
        wanted = {"ban": "town/alpha", "ranges": ["192.0.2.0/24"], "reason": "for a test", "for": "2 hours"}
        number = town.done("POST", "/v1/exemptions", wanted)["number"]
        town.done("POST", f"/v1/exemptions/{number}/approve", {}, token=town.other())
    town.clock.now = START + 100
    end = f"{BAN}/end" if what == "ban" else f"/v1/exemptions/{number}/revoke"
    town.done("POST", end, {"reason": "for a test"})
    made_s = town.clock.now = START + 100 + 86_400 - 1
    town.done("PUT", "/v1/sites/annex", {"name": "Annex"})
    town.publisher.store_in_force()
    for late_s in (0, 5, 31):
        with town.database.writing() as session:
            last = session.scalars(select(PublicationRow).order_by(PublicationRow.id.desc()).limit(1)).one()
            last.time_s = int(made_s) + late_s
        town.clock.now = made_s + 100
        assert _trace(town, 100 + 86_400 + 98)["reproduced"] is True


@pytest.mark.parametrize("client", ["192.0.2.10", "203.0.113.10"])
def test_a_time_without_a_zone_is_by_the_clock_of_the_clients_authority(town: Plane, client: str) -> None:
    town.done("PUT", "/v1/authorities/town", authority(time_zone="Europe/Lisbon"))
    town.clock.now = START + 7200
    hour = 15 if client == "192.0.2.10" else 16
    for written in (f"2026-09-21T{hour}:13:20", f"2026-09-21 {hour}:14", f"21 September 2026 {hour}:14:00"):
        query = {"client": client, "name": NAME, "at": written}
        assert town.done("GET", "/v1/trace", params=query)["at"] == _at(0 if written.endswith("20") else 40)


@pytest.mark.parametrize("written", ["2026-03-02T10", "some day", "2026-03-02T25:15Z", "2026-09-21T14:14Z", "x" * 41])
def test_invalid_or_future_time_is_rejected(untouched: Plane, written: str) -> None:
    query = {"client": "192.0.2.10", "name": NAME, "at": written}
    assert untouched.call("GET", "/v1/trace", params=query).status_code == 422


def _with(services: Catalogue, *names: str) -> Catalogue:
    """Return the catalogue with these names in alpha's first tier, from one source."""
    alpha, *others = services.entries
    source = Source(id="list-a", what="a list", licence="CC0")
    found = tuple(CatalogueName(name, parse_name(name), False, ("list-a",)) for name in names)
    tiers = (replace(alpha.tiers[0], names=found), *alpha.tiers[1:])
    return Catalogue((replace(alpha, sources=(source,), tiers=tiers), *others))


def _restarted(directory: Path, services: Catalogue, now: float, old: Plane) -> Plane:
    """Return a plane on the database of `old`, with another catalogue, as after an upgrade."""
    data, key = ((old.settings.state_dir / name).read_bytes() for name in ("dnsfilter.sqlite3", "token-key"))
    directory.mkdir()
    (directory / "token-key").write_bytes(key)
    (directory / "token-key").chmod(0o600)
    made = make_plane(directory, services)
    made.database.close()
    (directory / "dnsfilter.sqlite3").write_bytes(data)
    made.clock.now = now
    made.token = old.token
    made.publisher.publish_current()
    return made


def test_trace_shows_the_list_that_named_a_domain_with_version_and_sources(tmp_path: Path) -> None:
    """Use three catalogues in turn: without the name, with it, with it and others."""
    kept = [_with(catalogue(), *names) for names in (["x.example.org"], [NAME], [NAME, "x.example.org"])]
    plane = make_plane(tmp_path / "0", kept[0])
    plane.publisher.publish_current()
    plane.done("PUT", "/v1/authorities/town", authority())
    body = {"authority": "town", "funding": "public", "audience": "staff"}
    plane.done("PUT", "/v1/ranges/default/192.0.2.0/24", body)
    plane.done("PUT", BAN, ban())
    for index in (1, 2):
        plane.publisher.store_in_force()
        with plane.database.engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        plane.database.close()
        plane = _restarted(tmp_path / str(index), kept[index], START + 100 * index, plane)
    plane.clock.now = START + 300
    traces = [_trace(plane, seconds) for seconds in (99, 100, 200)]
    assert [one["decision"]["verdict"] for one in traces] == ["pass", "refuse", "refuse"]
    assert [[(found["name"], found["tier"]) for found in one["lists"]] for one in traces] == [[], *[[(NAME, 1)]] * 2]
    first, second = traces[1]["lists"][0], traces[2]["lists"][0]
    assert (first["since"]["since"], second["since"]["since"]) == (_at(100), _at(100))
    assert first["digest"] != second["digest"]
    assert ([source["id"] for source in second["sources"]], first["sources"]) == (["list-a"], [])
    assert traces[1]["publication"]["names"] != traces[2]["publication"]["names"]
    assert traces[1]["revision"] == traces[2]["revision"]
    assert (traces[2]["since"], traces[2]["publication"]["since"]) == (_at(0), _at(200))
    plane.database.close()


def test_trace_shows_the_act_that_switched_a_ban_off(town: Plane) -> None:
    number, token = town.account("toggler", ("operator", "town"))
    for seconds, mode in ((100, "off"), (200, "enforce"), (300, "off")):
        town.clock.now = START + seconds
        town.done("PATCH", BAN, {"mode": mode}, token=token)
    town.clock.now = START + 1000
    traces = [_trace(town, seconds) for seconds in (150, 350)]
    assert [(one["decision"]["verdict"], one["ban"]) for one in traces] == [("pass", None)] * 2
    assert [[(act["act"], act["account"], act["time"]) for act in one["acts"]] for one in traces] == [
        [("ban.set_off", number, _at(100))],
        [("ban.set_off", number, _at(300))],
    ]
    entries = {entry["seq"]: entry["time"] for entry in town.done("GET", "/v1/audit?act=ban.set_off")["items"]}
    assert {act["seq"]: act["time"] for one in traces for act in one["acts"]} == entries
