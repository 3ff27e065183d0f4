"""Many authorities: each can be chosen, on every page, without a script; each time is in its authority's zone."""

from html import unescape
from itertools import count
from urllib.parse import quote

import pytest

from api.console import authority_choice
from api.console.frame.calls import Caller
from tests.unit.api.conftest import Plane, authority
from tests.unit.api.console.conftest import Session, signed_in

PAGES = (
    "/console",
    "/console/adopt",
    "/console/audit",
    "/console/bans",
    "/console/exemptions/ask",
    "/console/names",
    "/console/networks",
    "/console/networks/new",
    "/console/people",
    "/console/reports",
    "/console/reports/pictures",
    "/console/suspend",
)
LAST = "zone-of-waterways"


@pytest.fixture
def many(session: Session, monkeypatch: pytest.MonkeyPatch) -> Session:
    """Return a session of an administrator of more authorities than a form lists."""
    monkeypatch.setattr(authority_choice, "IN_LIST", 2)
    names = {"fr": "Voies navigables de Liège", "en": "Waterways of Liège"}
    body = authority(names=names, time_zone="Atlantic/Azores")
    session.plane.done("PUT", f"/v1/authorities/{LAST}", body)
    return session


def test_a_short_name_is_typed_where_a_list_would_be_too_long(many: Session) -> None:
    for path in PAGES:
        page = many.shown(path)
        assert 'name="authority"' in page, path
        assert '<select id="authority"' not in page, path
        assert f'href="/console/authorities?back={path}"' in page, path
        assert f'value="{LAST}"' in many.shown(f"{path}?authority={LAST}"), path


def test_authorities_that_the_list_of_bans_cannot_offer_are_not_read(
    many: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, called = list[str](), Caller.call

    async def noted(caller: Caller, operation: str, *given: object, **named: object) -> object:
        made.append(operation)
        return await called(caller, operation, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Caller, "call", noted)
    many.shown("/console/bans")
    assert made == ["list_bans", "list_suspensions"]


def test_few_authorities_are_a_list(session: Session) -> None:
    for path in PAGES:
        page = session.shown(path)
        assert "/console/authorities" not in page, path
        assert '<option value="zone"' in page, path


def test_a_page_about_an_unknown_authority_shows_no_other(session: Session) -> None:
    for path in ("/console", "/console/reports", "/console/reports/pictures"):
        assert session.get(f"{path}?authority=none").status_code == 404, path


def test_an_account_gets_a_role_in_any_of_many_authorities(many: Session) -> None:
    number, _ = many.plane.account("desk", ("reader", "town"))
    path = f"/console/people/{number}"
    assert f'href="/console/authorities?back={path}"' in many.shown(path)
    assert f'value="{LAST}"' in many.shown(f"{path}?authority={LAST}")
    refused = many.send(f"{path}/grants", role="reader", authority="gent")
    assert refused.status_code == 422
    assert f'href="/console/authorities?back={path}"' in refused.text


def test_an_authority_is_found_by_a_part_of_a_name_and_leads_back(many: Session) -> None:
    for text in ("liege", "LIÈGE", "waterways", "zone-of"):
        page = many.shown(f"/console/authorities?back=/console/suspend&find={text}")
        assert f'href="/console/suspend?authority={LAST}"' in page, text
        assert 'authority=town"' not in page, text
        assert f'<option value="{LAST}">' in many.shown(f"/console/authorities/known?authority={text}")


def test_all_are_found_in_pages(many: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authority_choice, "ON_PAGE", 1)
    page = many.shown("/console/authorities?back=/console/suspend")
    assert f"authority={LAST}" not in page
    assert "find=&amp;cursor=" in page


def test_links_lead_only_to_pages_of_the_console(many: Session) -> None:
    for back in ("https://example.org", "//example.org", "/console//example.org", "/console#x"):
        page = many.shown(f"/console/authorities?back={quote(back)}&find={LAST}")
        assert f'href="/console/bans?authority={LAST}"' in page, back


def test_finding_an_authority_leads_back_to_the_step_that_asked(many: Session) -> None:
    back = "/console/adopt?follow=true"
    assert f'href="/console/authorities?back={quote(back)}"' in many.shown(back)
    found = unescape(many.shown(f"/console/authorities?back={quote(back)}&find={LAST}"))
    assert f'href="{back}&authority={LAST}"' in found
    step = many.shown(f"{back}&authority={LAST}")
    assert "Which ban do you follow?" in step
    assert f'value="{LAST}"' in step


def test_only_own_authorities_are_found(town: Plane) -> None:
    _, token = town.account("desk", ("operator", "town"))
    page = signed_in(town, token).shown("/console/authorities?back=/console/bans")
    assert "authority=town" in page
    assert "authority=zone" not in page


def test_times_of_any_authority_are_in_its_zone(many: Session) -> None:
    number, _ = many.plane.account("desk", ("reader", LAST))
    body = {"account": number, "role": "operator", "authority": LAST, "start": "2026-10-01T12:30:00Z"}
    many.plane.done("POST", "/v1/grants", {**body, "end": "2026-12-01", "reason": "holidays"})
    assert "1 October 2026, 12:30" in many.shown(f"/console/people/{number}")


def test_a_page_of_a_ban_calls_nine_operations(town: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    town.done("PATCH", "/v1/authorities/town/off-rules", {"off_needs_approver": True})
    law = {"ban": "town/alpha", "authority": "zone", "ground": "law", "instrument": "act 1", "date": "2026-09-01"}
    town.done("POST", "/v1/bindings", law)
    calls, called = count(1), Caller.call
    made = list[int]()

    async def counted(*given: object, **named: object) -> object:
        made.append(next(calls))
        return await called(*given, **named)  # type: ignore[arg-type]

    visitor = signed_in(town)
    monkeypatch.setattr(Caller, "call", counted)
    visitor.shown("/console/bans/town/alpha")
    assert len(made) == 9
