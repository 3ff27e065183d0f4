"""All pages: whom they answer, what they ask of the database, and what they show of it."""

import asyncio
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.application import routes
from api.auth.roles import OF_AUTHORITY, OF_INSTALLATION, Role
from api.console.frame.calls import Answer, Caller, Refused
from api.console.router import page_routes
from api.db.unit_of_work import head
from api.documentation.permissions_page import NO, OWN, PART, SELF, YES, cell
from blocklists.catalogue import Catalogue
from tests.support.direct_requests import alone, answer_of
from tests.support.filled_plane import PAGES, fill, page_of, slug_of
from tests.support.hostile_texts import MARK, breaches, spoil
from tests.support.statements import statements
from tests.unit.api.conftest import Plane, make_plane
from tests.unit.api.console.conftest import signed_in

pytestmark = pytest.mark.heavy

SHOWN = 1
"""The authority that pages are about."""
WITHOUT_ROWS = frozenset(
    {
        "/console/sign-in",
        "/console/sign-in/{code}",
        "/console/sign-in/oidc",
        "/console/sign-in/oidc/callback",
        "/console/language/{language}",
        "/console/passkeys/options/sign-in",
        "/console/passkeys/options/{purpose}",
        "/console/{rest:path}",
    }
)
WITHOUT_DATA = "/console/styles"
NO_SESSION, NO_ROLE = "no token", "no role"
PUBLIC = ("/register", "/console/styles")
"""Pages that need no session begin with these."""
HELD_IN, ANOTHER = 0, 1
"""The authority in which roles are held, and one in which they are not."""
DOES_WITHOUT: Mapping[str, frozenset[str]] = {
    "/console": frozenset({"get_attention", "list_exemptions", "list_usage"}),
    "/console/people": frozenset({"list_accounts", "list_grants"}),
    "/console/networks": frozenset({"list_coverage"}),
    "/console/audit": frozenset({"list_checkpoints"}),
    "/console/nodes": frozenset({"list_nodes"}),
    "/console/bans/{slug}/{service}": frozenset(
        {"get_ban_reach", "list_exemptions", "list_nodes_of_revision", "list_requests"}
    ),
}
"""Operations without which a page opens, for those who may not read them, by the page's path."""


def test_every_page_with_rows_has_an_address() -> None:
    opened = {route.path for route in page_routes() if "GET" in (route.methods or ())}
    assert opened - WITHOUT_ROWS == PAGES.keys(), "add an address to tests/support/filled_plane.py"


def test_a_page_executes_as_many_statements_for_many_rows_as_for_few(tmp_path: Path, packaged: Catalogue) -> None:
    few = executed(tmp_path / "few", packaged, authorities=3, days=2, acting=2)
    assert executed(tmp_path / "many", packaged, authorities=5, days=4, acting=3) == few


def executed(directory: Path, services: Catalogue, *, authorities: int, days: int, acting: int) -> dict[str, list[int]]:
    """Return how many statements each page executes for an administrator and for an operator."""
    plane = make_plane(directory, services)
    plane.publisher.publish_current()
    fill(plane, authorities, days, acting)
    visitors = [signed_in(plane), signed_in(plane, plane.account("desk", ("operator", slug_of(SHOWN)))[1])]
    found: dict[str, list[int]] = {}
    for path in PAGES:
        address = page_of(path, plane, SHOWN)
        for session in visitors if address else ():
            # The first request of a kind fills caches.
            session.get(address)
            with statements(plane.database) as made:
                assert session.get(address).status_code in (200, 403), address
            found.setdefault(path, []).append(len(made))
    plane.database.close()
    return found


