"""A control plane on a real SQLite file in a temporary directory, used as by a client."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, create_engine, event

from api.accounts.schemas import AccountKind, AccountWrite
from api.accounts.service import GrantWanted, TokenWanted, grant, make, make_token
from api.application import make_application
from api.audit.checkpoint_job import CheckpointJob
from api.audit.signing_key import load_signing_key, make_signing_key
from api.auth.roles import Role
from api.auth.tokens import load_key, make_first_token, make_key
from api.bans.requests.second_person_rule import SecondPerson
from api.db.base import Base
from api.db.session import Database
from api.db.unit_of_work import LOCAL, Access, Actor, UnitOfWork
from api.events.event_job import EventJob
from api.http.dependencies import Runtime
from api.nodes.fleet import Fleet
from api.publish.service import Publisher, plausible_clock
from api.settings import Settings, parse_settings
from api.timestamps import parse_end
from blocklists.catalogue import Catalogue, CatalogueName, Entry, TierEntry, load_catalogue
from blocklists.categories import Category
from dnsfilter.policy.instants import DEFAULT_ZONE
from dnsfilter.snapshot.stored.store import SnapshotStore
from dnsfilter.wire.names import parse_name
from tests.support.compiled_statements import share_compiled
from tests.support.direct_requests import answered
from tests.support.postgresql import Server, postgresql

START = 1_790_000_000
"""2026-09-21 14:13:20 UTC: the start of a test's clock, which moves only when the test sets it."""
FIRST = 1
"""The number of the first administrator, and of its token."""


BACKEND = os.environ.get("DNSFILTER_TEST_DATABASE", "sqlite")
"""The database of tests that do not choose one."""

on_both_databases = pytest.mark.parametrize("backend", ["sqlite", "postgresql"], indirect=True)
"""Run a test once with SQLite and once with PostgreSQL."""


@dataclass
class Clock:
    """Wall time under a test's control."""

    now: float = START

    def __call__(self) -> float:
        return self.now


@dataclass
class Plane:
    """One control plane, with its client."""

    settings: Settings
    database: Database
    publisher: Publisher
    store: SnapshotStore
    registry: CollectorRegistry
    app: Any
    clock: Clock
    token: str
    _other: str | None = None

    def call(
        self,
        method: str,
        path: str,
        json: Any = None,
        *,
        token: str | None = None,
        address: str = "127.0.0.1",
        **options: Any,
    ) -> httpx.Response:
        """Send a request from `address` with `token`, else the administrator's, unless `headers` are given."""
        headers = options.pop("headers", {"Authorization": f"Bearer {token or self.token}"})
        request = httpx.Request(method, f"http://testserver{path}", json=json, headers=headers, **options)
        return answered(self.app, request, address)

    def done(self, method: str, path: str, json: Any = None, **options: Any) -> Any:
        """Return the body of the answer to a request that must succeed."""
        response = self.call(method, path, json, **options)
        assert response.status_code < 300, response.text
        return response.json() if response.content else None

    def account(self, login: str, *roles: tuple[str, str | None], kind: str = "service") -> tuple[int, str]:
        """Make an account with roles in an authority or (None) in the installation. Return its number and token.

        The administrator makes all of it, as by requests, which would take most of the time of many tests.
        """
        return self._made(login, *roles, kind=kind, actor=Actor(FIRST, Access.TOKEN, token=FIRST))

    def other(self) -> str:
        """Return the token of a second administrator. The first one made neither the token nor the grant.

        Requests need the approval of an independent person.
        """
        if self._other is None:
            _, self._other = self._made("another", ("administrator", None), kind="service", actor=LOCAL)
        return self._other

    def _made(self, login: str, *roles: tuple[str, str | None], kind: str, actor: Actor) -> tuple[int, str]:
        now_s = int(self.clock())
        expires, ends = (parse_end(now_s, None, None, span, DEFAULT_ZONE, now_s) for span in ("90 days", "1 year"))
        assert expires is not None
        wanted = TokenWanted("test", expires, frozenset(), frozenset(), actor.token)
        with self.database.writing() as session:
            unit, key = UnitOfWork(session, actor, now_s), load_key(self.settings.token_key_path)
            account = make(unit, AccountWrite(kind=AccountKind(kind), login=login, name=login))
            for role, authority in roles:
                grant(unit, account, GrantWanted(Role(role), authority, now_s, ends, "for a test"))
            return account.id, make_token(unit, key, account, wanted)[1].text

    def revision(self) -> int:
        """Return the revision of the database."""
        return self.publisher.database_revision()


def catalogue() -> Catalogue:
    """Return two services with example names."""
    return Catalogue((_entry("alpha", 2), _entry("beta", 1)))


def make_plane(
    directory: Path,
    services: Catalogue | None = None,
    *,
    doubting: bool = False,
    url: str | None = None,
    started: bool = False,
) -> Plane:
    """Return a control plane. Its database is the migrated one at `url`, else an SQLite file, made empty if missing.

    With `doubting` it trusts no clock before the release. With `started` the directory is a complete copy of one that
    a control plane of this version has left.
    """
    directory.mkdir(exist_ok=True)
    settings = parse_settings({"state_dir": str(directory), "database": url}, {})
    file = directory / "dnsfilter.sqlite3"
    if url is None and not file.exists():
        file.write_bytes(_migrated())
    database = Database(settings.database)
    share_compiled(database)
    for path in (settings.snapshot_key, settings.checkpoint_key):
        if not path.exists():
            make_signing_key(path)
    if not settings.token_key_path.exists():
        make_key(settings.token_key_path)
    clock = Clock()
    held = services if services is not None else catalogue()
    by_slug = {service.slug: service for service in held.services}
    store = SnapshotStore(settings.snapshot_dir)
    read = plausible_clock(clock, store) if doubting else clock
    publisher = Publisher(database, by_slug, store, read, load_signing_key(settings.snapshot_key))
    key = load_key(settings.token_key_path)
    if not started:
        make_first_token(database, key, settings.token_path, int(read()))
    checkpoint_job = CheckpointJob(
        database, load_signing_key(settings.checkpoint_key), settings.checkpoint_destinations, read
    )
    runtime = Runtime(settings, database, held, publisher, read, key, SecondPerson())
    events = EventJob(database, key, publisher.service_names, settings.event_destinations, read)
    app, registry = make_application(runtime, publisher, checkpoint_job, Fleet(database, publisher, read), events)
    token = settings.token_path.read_text().strip()
    return Plane(settings, database, publisher, store, registry, app, clock, token)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """Run PostgreSQL for all tests of this process."""
    with postgresql() as running:
        yield running


