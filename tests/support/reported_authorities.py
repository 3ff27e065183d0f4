"""Half a year of Ghent's ban on TikTok and of Brussels City's study, by acts, and what was counted in it."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from api.db.models import BypassDayRow, UsageDayRow
from api.usage.repository import BypassKey, DayKey, add
from dnsfilter.policy.calendar import local_midnight
from tests.unit.api.conftest import Plane

FIRST, LAST = "2027-03-01", "2027-09-01"
END_S = local_midnight(date(2027, 9, 2), "Europe/Brussels")
DAYS = f"from={FIRST}&to={LAST}"
GHENT = f"/v1/authorities/ghent/bans/tiktok/report?{DAYS}"
STUDY = f"/v1/authorities/brussels-city/study?{DAYS}"
STUDIED = ("facebook", "instagram", "snapchat", "x")
ODD_REASON = 'Gentse Feesten: <b>promotie</b> | [veilig](https://elsewhere.example) & "kort" `nu`'
"""A reason with what HTML and Markdown give a meaning to."""
_AUTHORITIES = {
    "federal": ("federal", {"fr": "Autorité fédérale", "nl": "Federale overheid"}),
    "ghent": ("municipality", {"nl": "Stad Gent"}),
    "mechelen": ("municipality", {"nl": "Stad Mechelen"}),
    "brussels-city": ("municipality", {"fr": "Ville de Bruxelles", "nl": "Stad Brussel"}),
}
_RANGES = {
    "127.0.5.0/24": "ghent",
    "127.0.15.0/24": "ghent",
    "127.0.7.0/24": "mechelen",
    "127.0.2.0/24": "brussels-city",
}


def day_counts(authority: str, service: str) -> dict[DayKey, int]:
    """Return what was counted for an authority's clients on each day of the report. Weekends have few queries."""
    ban = {"mechelen": ("ghent", "agreement")}.get(authority, (authority, "own"))
    found = {}
    for number, day in enumerate(_days(), start=0):
        most = {"ghent": 600 - 2 * number, "mechelen": 9, "brussels-city": 1900}[authority]
        result = "monitored" if authority == "brussels-city" else "refused"
        queries = most * (17 + number * 7 % 23) // 40 // (1 if date.fromisoformat(day).weekday() < 5 else 25)
        found[DayKey(authority, day, service, *ban, result)] = queries
        if authority == "ghent" and day >= "2027-06-01":
            found[DayKey(authority, day, service, *ban, "exempted")] = number % 11
        # Another authority's ban on the same service is not part of the report.
        found[DayKey(authority, day, service, "federal", "law", "refused")] = 1_000_000
    return found


def count_half_a_year(plane: Plane) -> None:
    """Store what was counted in the report's time."""
    counted = {"ghent": ("tiktok",), "mechelen": ("tiktok",), "brussels-city": STUDIED}
    most = {"canary": 60, "relay": 9, "encrypted_dns": 25}
    with plane.database.writing() as session:
        for authority, services in counted.items():
            for service in services:
                add(session, UsageDayRow, day_counts(authority, service))
            attempts = {
                BypassKey(authority, day, kind): top * (number * 5 % 13) // 13
                for number, day in enumerate(_days())
                for kind, top in most.items()
            }
            add(session, BypassDayRow, attempts)


def live_half_a_year(plane: Plane) -> None:
    """Let the authorities act. Afterwards the clock stands after the last day of the report."""
    _advance(plane, 2, 20)
    for slug, (kind, names) in _AUTHORITIES.items():
        body = {"kind": kind, "names": names, "languages": list(names), "contact": f"ict@{slug}.example"}
        plane.done("PUT", f"/v1/authorities/{slug}", body)
    for prefix, slug in _RANGES.items():
        body = {"authority": slug, "label": "offices", "funding": "public", "audience": "staff"}
        plane.done("PUT", f"/v1/ranges/default/{prefix}", body)
    _study(plane)
    operator, _ = plane.account("ict-ghent", ("operator", "ghent"), kind="user")
    approver, _ = plane.account("approval-ghent", ("approver", "ghent"), kind="user")
    followed = {"decision": _decision("FED/1", "2027-02-10"), "terms": [{"start": "2027-02-20", "for": "6 months"}]}
    plane.done("PUT", "/v1/authorities/federal/bans/tiktok", followed)
    _adopt_and_switch(plane, operator)
    _bind_and_suspend(plane, operator)
    _renew_and_exempt(plane, operator, approver)
    _advance(plane, 9, 2)
    count_half_a_year(plane)


