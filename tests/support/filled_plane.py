"""A control plane as after a year of many authorities: objects of all kinds that the console's pages list."""

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

from sqlalchemy import insert, select

from api.db.base import Base
from api.db.models import (
    AccountRow,
    BypassDayRow,
    CoverageDayRow,
    CoverageRow,
    GrantRow,
    NameRow,
    UsageDayRow,
)
from api.timestamps import timestamp_text
from dnsfilter.policy.model import DAY_S
from tests.bench.large import prefix_of
from tests.unit.api.conftest import Plane
from tests.unit.api.updates.proposals import proposed

RANGES = 3
"""Ranges of each authority."""
BATCH = 50_000
SITE = "default"
PAGES: Mapping[str, str] = {
    "/register": "/register",
    "/register/{rest:path}": "/register/{slug}",
    "/console": "/console",
    "/console/today/now": "/console/today/now",
    "/console/people": "/console/people",
    "/console/people/{account}": "/console/people/{account}",
    "/console/people/{account}/grants/{number}/end": "/console/people/{account}/grants/{grant}/end",
    "/console/styles": "/console/styles",
    "/console/why": "/console/why?client={client}&name=www.tiktok.com",
    "/console/exemptions/ask": "/console/exemptions/ask?authority={slug}",
    "/console/exemptions": "/console/exemptions",
    "/console/exemptions/{number}": "/console/exemptions/{number}",
    "/console/requests": "/console/requests",
    "/console/requests/{number}": "/console/requests/{number}",
    "/console/suspend": "/console/suspend",
    "/console/suspended": "/console/suspended",
    "/console/networks": "/console/networks",
    "/console/networks/unregistered": "/console/networks/unregistered",
    "/console/networks/new": "/console/networks/new",
    "/console/networks/{site}/{address}/{length}": "/console/networks/default/{prefix}",
    "/console/networks/import": "/console/networks/import",
    "/console/reports": "/console/reports?authority={slug}",
    "/console/reports/show": "/console/reports/show?authority={slug}&about=ban:tiktok&from={from}&to={to}",
    "/console/reports/file": "/console/reports/file?authority={slug}&about=ban:tiktok&from={from}&to={to}&format=md",
    "/console/reports/pictures": "/console/reports/pictures?authority={slug}",
    "/console/audit": "/console/audit",
    "/console/audit/export": "",
    "/console/bans": "/console/bans",
    "/console/bans/{slug}/{service}": "/console/bans/{slug}/tiktok",
    "/console/bans/{slug}/{service}/renew": "/console/bans/{slug}/tiktok/renew",
    "/console/bans/{slug}/{service}/end": "/console/bans/{slug}/tiktok/end",
    "/console/bans/{slug}/{service}/names": "/console/bans/{slug}/tiktok/names",
    "/console/bans/{slug}/{service}/change": "/console/bans/{slug}/tiktok/change",
    "/console/nodes": "/console/nodes",
    "/console/names": "/console/names",
    "/console/names/{slug}": "/console/names/{slug}",
    "/console/names/{slug}/{name}": "/console/names/{slug}/refused.example.org",
    "/console/adopt": "/console/adopt",
    "/console/lists": "/console/lists",
    "/console/lists/new": "/console/lists/new",
    "/console/lists/{slug}/{list_slug}": "/console/lists/{slug}/apps",
    "/console/lists/{slug}/{list_slug}/adopt": "/console/lists/{slug}/apps/adopt",
    "/console/public-register": "/console/public-register?authority={slug}",
    "/console/public-register/{slug}": "/console/public-register/{slug}",
    "/console/peers": "/console/peers",
    "/console/authorities": "/console/authorities",
    "/console/authorities/known": "/console/authorities/known?authority=body",
}
"""An address of each page with rows, by the path of its route. Empty: the answer is all there is."""


def slug_of(number: int) -> str:
    """Return the slug of an authority."""
    return f"body-{number:04}"


def page_of(path: str, plane: Plane, number: int) -> str:
    """Return the address of a page about an authority that acts."""
    today = datetime.fromtimestamp(plane.clock(), UTC).date()
    account, grant = _acting(plane, number)
    held = {
        "slug": slug_of(number),
        "account": account,
        "grant": grant,
        "number": number + 1,
        "prefix": _prefix(number, 1),
        "client": _prefix(number, 1).partition("/")[0],
        "from": str(today - timedelta(days=90)),
        "to": str(today - timedelta(days=1)),
    }
    return PAGES[path].format_map(held)


