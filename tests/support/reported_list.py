"""A month of Ghent's prohibited list by acts, with what was counted, and of Mechelen's bans that follow it."""

from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from api.db.models import UsageDayRow
from api.usage.repository import DayKey, add
from blocklists.catalogue import Catalogue, CatalogueName, Entry, TierEntry
from blocklists.categories import Category
from dnsfilter.policy.calendar import after_day
from dnsfilter.wire.names import parse_name
from tests.unit.api.conftest import Plane

FIRST, LAST = "2027-03-01", "2027-03-31"
END_S = after_day(date.fromisoformat(LAST), "Europe/Brussels")
DAYS = f"from={FIRST}&to={LAST}"
LIST = "/v1/authorities/ghent/lists/apps"
REFERENCE = "ghent/apps"
SERVICES = {
    "chat": Category.MESSAGING,
    "clips": Category.VIDEO,
    "mind": Category.AI,
    "oracle": Category.AI,
    "shop": Category.SHOPPING,
}
_RANGES = {"ghent": "192.0.2.0/24", "mechelen": "198.51.100.0/24"}


def catalogue() -> Catalogue:
    """Return five services of one tier each."""
    return Catalogue(tuple(_entry(slug, category) for slug, category in SERVICES.items()))


def _entry(slug: str, category: Category) -> Entry:
    name = f"{slug}.example.org"
    tier = TierEntry(1, "names", "", (CatalogueName(name, parse_name(name), False, ()),))
    return Entry(slug, slug.title(), category, date(2026, 9, 1), (), (tier,))


def live_a_month(plane: Plane) -> None:
    """Let the authorities act. Afterwards the clock stands after the last day of the report.

    Ghent monitors `shop` alone, and then adopts a list of `clips`, `mind` and `shop`. A later version adds `chat`, and
    another takes `clips` off. Mechelen follows the list.
    """
    _advance(plane, 2, 20)
    for slug, name in (("ghent", "Stad Gent"), ("mechelen", "Stad Mechelen")):
        body = {"kind": "municipality", "names": {"nl": name}, "languages": ["nl"], "contact": "ict@example.org"}
        plane.done("PUT", f"/v1/authorities/{slug}", body)
        where = {"authority": slug, "label": "offices", "funding": "public", "audience": "staff"}
        plane.done("PUT", f"/v1/ranges/default/{_RANGES[slug]}", where)
    plane.done("PUT", "/v1/authorities/ghent/bans/shop", {**decided("CBS/1"), "mode": "monitor"})
    _advance(plane, 3, 1)
    plane.done("PUT", LIST, {"title": "Verboden apps", "services": ["clips", "mind", "shop"]})
    plane.done("POST", f"{LIST}/adopt", decided("CBS/2"))
    _advance(plane, 3, 10)
    plane.done("POST", f"{LIST}/versions", {**decided("CBS/3"), "add": ["chat"]})
    _follow(plane)
    _advance(plane, 3, 15)
    suspension = {"authority": "ghent", "for": "30m", "reason": "storing bij een leverancier"}
    plane.done("POST", "/v1/suspensions", suspension)
    plane.done("PATCH", "/v1/authorities/ghent/bans/mind", {"mode": "monitor", "mode_reason": "meting"})
    _advance(plane, 3, 20)
    plane.done("POST", f"{LIST}/versions", {"remove": ["clips"], "reason": "besluit vernietigd"})
    _advance(plane, 4, 2)
    _count(plane)


def decided(reference: str) -> dict[str, Any]:
    """Return a formal decision with a term of a year."""
    decision = {"organ": "college", "reference": reference, "date": "2027-02-19", "legal_basis": "artikel 56"}
    return {"decision": decision, "terms": [{"for": "1 year"}]}


def _follow(plane: Plane) -> None:
    link = {"list": REFERENCE, "authority": "mechelen", "ground": "following"}
    number = plane.done("POST", "/v1/list-links", link)["number"]
    adopted = {"decision": {"organ": "college", "reference": "MEC/1", "legal_basis": "artikel 56"}}
    plane.done("POST", f"/v1/list-links/{number}/adopt", adopted)


def _count(plane: Plane) -> None:
    counts = {
        ("2027-03-05", "clips", "refused"): 50,
        ("2027-03-05", "mind", "refused"): 3,
        ("2027-03-12", "chat", "refused"): 7,
        ("2027-03-16", "mind", "monitored"): 100,
        ("2027-03-16", "shop", "monitored"): 80,
        ("2027-03-17", "shop", "monitored"): 20,
    }
    stored = {
        DayKey("ghent", day, service, "ghent", "own", result): queries
        for (day, service, result), queries in counts.items()
    }
    stored[DayKey("mechelen", "2027-03-16", "mind", "mechelen", "own", "refused")] = 11
    with plane.database.writing() as session:
        add(session, UsageDayRow, stored)


def _advance(plane: Plane, month: int, day: int) -> None:
    plane.clock.now = int(datetime(2027, month, day, 10, tzinfo=ZoneInfo("Europe/Brussels")).timestamp())
