"""Pages name authorities in the page's language, wherever only their short names are answered."""

import re

import pytest

from api.console.frame.language import COOKIE as LANGUAGE
from tests.unit.api.conftest import Plane, authority, ban
from tests.unit.api.console.conftest import Session, signed_in

OF_LIST = "/v1/authorities/harbour/lists/apps"
PAGES = (
    "/console",
    "/console/bans",
    "/console/bans/harbour/alpha",
    "/console/lists",
    "/console/lists/harbour/apps",
    "/console/networks?authority=harbour",
    "/console/networks/default/203.0.113.0/24",
    "/console/people",
    "/console/requests",
    "/console/suspend",
)


@pytest.fixture
def harbour(town: Plane) -> Session:
    """Return an operator of two authorities with a list, a link, a network, a request and a suspension."""
    town.done("PUT", "/v1/authorities/harbour", authority(names={"nl": "Haven", "fr": "Port"}))
    range_ = {"authority": "harbour", "funding": "public", "audience": "staff"}
    town.done("PUT", "/v1/ranges/default/203.0.113.0/24", range_)
    town.done("PUT", "/v1/authorities/harbour/bans/alpha", ban())
    town.done("PUT", OF_LIST, {"title": "Apps", "services": ["beta"]})
    town.done("POST", f"{OF_LIST}/adopt", ban())
    link = {"list": "harbour/apps", "authority": "town", "ground": "agreement", "instrument": "a", "date": "2026-09-01"}
    town.done("POST", "/v1/list-links", link)
    town.done("PATCH", "/v1/authorities/harbour/off-rules", {"off_needs_approver": True})
    _, token = town.account("desk", ("operator", "harbour"), ("approver", "harbour"), ("operator", "town"))
    off = {"mode": "off", "mode_reason": "a test"}
    assert town.call("PATCH", "/v1/authorities/harbour/bans/alpha", off, token=token).status_code == 202
    town.done("POST", "/v1/suspensions", {"authority": "harbour", "for": "1h", "reason": "a test"})
    return signed_in(town, token)


@pytest.mark.parametrize("path", PAGES)
def test_pages_show_names_of_authorities_in_place_of_short_names(harbour: Session, path: str) -> None:
    for language, name in (("nl", "Haven"), ("fr", "Port")):
        page = harbour.shown(path, Cookie=f"{harbour.cookie}; {LANGUAGE}={language}")
        text = re.sub(r"<[^>]*>", " ", page)
        assert name in text
        assert "harbour" not in text