def test_every_page_shows_hostile_texts_as_text(tmp_path: Path, packaged: Catalogue) -> None:
    plane = make_plane(tmp_path / "state", packaged)
    plane.publisher.publish_current()
    fill(plane, authorities=3, days=2, acting=2)
    session = signed_in(plane)
    spoil(plane.database.engine)
    for path in PAGES:
        address = page_of(path, plane, 1)
        answer = session.get(address) if address else None
        if answer is None or not answer.headers["content-type"].startswith("text/html"):
            continue
        assert answer.status_code == 200, address
        assert list(breaches(answer.text)) == [], address
        assert MARK in answer.text or path == WITHOUT_DATA, f"{address} shows no text of the database"
    plane.database.close()


@pytest.mark.parametrize(
    "page",
    [
        "<p><img src=x></p>",
        "<script>alert(1)</script>",
        '<script src="//elsewhere.example.org/x.js"></script>',
        "<p onclick=x>",
        '<a href="javascript:x">',
        "<p style=x>",
        "a\u202eb",
        "a\x1bb",
    ],
)
def test_a_page_that_data_breaks_is_noticed(page: str) -> None:
    assert list(breaches(page))


OF_ONESELF = frozenset({"revoke_token", "remove_passkey"})
"""Acts on the visitor's own account."""
FIELDS = {
    "authority": slug_of(HELD_IN),
    "service": "beta",
    "name": "www.example.org",
    "verdict": "refuse",
    "reason": "for a test",
    "list_slug": "other",
    "services": "beta",
    "prefix": "127.64.0.34/32",
    "site": "default",
    "audience": "staff",
    "funding": "public",
    "table": "prefix,authority,funding,audience\n127.64.0.34/32,body-0000,public,staff\n",
    "do": "import",
    "mode": "off",
    "until": "open",
    "role": "reader",
    "ranges": "127.64.0.32/28",
    "ban": "body-0000/tiktok",
    "client": "127.64.0.32",
}
"""A field of each form that has it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A page that a visitor has opened: which operations it may not call there, and what all of them answered."""

    path: str
    address: str
    visitor: str
    denied: frozenset[str]
    status: int
    called: Mapping[str, int]

    @property
    def expected(self) -> int:
        """Return what the page must answer."""
        if self.visitor == NO_SESSION and not self.path.startswith(PUBLIC):
            return 303
        return 200 if self.denied <= DOES_WITHOUT.get(self.path, frozenset()) else 403

    def faults(self) -> Iterator[str]:
        """Yield what is not as the operations allow."""
        if self.status != self.expected:
            yield f"{self.visitor}: {self.address} answers {self.status} instead of {self.expected}"
        for operation, status in self.called.items():
            if (status == 403) != (operation in self.denied):
                yield f"{self.visitor}: {operation} answers {status} to {self.address}"
        if self.visitor == NO_SESSION and self.called:
            yield f"{self.address} calls {', '.join(self.called)} without a session"