@pytest.fixture
def backend(request: pytest.FixtureRequest) -> str:
    """Return the kind of database of the control plane."""
    return str(getattr(request, "param", BACKEND))


@pytest.fixture(scope="session")
def kept_plane(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state directory of a control plane on SQLite with its first snapshot. Tests copy it."""
    return _kept(tmp_path_factory.mktemp("plane") / "state", lambda _plane: None)


@pytest.fixture(scope="session")
def kept_town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the state directory of a `town` on SQLite. Tests copy it."""
    return _kept(tmp_path_factory.mktemp("town") / "state", _settle)


@pytest.fixture
def plane(tmp_path: Path, backend: str, request: pytest.FixtureRequest) -> Iterator[Plane]:
    """Return a control plane whose first snapshot is published."""
    with opened(request, tmp_path / "state", backend, settled="town" in request.fixturenames) as made:
        yield made


@pytest.fixture
def town(plane: Plane) -> Plane:
    """Return a control plane with two authorities, a range of each, and a ban of the first on alpha."""
    return plane


@pytest.fixture(scope="module")
def untouched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plane]:
    """Return a `town` for the tests of a module that change nothing: they only read, or all their acts are refused."""
    with opened(request, tmp_path_factory.mktemp("untouched") / "state", BACKEND, settled=True) as made:
        yield made


@contextmanager
def opened(request: pytest.FixtureRequest, directory: Path, backend: str, *, settled: bool) -> Iterator[Plane]:
    """Open a control plane whose first snapshot is published. With `settled` it is a `town`."""
    if backend == "postgresql":
        made = make_plane(directory, url=request.getfixturevalue("server").fresh())
    else:
        shutil.copytree(request.getfixturevalue("kept_town" if settled else "kept_plane"), directory)
        made = make_plane(directory, started=True)
    made.publisher.publish_current()
    if settled and made.revision() == 0:
        _settle(made)
    yield made
    made.database.close()


def _kept(directory: Path, act: Callable[[Plane], None]) -> Path:
    made = make_plane(directory)
    made.publisher.publish_current()
    act(made)
    made.publisher.store_in_force()
    made.database.close()
    return directory


def _settle(plane: Plane) -> None:
    for slug, prefix in (("town", "192.0.2.0/24"), ("zone", "198.51.100.0/24")):
        plane.done("PUT", f"/v1/authorities/{slug}", authority())
        plane.done("PUT", f"/v1/ranges/default/{prefix}", {"authority": slug, "funding": "public", "audience": "staff"})
    plane.done("PUT", "/v1/authorities/town/bans/alpha", ban())


@pytest.fixture(scope="session")
def packaged() -> Catalogue:
    """Return the packaged catalogue."""
    return load_catalogue()


def authority(**changes: Any) -> dict[str, Any]:
    """Return the request body of an authority."""
    return {
        "kind": "municipality",
        "names": {"nl": "Stad", "fr": "Ville"},
        "languages": ["nl", "fr"],
        "contact": "ict@example.org",
        **changes,
    }


def ban(**changes: Any) -> dict[str, Any]:
    """Return the request body of a ban that begins now and lasts six months."""
    decision = {"organ": "council", "reference": "C-1", "date": "2026-09-21", "legal_basis": "decree 1"}
    return {"decision": decision, "terms": [{"for": "6 months"}], **changes}


@cache
def _migrated() -> bytes:
    """Return the content of an empty database file after all migrations."""
    with TemporaryDirectory() as directory:
        path = Path(directory) / "file.sqlite3"
        database = Database(f"sqlite:///{path}", create=True)
        database.migrate()
        database.close()
        return path.read_bytes()


def _entry(slug: str, tiers: int) -> Entry:
    return Entry(
        slug,
        slug.title(),
        Category.VIDEO,
        date(2026, 9, 1),
        (),
        tuple(
            TierEntry(number, f"tier {number}", "", (_name(f"{slug}{number}.example.org"),))
            for number in range(1, tiers + 1)
        ),
    )


def _name(text: str) -> CatalogueName:
    return CatalogueName(text, parse_name(text), False, ())


@pytest.fixture
def unlinked(backend: str, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """Return an engine with all tables and no rows. It accepts rows whose foreign keys refer to nothing."""
    if backend == "postgresql":
        # A replica does not check foreign keys, and SQLite does not by default.
        options = {"options": "-c session_replication_role=replica"}
        engine = create_engine(request.getfixturevalue("server").fresh(), connect_args=options)
    else:
        engine = create_engine("sqlite://")
        Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def statements(plane: Plane, act: Callable[[], object]) -> int:
    """Return the number of statements that an act executes."""
    found = 0

    def executed(*_: object) -> None:
        nonlocal found
        found += 1

    event.listen(plane.database.engine, "before_cursor_execute", executed)
    try:
        act()
    finally:
        event.remove(plane.database.engine, "before_cursor_execute", executed)
    return found
