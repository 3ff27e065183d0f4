"""Pages of the public register: without a session, in the reader's language, and by the reference of a refusal."""

import pytest

from tests.unit.api.conftest import Plane, authority, ban


@pytest.fixture
def published(town: Plane) -> Plane:
    town.done("PATCH", "/v1/authorities/town", {"public_register": True})
    return town


def shown(plane: Plane, path: str, **headers: str) -> str:
    answer = plane.call("GET", path, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_the_list_leads_to_the_register(town: Plane) -> None:
    assert "No authority publishes a register here." in shown(town, "/register")
    town.done("PATCH", "/v1/authorities/town", {"public_register": True})
    assert 'href="/register/town"' in shown(town, "/register")


def test_a_register_shows_its_bans_and_needs_no_session(published: Plane) -> None:
    page = shown(published, "/register/town")
    for part in ("Alpha", "C-1", "decree 1", "Last checkpoint", "/v1/register/town"):
        assert part in page
    assert 'rel="alternate" type="application/json"' in page
    assert "csrf" not in page


@pytest.mark.parametrize("path", ["nowhere", "quiet", "C-9", "town/beta", "quiet/alpha", "Q-1"])
def test_what_is_not_published_is_not_found(path: str, published: Plane) -> None:
    published.done("PUT", "/v1/authorities/quiet", authority())
    decision = {**ban()["decision"], "reference": "Q-1"}
    published.done("PUT", "/v1/authorities/quiet/bans/alpha", ban(decision=decision))
    assert published.call("GET", f"/register/{path}", headers={}).status_code == 404


@pytest.mark.parametrize(("reference", "service"), [("C-1", "alpha"), ("CBS/2026/12", "beta")])
def test_a_reference_leads_to_its_ban(reference: str, service: str, published: Plane) -> None:
    decision = {**ban()["decision"], "reference": "CBS/2026/12"}
    published.done("PUT", "/v1/authorities/town/bans/beta", ban(decision=decision))
    answer = published.call("GET", f"/register/{reference}", headers={})
    assert (answer.status_code, answer.headers["location"]) == (303, f"/register/town/{service}")
    page = shown(published, f"/register/town/{service}")
    assert reference in page
    assert page.count('<section class="panel" aria-labelledby="b-') == 1


def test_the_reference_of_a_term_leads_to_its_ban(published: Plane) -> None:
    renewal = {"for": "2 years", "decision": {"reference": "C-7"}}
    published.done("POST", "/v1/authorities/town/bans/alpha/terms", renewal)
    assert published.call("GET", "/register/C-7", headers={}).headers["location"] == "/register/town/alpha"


def test_a_reference_of_several_bans_lists_them(published: Plane) -> None:
    published.done("PUT", "/v1/authorities/town/bans/beta", ban())
    page = shown(published, "/register/C-1")
    assert 'href="/register/town/alpha"' in page
    assert 'href="/register/town/beta"' in page


def test_hostile_text_is_shown_as_text(published: Plane) -> None:
    decision = {**ban()["decision"], "reference": "<b>C-1</b>", "organ": "a<script>"}
    published.done("PUT", "/v1/authorities/town/bans/beta", ban(decision=decision))
    page = shown(published, "/register/town")
    assert "&lt;b&gt;C-1&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "a<script>" not in page


def test_long_registers_are_in_pages(published: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.console.register.PAGE_SIZE", 1)
    published.done("PUT", "/v1/authorities/town/bans/beta", ban())
    first, second = shown(published, "/register/town"), shown(published, "/register/town?page=2")
    assert "/register/town/alpha" in first
    assert "/register/town/beta" not in first
    assert 'href="/register/town?page=2"' in first
    assert "/register/town/beta" in second
    assert "Next page" not in second


def test_a_language_is_chosen_from_its_pages(published: Plane) -> None:
    page = shown(published, "/register/town", **{"Accept-Language": "nl"})
    assert '<html lang="nl">' in page
    assert "/console/language/fr?back=/register/town" in page
    answer = published.call("GET", "/console/language/fr?back=/register/town", headers={})
    assert answer.headers["location"] == "/register/town"