def test_every_page_answers_every_role_as_its_operations_allow(
    tmp_path: Path, packaged: Catalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane = make_plane(tmp_path / "state", packaged)
    plane.publisher.publish_current()
    fill(plane, authorities=2, days=2, acting=2)
    with alone():
        opened = asyncio.run(_open_all(plane, _cookies(plane), _noting_calls(monkeypatch)))
    plane.database.close()
    wrong = [fault for each in opened for fault in each.faults()]
    assert not wrong, "\n".join(wrong)
    assert _done_without(opened) == DOES_WITHOUT


def test_no_form_lets_a_reader_act(tmp_path: Path, packaged: Catalogue, monkeypatch: pytest.MonkeyPatch) -> None:
    plane = make_plane(tmp_path / "state", packaged)
    plane.publisher.publish_current()
    fill(plane, authorities=2, days=1, acting=2)
    reader = signed_in(plane, plane.account("reading", ("reader", slug_of(HELD_IN)))[1])
    csrf, before = reader.csrf(), _last_act(plane)
    called, answered = _noting_calls(monkeypatch), dict[str, int]()
    for address in _forms(plane):
        for to in ("adopt", "change"):
            assert reader.send(address, csrf=csrf, **FIELDS, to=to).status_code != 303, address
            answered |= called
    plane.database.close()
    acts = {route.operation_id for route in routes() if "GET" not in (route.methods or ())}
    declared = {each for page in page_routes() for each in page.operations} - OF_ONESELF
    assert {each: status for each, status in answered.items() if each in acts} == dict.fromkeys(declared & acts, 403)
    assert _last_act(plane) == before


def _forms(plane: Plane) -> Iterator[str]:
    """Yield an address of each form that acts for an authority."""
    account = page_of("/console/people/{account}", plane, HELD_IN).rpartition("/")[2]
    held = {"slug": slug_of(HELD_IN), "service": "tiktok", "number": 1, "account": account}
    others = {
        "site": "default",
        "address": "127.64.0.32",
        "length": 28,
        "list_slug": "apps",
        "name": "refused.example.org",
    }
    for page in page_routes():
        if "POST" in (page.methods or ()) and page.operations - OF_ONESELF:
            for act in ("approve", "reject", "revoke", "withdraw") if "{act}" in page.path else ("",):
                yield page.path.format_map({**held, **others, "act": act})


def _last_act(plane: Plane) -> tuple[int, str]:
    with plane.database.reading() as session:
        return head(session)


def _cookies(plane: Plane) -> Mapping[str, str]:
    """Return the cookie of a session for each role, for none, and none."""
    found = {NO_SESSION: "", NO_ROLE: signed_in(plane, plane.account("idle")[1]).cookie}
    for role in Role:
        where = None if role in OF_INSTALLATION else slug_of(HELD_IN)
        found[role] = signed_in(plane, plane.account(f"visiting-{role}", (role, where))[1]).cookie
    return found


def _noting_calls(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Return where the status of each operation is noted that a page calls."""
    noted: dict[str, int] = {}
    call = Caller.call

    async def noting(self: Caller, operation: str, *given: Any, **options: Any) -> Answer:
        try:
            answer = await call(self, operation, *given, **options)
        except Refused as error:
            noted[operation] = error.status
            raise
        noted[operation] = answer.status
        return answer

    monkeypatch.setattr(Caller, "call", noting)
    return noted


async def _open_all(plane: Plane, cookies: Mapping[str, str], called: dict[str, int]) -> list[Opened]:
    rules = {route.operation_id: route.rule for route in routes()}
    declared = {page.path: page.operations for page in page_routes() if "GET" in (page.methods or ())}
    found = []
    for path, visitor, address, is_own in _visits(plane, cookies):
        called.clear()
        request = httpx.Request("GET", f"http://testserver{address}", headers={"Cookie": cookies[visitor]})
        status = (await answer_of(plane.app, request, "127.0.0.1")).status_code
        denied = {each for each in declared[path] if not _allows(cell(rules[each], visitor), path, is_own)}
        found.append(Opened(path, address, visitor, frozenset(denied), status, dict(called)))
    return found


def _visits(plane: Plane, visitors: Iterable[str]) -> Iterator[tuple[str, str, str, bool]]:
    """Yield the path of each page, a visitor, the page's address, and whether that is about the own authority."""
    for path in PAGES:
        own, other = (page_of(path, plane, number) or path for number in (HELD_IN, ANOTHER))
        for visitor in visitors:
            yield path, visitor, own, True
            if other != own and visitor in OF_AUTHORITY:
                yield path, visitor, other, False


def _allows(answer: str, path: str, is_own: bool) -> bool:
    """Return whether a cell of the table of permissions allows a page. No account opens its own page here."""
    meant = {YES: True, PART: True, OWN: is_own, SELF: "{account}" not in path, NO: False}
    return any(meant[word] for word in answer.split(", "))


def _done_without(opened: list[Opened]) -> Mapping[str, frozenset[str]]:
    """Return the operations without which pages have opened, by path."""
    found: dict[str, frozenset[str]] = {}
    for each in opened:
        if each.status == 200 and each.denied and each.visitor != NO_SESSION:
            found[each.path] = found.get(each.path, frozenset()) | each.denied
    return found
