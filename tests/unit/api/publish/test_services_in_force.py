"""Services as part of the policy: rows replace and add some at a revision, bans on single names add others."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete

from api.db.models import PublicationRow
from api.publish import service_lists
from api.publish.policy_rows import policy_of
from api.publish.repository import Policies
from api.publish.service_lists import list_of
from api.publish.startup_check import reconcile_with_store
from dnsfilter.policy.model import Service, Tier
from dnsfilter.snapshot import compiler
from dnsfilter.snapshot.name_records import KeptBlocks
from dnsfilter.snapshot.names_file import Filler
from dnsfilter.wire.names import parse_name
from tests.support.policies import ban as ban_value
from tests.unit.api.conftest import START, Plane, make_plane, on_both_databases
from tests.unit.api.publish.stored_services import put, remove, service

OLD, NEW, OTHER = "alpha1.example.org", "new.example.org", "other.example.org"
BAN = "/v1/authorities/town/bans/alpha"
REPORT = "/v1/authorities/town/bans/alpha/report"


def _at(seconds: int) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _asked(plane: Plane, path: str, name: str, **also: str) -> Any:
    return plane.done("GET", path, params={"client": "192.0.2.10", "name": name, **also})


def _updated(town: Plane) -> None:
    """Let updates replace alpha's names after 100 and 200 seconds, and remove the row after 300."""
    for seconds, names in ((100, (NEW,)), (200, (NEW, OTHER))):
        town.clock.now = START + seconds
        put(town, service("alpha", *names))
        town.done("PATCH", BAN, {"mode": "enforce"})
    town.clock.now = START + 300
    remove(town, "alpha")
    town.clock.now = START + 400


@on_both_databases
def test_each_instant_has_the_names_of_the_revision_in_force_then(town: Plane) -> None:
    verdicts = {}
    for seconds, names in ((50, None), (150, (NEW,)), (250, (NEW, OTHER))):
        town.clock.now = START + seconds
        if names is not None:
            put(town, service("alpha", *names))
        verdicts[seconds] = [_asked(town, "/v1/decision", name)["verdict"] for name in (OLD, NEW, OTHER)]
    assert verdicts == {
        50: ["refuse", "pass", "pass"],
        150: ["pass", "refuse", "pass"],
        250: ["pass", "refuse", "refuse"],
    }
    town.clock.now = START + 400
    for seconds, then in verdicts.items():
        traces = [_asked(town, "/v1/trace", name, at=_at(seconds)) for name in (OLD, NEW, OTHER)]
        assert [trace["decision"]["verdict"] for trace in traces] == then
        assert all(trace["reproduced"] for trace in traces)


def test_a_trace_says_which_list_named_a_domain_and_since_when(town: Plane) -> None:
    _updated(town)
    kept = {name: list_of(service("alpha", *names)).digest for name, names in ((NEW, (NEW,)), (OTHER, (NEW, OTHER)))}
    expected = [
        (OLD, 50, list_of(town.publisher.packaged["alpha"]).digest, 0),
        (NEW, 150, kept[NEW], 100),
        (NEW, 250, kept[OTHER], 100),
        (OTHER, 250, kept[OTHER], 200),
        (OLD, 350, list_of(town.publisher.packaged["alpha"]).digest, 300),
    ]
    for name, seconds, digest, since in expected:
        (found,) = _asked(town, "/v1/trace", name, at=_at(seconds))["lists"]
        assert (found["digest"], found["since"]["since"]) == (digest, _at(since))


def test_a_report_lists_the_versions_of_the_names(town: Plane) -> None:
    _updated(town)
    made = town.done("GET", REPORT, params={"from": "2026-09-21", "to": "2026-09-21"})
    versions = made["bans"][0]["lists"]
    assert [(one["since"], one["added"], one["removed"]) for one in versions] == [
        (_at(0), None, None),
        (_at(100), 1, 2),
        (_at(200), 1, 0),
        (_at(300), 2, 2),
    ]