def _acting(plane: Plane, number: int) -> tuple[int, int]:
    """Return the account that has acted for an authority, and the number of its grant."""
    wanted = select(GrantRow.account, GrantRow.number).join(NameRow, NameRow.account == GrantRow.account)
    with plane.database.reading() as session:
        found = session.execute(wanted.where(NameRow.login == f"acting-{number}")).one()
    return found.account, found.number


def fill(plane: Plane, authorities: int, days: int, acting: int) -> None:
    """Let authorities join an empty control plane, with usage of this many days. The first `acting` of them act too.

    Everything that each of them has is in one policy file. What people and nodes add comes by requests.
    """
    _apply(plane, authorities)
    _join(plane, authorities)
    _count(plane, range(authorities), days)
    for number in range(acting):
        _act(plane, number)


def _apply(plane: Plane, authorities: int) -> None:
    text = "".join(map(_authority, range(authorities)))
    bound = "".join(_BOUND.format(of=slug_of(number - 1), to=slug_of(number)) for number in range(1, authorities))
    plane.done("POST", "/v1/policy/apply", content=(text + bound).encode(), headers=_toml(plane))


def _join(plane: Plane, authorities: int) -> None:
    """Add an account for each authority, which is its operator."""
    now_s = int(plane.clock())
    with plane.database.writing() as session:
        for number in range(authorities):
            account = AccountRow(kind="user", authority=slug_of(number), created_s=now_s, disabled_s=None, revision=0)
            session.add(account)
            session.flush()
            session.add(NameRow(account=account.id, login=f"desk-{number}", name=f"desk {number}"))
            held = {"account": account.id, "role": "operator", "authority": slug_of(number), "revision": 0}
            known = {"start_s": now_s, "recorded_s": now_s, "recorded_by": 0, "reason": "for a test"}
            session.add(GrantRow(**held, **known))


def _toml(plane: Plane) -> dict[str, str]:
    return {"Authorization": f"Bearer {plane.token}", "Content-Type": "application/toml"}


