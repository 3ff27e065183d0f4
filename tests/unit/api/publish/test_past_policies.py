"""Rebuilding past policies as they were compiled, and recording what came into force."""

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from api.db.models import ListRow, PublicationRow
from api.db.unit_of_work import LOCAL, UnitOfWork
from api.publish.past_policies import (
    LoadedServices,
    PastPolicy,
    kept_publication_at,
    policy_in,
    publication_at,
    rows_at,
)
from api.publish.policy_rows import policy_of, values_of
from api.publish.recompiled import is_reproduced
from api.publish.service_lists import list_of, service_of
from dnsfilter.policy.model import Instant, Policy, Service, Tier
from tests.unit.api.conftest import START, Plane, authority, ban, make_plane, on_both_databases

pytestmark = pytest.mark.heavy

START_TEXT = "2026-09-21T14:13:20Z"
BAN = "/v1/authorities/town/bans/alpha"
LATER = "/v1/authorities/zone/bans/beta"
STAFF = {"funding": "public", "audience": "staff"}
PREFIXES = ("192.0.2.0/24", "192.0.2.0/25", "2001:db8::/48")
SLUGS = ("town", "zone")
Act = Callable[["_Run"], Any]


@dataclass
class _Run:
    """A running plane, with a copy of each compiled policy and the second in which it came into force."""

    plane: Plane
    approver: str
    copies: dict[int, Policy] = field(default_factory=dict)
    seconds: list[tuple[int, int]] = field(default_factory=list)

    def do(self, act: Act, wait_s: int) -> None:
        self.plane.clock.now += wait_s
        act(self)
        with self.plane.database.reading() as session:
            policy = self.plane.publisher.current(UnitOfWork(session, LOCAL, 0))
        if policy.revision not in self.copies:
            self.copies[policy.revision] = policy
            self.seconds.append((int(self.plane.clock.now), policy.revision))


def _call(method: str, path: str, body: Any = None) -> Act:
    return lambda run: run.plane.call(method, path, body)


def _decide(number: int, verb: str) -> Act:
    body = {"note": "seen"} if verb == "approve" else {"reason": "for a test"}
    return lambda run: run.plane.call("POST", f"/v1/exemptions/{number}/{verb}", body, token=run.approver)


def _bind(ground: str) -> Act:
    body = {"ban": "town/alpha", "authority": "zone", "ground": ground, "instrument": "act", "date": "2026-01-01"}
    return _call("POST", "/v1/bindings", {**body, "for": "1 year"})


def _exempt(prefix: str, hours: bool) -> Act:
    body: dict[str, Any] = {"ban": "town/alpha", "ranges": [prefix], "for": "1 month", "reason": "for a test"}
    return _call("POST", "/v1/exemptions", {**body, **({"hours": ["Mon 09:00-12:00"]} if hours else {})})


def _apply(old: str, new: str) -> Act:
    def act(run: _Run) -> None:
        exported = run.plane.call("GET", "/v1/policy").text.replace(old, new)
        headers = {"Authorization": f"Bearer {run.plane.token}", "Content-Type": "application/toml"}
        run.plane.call("POST", "/v1/policy/apply", headers=headers, content=exported)

    return act


def _suspend(authority: str | None, span: str) -> Act:
    return _call("POST", "/v1/suspensions", {"authority": authority, "for": span, "reason": "for a test"})