def test_names_are_compiled_and_lists_parsed_only_when_they_change(
    town: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled: list[int] = []
    parsed: list[str] = []

    def compile_names(services: tuple[Service, ...], fill: Filler, kept: KeptBlocks) -> Any:
        compiled.append(len(services))
        return compiler.compile_names(services, fill=fill, kept=kept)

    def service_of(body: bytes) -> Service:
        found = service_lists.service_of(body)
        parsed.append(found.slug)
        return found

    monkeypatch.setattr("api.publish.names_files.compile_names", compile_names)
    monkeypatch.setattr("api.publish.repository.service_of", service_of)
    put(town, service("zone:own", NEW), "zone")
    for mode in ("off", "enforce", "monitor", "enforce"):
        town.done("PATCH", BAN, {"mode": mode})
    assert (compiled, parsed) == ([3], ["zone:own"])
    put(town, service("zone:own", NEW, OTHER), "zone")
    put(town, service("zone:own", NEW, OTHER), "zone")
    town.done("PATCH", BAN, {"mode": "off"})
    assert (compiled, parsed) == ([3, 3], ["zone:own"] * 2)
    prepared = service("zone:own", OTHER)
    town.publisher.prepare(prepared, list_of(prepared).digest)
    assert (compiled, parsed) == ([3, 3, 3], ["zone:own"] * 2)
    town.done("PATCH", BAN, {"mode": "enforce"})
    (ahead,) = town.store.directory.glob("ahead/*.names")
    written = ahead.stat().st_ino
    put(town, service("zone:own", OTHER), "zone")
    town.done("PATCH", BAN, {"mode": "off"})
    assert (compiled, parsed) == ([3, 3, 3], ["zone:own"] * 2), "the act finds what was prepared"
    assert (town.store.directory / ahead.name).stat().st_ino == written, "no file is written again"


def test_a_restart_recognises_a_snapshot_made_with_replaced_names(town: Plane) -> None:
    put(town, service("alpha", NEW))
    put(town, service("zone:own", OTHER), "zone")
    town.publisher.store_in_force()
    with town.database.writing() as session:
        # As if the process was killed before it recorded its last publication.
        last = session.query(PublicationRow).order_by(PublicationRow.id.desc()).first()
        assert last is not None
        session.execute(delete(PublicationRow).where(PublicationRow.id == last.id))
    revision, directory = town.revision(), town.settings.state_dir
    town.database.close()
    again = make_plane(Path(directory), started=True)
    again.clock.now = START + 100
    reconcile_with_store(again.database, again.publisher, START + 100)
    again.publisher.publish_current()
    again.publisher.store_in_force()
    assert again.revision() == revision
    with again.database.reading() as session:
        recorded = session.query(PublicationRow).filter_by(revision=revision).all()
    assert [row.time_s for row in recorded] == [START]
    again.database.close()


def test_an_unknown_service_is_suggested_from_those_in_force(town: Plane) -> None:
    put(town, service("gamma", NEW))
    assert "gamma" in town.call("GET", "/v1/bans?service=gamm").text
    assert town.call("GET", "/v1/bans?service=gamma").status_code == 200


def test_a_ban_on_a_single_name_brings_its_service(town: Plane) -> None:
    with town.database.reading() as session:
        values = Policies().load(session, START)
    number = max(ban.number for ban in values.bans) + 1
    banned = ban_value(number, "town", "www.example.net")
    policy = policy_of(replace(values, bans=(*values.bans, banned)), town.publisher.packaged)
    wire = frozenset({parse_name("www.example.net")})
    made = next(one for one in policy.services if one.slug == "www.example.net")
    assert made == Service("www.example.net", "www.example.net", (Tier(1, domains=wire), Tier(2, hosts=wire)))
    assert banned in policy.bans
    assert policy_of(values, town.publisher.packaged).services == tuple(town.publisher.packaged.values())