def token(plane: Plane, account: int) -> str:
    """Return a new token of an account."""
    made: str = plane.done("POST", f"/v1/accounts/{account}/tokens", {"label": "test", "for": "2 days"})["token"]
    return made


def _adopt_and_switch(plane: Plane, operator: int) -> None:
    ban = "/v1/authorities/ghent/bans/tiktok"
    _advance(plane, 2, 27, 17)
    decision = {**_decision("CBS/2027/118", "2027-02-26"), "advice": "Nationale Veiligheidsraad"}
    decision |= {"link": "https://www.ghent.example/118", "follows": "federal/tiktok"}
    body = {"decision": decision, "terms": [{"start": "2027-03-01", "until": "2027-05-31"}]}
    plane.done("PUT", ban, body, token=token(plane, operator))
    _advance(plane, 3, 17, 18)
    off = {"mode": "off", "for": "8 hours", "mode_reason": "verkiezingsavond"}
    plane.done("PATCH", ban, off, token=token(plane, operator))
    _advance(plane, 5, 3)
    monitor = {"mode": "monitor", "mode_reason": "meting op vraag van de gemeenteraad"}
    plane.done("PATCH", ban, monitor, token=token(plane, operator))
    _advance(plane, 5, 10)
    plane.done("PATCH", ban, {"mode": "enforce", "mode_reason": "meting beëindigd"}, token=token(plane, operator))


def _bind_and_suspend(plane: Plane, operator: int) -> None:
    _advance(plane, 5, 12)
    agreement = {"ban": "ghent/tiktok", "authority": "mechelen", "ground": "agreement"}
    agreement |= {"instrument": "overeenkomst 2026/7", "date": "2026-11-04"}
    number = plane.done("POST", "/v1/bindings", agreement, token=token(plane, operator))["number"]
    plane.done("POST", f"/v1/bindings/{number}/accept", {})
    _advance(plane, 5, 14)
    suspension = {"authority": "ghent", "for": "45m", "reason": "storing bij een leverancier"}
    plane.done("POST", "/v1/suspensions", suspension, token=token(plane, operator))


def _renew_and_exempt(plane: Plane, operator: int, approver: int) -> None:
    _advance(plane, 5, 20)
    renewal = {"until": "2027-11-30", "decision": _decision("CBS/2027/402", "2027-05-19")}
    plane.done("POST", "/v1/authorities/ghent/bans/tiktok/terms", renewal, token=token(plane, operator))
    _advance(plane, 5, 27)
    exemption = {"ban": "ghent/tiktok", "ranges": ["127.0.15.0/24"], "start": "2027-06-01", "until": "2027-08-31"}
    exemption |= {"hours": ["Mon-Fri 09:00-12:00"], "reason": ODD_REASON}
    number = plane.done("POST", "/v1/exemptions", exemption, token=token(plane, operator))["number"]
    plane.done("POST", f"/v1/exemptions/{number}/approve", {"note": "alleen Toerisme"}, token=token(plane, approver))


def _study(plane: Plane) -> None:
    for service in STUDIED:
        terms = [{"start": "2027-02-20", "review_by": "2027-12-31"}]
        body = {"mode": "monitor", "decision": _decision("BXL/2", "2027-02-12"), "terms": terms}
        plane.done("PUT", f"/v1/authorities/brussels-city/bans/{service}", body)
    enforced = {"decision": _decision("BXL/1", "2027-02-12"), "terms": [{"start": "2027-02-20", "for": "1 year"}]}
    plane.done("PUT", "/v1/authorities/brussels-city/bans/tiktok", enforced)


def _decision(reference: str, day: str) -> dict[str, object]:
    return {
        "organ": "college",
        "reference": reference,
        "date": day,
        "legal_basis": "decreet lokaal bestuur, artikel 56",
    }


def _advance(plane: Plane, month: int, day: int, hour: int = 10) -> None:
    plane.clock.now = int(datetime(2027, month, day, hour, tzinfo=ZoneInfo("Europe/Brussels")).timestamp())


def _days() -> list[str]:
    first, last = date.fromisoformat(FIRST), date.fromisoformat(LAST)
    return [(first + timedelta(days=number)).isoformat() for number in range((last - first).days + 1)]