_MERGER = {"into": "town", "reason": "for a test", "decision": {"legal_basis": "decree 2", "reference": "C-2"}}
_closings = st.sampled_from([None, "2026-12-01", "2027-06-15"])
slugs, prefixes, numbers = st.sampled_from(SLUGS), st.sampled_from(PREFIXES), st.integers(1, 3)
acts = st.one_of(
    st.builds(lambda slug, to: _call("PUT", f"/v1/authorities/{slug}", authority(contact=to)), slugs, slugs),
    st.builds(lambda slug: _call("DELETE", f"/v1/authorities/{slug}"), slugs),
    st.builds(lambda name: _call("PUT", "/v1/sites/annex", {"name": name}), slugs),
    st.just(_call("DELETE", "/v1/sites/annex")),
    st.builds(
        lambda prefix, slug, label: _call(
            "PUT", f"/v1/ranges/default/{prefix}", {"authority": slug, "label": label, **STAFF}
        ),
        prefixes, slugs, slugs,
    ),
    st.builds(lambda prefix: _call("DELETE", f"/v1/ranges/default/{prefix}"), prefixes),
    st.builds(lambda slug: _call("PUT", f"/v1/authorities/{slug}/bans/alpha", ban()), slugs),
    st.just(_call("PUT", LATER, ban(terms=[{"start": "2027-01-01", "for": "1 month"}]))),
    st.just(_call("DELETE", LATER)),
    st.just(_call("PUT", BAN, {"provisional": True})),
    st.builds(lambda mode: _call("PATCH", BAN, {"mode": mode}), st.sampled_from(["enforce", "monitor", "off"])),
    st.builds(lambda tiers: _call("PATCH", BAN, {"tiers": tiers}), st.sampled_from([[1], [2], [1, 2]])),
    st.just(_call("PATCH", BAN, {"reply": "address", "addresses": ["192.0.2.80", "2001:db8::80"]})),
    st.just(_call("PATCH", BAN, {"reply": "nxdomain"})),
    st.just(_call("POST", f"{BAN}/terms", {"start": "2027-06-01", "for": "1 month", "decision": {"reference": "C-2"}})),
    st.just(_call("POST", f"{BAN}/end", {"reason": "for a test"})),
    st.builds(_bind, st.sampled_from(["law", "agreement"])),
    st.builds(
        lambda number, verb: _call("POST", f"/v1/bindings/{number}/{verb}", {"reason": "for a test"}),
        numbers, st.sampled_from(["withdraw", "end"]),
    ),
    st.builds(lambda number: _call("POST", f"/v1/bindings/{number}/accept"), numbers),
    st.builds(_exempt, prefixes, st.booleans()),
    st.builds(_decide, numbers, st.sampled_from(["approve", "approve", "reject", "revoke"])),
    st.builds(
        lambda number: _call("POST", f"/v1/revisions/{number}/rollback", {"reason": "for a test"}), st.integers(1, 9)
    ),
    st.just(_apply('funding = "public"', 'funding = "partly_public"')),
    st.builds(_suspend, st.sampled_from(["town", "zone", None]), st.sampled_from(["1s", "2s", "4h"])),
    st.builds(lambda number: _call("POST", f"/v1/suspensions/{number}/end", {"reason": "for a test"}), numbers),
    st.builds(lambda at: _call("POST", "/v1/authorities/zone/close", {"at": at, "reason": "for a test"}), _closings),
    st.just(_call("POST", "/v1/authorities/zone/merge", _MERGER)),
)  # fmt: skip
first = [
    *(_call("PUT", f"/v1/authorities/{slug}", authority()) for slug in SLUGS),
    _call("PUT", f"/v1/ranges/default/{PREFIXES[0]}", {"authority": "town", **STAFF}),
    _call("PUT", BAN, ban()),
    _bind("agreement"),
    _exempt(PREFIXES[0], True),
]


@pytest.mark.slow
@settings(max_examples=6)
@given(st.lists(st.tuples(acts, st.integers(0, 2)), min_size=20, max_size=30))
def test_any_past_policy_is_rebuilt_as_it_was_compiled(done: list[tuple[Act, int]]) -> None:
    with TemporaryDirectory() as directory:
        plane = make_plane(Path(directory) / "state")
        plane.publisher.publish_current()
        run = _Run(plane, plane.other())
        for act, wait_s in ((lambda _: None, 0), *((act, 1) for act in first), *done):
            run.do(act, wait_s)
        plane.publisher.store_in_force()
        services = plane.publisher.packaged
        with plane.database.reading() as session:
            for revision, policy in run.copies.items():
                assert policy_of(values_of(rows_at(session, revision)), services) == policy
            for second in range(START, int(plane.clock.now) + 1):
                expected = [revision for at, revision in run.seconds if at <= second][-1]
                found = _policy_at(session, second, LoadedServices("another", {}))
                assert (found.publication.revision, found.policy) == (expected, run.copies[expected])
                assert is_reproduced(found)
        plane.database.close()


def _policy_at(session: Session, at: Instant, held: LoadedServices) -> PastPolicy:
    return policy_in(session, kept_publication_at(session, at), held)


def _publications(plane: Plane) -> list[PublicationRow]:
    plane.publisher.store_in_force()
    with plane.database.reading() as session:
        return list(session.scalars(select(PublicationRow).order_by(PublicationRow.id)))


@on_both_databases
def test_publication_is_recorded_once_with_its_digests_and_lists(town: Plane) -> None:
    for _ in range(2):
        town.publisher.publish_current()
    rows = _publications(town)
    assert [row.revision for row in rows] == list(range(town.revision() + 1))
    assert len({row.catalogue for row in rows}) == 1
    with town.database.reading() as session:
        kept = {row.service: service_of(row.body) for row in session.scalars(select(ListRow))}
    assert kept == town.publisher.packaged