def _prefix(number: int, which: int) -> str:
    return prefix_of(1 + (number * RANGES + which) * 5 // 4)


def _authority(number: int) -> str:
    slug = slug_of(number)
    ranges = "".join(_RANGE.format(prefix=_prefix(number, which), slug=slug, which=which) for which in range(RANGES))
    return _AUTHORITY.format(slug=slug, number=number, prefix=_prefix(number, 2)) + ranges


def _count(plane: Plane, numbers: range, days: int) -> None:
    now_s = int(plane.clock())
    last = datetime.fromtimestamp(now_s, UTC).date()
    dates = [(last - timedelta(days=back)).isoformat() for back in range(days)]
    _insert(plane, UsageDayRow, _usage(numbers, dates))
    _insert(
        plane,
        BypassDayRow,
        (
            {"authority": slug_of(number), "day": day, "kind": kind, "queries": 7}
            for number in numbers
            for day in dates
            for kind in ("canary", "relay")
        ),
    )
    held = [(slug_of(number), _prefix(number, which)) for number in numbers for which in range(RANGES)]
    place = [{"authority": slug, "site": SITE, "prefix": prefix} for slug, prefix in held]
    _insert(plane, CoverageRow, ({**each, "last_asked_s": now_s - 60} for each in place))
    midnight, hours = now_s - now_s % DAY_S, [9] * 24
    _insert(
        plane,
        CoverageDayRow,
        ({**each, "day_s": midnight - back * DAY_S, "hours": hours} for each in place for back in range(days)),
    )


def _usage(numbers: range, dates: Iterable[str]) -> Iterator[dict[str, Any]]:
    for number in numbers:
        slug = slug_of(number)
        counted = (("tiktok", "refused"), ("tiktok", "exempted"), ("facebook", "refused"))
        for day in dates:
            for service, result in counted:
                ban = {"service": service, "ban_authority": slug, "ground": "own", "result": result}
                yield {"authority": slug, "day": day, "queries": 40, **ban}


def _insert(plane: Plane, kind: type[Base], rows: Iterable[dict[str, Any]]) -> None:
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        with plane.database.engine.begin() as connection:
            connection.execute(insert(kind), batch)


def _act(plane: Plane, number: int) -> None:
    """Let a node report, and people ask, object, suspend and wait for each other."""
    slug = slug_of(number)
    _report(plane, number)
    _, operator = plane.account(f"acting-{number}", ("operator", slug))
    exemption = {"ban": f"{slug}/tiktok", "ranges": [_prefix(number, 1)], "for": "30 days", "reason": "a fair"}
    plane.done("POST", "/v1/exemptions", exemption, token=operator)
    plane.done("POST", "/v1/suspensions", {"authority": slug, "for": "1 hour", "reason": "a fault"})
    rules = f"/v1/authorities/{slug}/off-rules"
    plane.done("PATCH", rules, {"off_needs_approver": True})
    plane.done("PATCH", f"/v1/authorities/{slug}/bans/tiktok", {"mode": "off", "for": "1 hour"}, token=operator)
    link = {"list": f"{slug}/apps", "authority": slug_of(0), "ground": "agreement", "instrument": "letter 1"}
    if number:
        plane.done("POST", "/v1/list-links", {**link, "date": "2026-09-01"})
    own = f"/v1/authorities/{slug}/services/games"
    plane.done("PUT", own, {"name": "Games", "domains": ["games.example.net"]})
    proposed(plane, "games.example.net", "play.example.net", "akamaiedge.net", slug=f"{slug}:games")


def _report(plane: Plane, number: int) -> None:
    """Enrol a node, and let it report what it has, and networks in no range."""
    name = f"node-{number}"
    invited = plane.done("POST", "/v1/nodes", {"name": name, "site": SITE})["enrolment_token"]
    token = plane.done("POST", "/v1/nodes/enrol", {"version": "1"}, token=invited)["token"]
    unregistered = [{"prefix": f"198.51.{number % 256}.0/24", "queries": 7, "seen_s_ago": 60}]
    report = {**json.loads(_REPORT), "clock": timestamp_text(int(plane.clock())), "unregistered": unregistered}
    plane.done("POST", "/v1/nodes/self/report", report, token=token)


_REPORT = """
{"revision": 1, "manifest": null, "age_s": 3, "version": "1", "engine": "compiled", "workers": 2, "uptime_s": 60,
 "load": {"queries_per_second": 900, "cpu_percent": 3, "memory_bytes": 1000000, "cache_entries": 900}}
"""
_TERM = 'start = "today"\nfor = "6 months"\n'
_DECISION = '{{ organ = "council", reference = "EXAMPLE-{number}", legal_basis = "decree 1" }}'
_AUTHORITY = (
    """
[[authority]]
slug = "{slug}"
kind = "municipality"
names = {{ nl = "Stad {number}", fr = "Ville {number}" }}
languages = ["nl", "fr"]
time_zone = "Europe/Brussels"
contact = "ict@{slug}.example.org"
usage = "authority"
public_register = true

[[list]]
authority = "{slug}"
slug = "apps"

[[list.version]]
adds = ["wechat"]
decision = DECISION

[[list.version.term]]
TERM
[[name]]
authority = "{slug}"
name = "refused.example.org"
verdict = "refuse"
reason = "phishing"
TERM
[[name]]
authority = "{slug}"
name = "allowed.example.net"
verdict = "allow"
reason = "the museum needs it"
TERM
[[exemption]]
of = "{slug}"
service = "tiktok"
ranges = ["{prefix}"]
reason = "promotion"
TERM""".replace("DECISION", _DECISION).replace("TERM", _TERM)
    + "".join(
        f"""
[[ban]]
authority = "{{slug}}"
service = "{service}"
mode = "enforce"
decision = {_DECISION}

[[ban.term]]
{_TERM}"""
        for service in ("tiktok", "facebook", "wechat")
    )
)
_RANGE = """
[[range]]
prefix = "{prefix}"
authority = "{slug}"
label = "offices {which}"
funding = "public"
audience = "staff"
"""
_BOUND = f"""
[[binding]]
of = "{{of}}"
authority = "{{to}}"
service = "facebook"
ground = "law"
instrument = "act 1"
{_TERM}"""