def test_stored_list_reproduces_its_service_with_any_names() -> None:
    odd = Service(
        "odd", "Ö", (Tier(1, frozenset({b"\x03a.b\x00", b"\x01\xff\x00"}), frozenset({b"\x02\\ \x00"})), Tier(2))
    )
    kept = list_of(odd)
    assert service_of(kept.body) == odd
    assert list_of(service_of(kept.body)) == kept


def test_last_publication_of_a_second_counts(town: Plane) -> None:
    for mode in ("off", "monitor", "enforce"):
        town.done("PATCH", BAN, {"mode": mode})
    town.publisher.store_in_force()
    with town.database.reading() as session:
        found = publication_at(session, START)
    assert found is not None
    assert (found.revision, found.until_s) == (town.revision(), None)


def test_clock_set_back_does_not_hide_a_later_publication(town: Plane) -> None:
    for now, mode in ((START + 1000, "off"), (START + 10, "monitor"), (START + 20, "enforce")):
        town.clock.now = now
        town.done("PATCH", BAN, {"mode": mode})
    town.publisher.store_in_force()
    with town.database.reading() as session:
        found = [publication_at(session, START + seconds) for seconds in (9, 10, 19, 20, 1000)]
    last = town.revision()
    assert [one.revision for one in found if one is not None] == [last - 3, last - 1, last - 1, last, last]


@dataclass
class _Disk:
    """A switch: whether the database accepts publications."""

    full: bool = True


@pytest.fixture
def disk(town: Plane) -> Iterator[_Disk]:
    """Return a disk that accepts no publication until it is switched on."""
    found = _Disk()

    def refuse(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if found.full and statement.startswith("INSERT INTO publications"):
            raise OperationalError(statement, None, Exception("disk I/O error"))

    town.publisher.store_in_force()
    event.listen(town.database.engine, "before_cursor_execute", refuse)
    yield found
    event.remove(town.database.engine, "before_cursor_execute", refuse)


def test_failed_record_of_a_publication_is_retried(town: Plane, disk: _Disk, caplog: pytest.LogCaptureFixture) -> None:
    before = len(_publications(town))
    revision = town.done("PATCH", BAN, {"mode": "off"})["revision"]
    with caplog.at_level(logging.ERROR):
        rows = _publications(town)
    assert (town.publisher.stored_revision(), len(rows)) == (revision, before)
    assert any("publications not recorded" in record.getMessage() for record in caplog.records)
    assert town.call("GET", f"/v1/trace?client=192.0.2.1&name=example.org&at={START_TEXT}").status_code == 200
    disk.full = False
    town.clock.now += 100
    assert [(row.revision, row.time_s) for row in _publications(town)][before:] == [(revision, START)]


def test_thread_records_publications_and_stop_records_the_rest(town: Plane, disk: _Disk) -> None:
    written = threading.Event()

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.startswith("INSERT INTO publications"):
            written.set()

    event.listen(town.database.engine, "after_cursor_execute", note)
    town.publisher.start()
    disk.full = False
    town.done("PATCH", BAN, {"mode": "off"})
    assert written.wait(timeout=30)
    event.remove(town.database.engine, "after_cursor_execute", note)
    disk.full = True
    last = town.done("PATCH", BAN, {"mode": "enforce"})["revision"]
    disk.full = False
    town.publisher.stop()
    with town.database.reading() as session:
        assert session.scalar(select(func.max(PublicationRow.revision))) == last


def test_snapshot_without_a_record_is_in_force_since_it_was_made(town: Plane) -> None:
    rows = _publications(town)
    with town.database.writing() as session:
        session.execute(text("DELETE FROM publications WHERE revision = :last"), {"last": rows[-1].revision})
    town.clock.now += 500
    for _ in range(2):
        town.publisher.note_stored()
    town.publisher.publish_current()
    after = _publications(town)
    found = [(row.revision, row.time_s, row.rules) for row in after[len(rows) - 1 :]]
    assert found[0] == (rows[-1].revision, START, rows[-1].rules)
    # Compiled at another time, the same revision may have other rules: that is a separate publication.
    assert [(revision, at) for revision, at, _ in found[1:]] in ([], [(rows[-1].revision, START + 500)])


def test_snapshot_of_acts_that_the_database_lacks_is_not_recorded(town: Plane) -> None:
    rows = _publications(town)
    with town.database.writing() as session:
        session.execute(text("DELETE FROM publications WHERE revision = :last"), {"last": rows[-1].revision})
        session.execute(text("UPDATE installation SET revision = revision - 1"))
    town.publisher.note_stored()
    assert len(_publications(town)) == len(rows) - 1
