"""Three authorities with objects of all kinds, and at least one request for every route."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from api.db.models import PasskeyRow
from tests.unit.api.catalogue.signed_files import signed, text_of, trust
from tests.unit.api.conftest import Plane, authority, ban
from tests.unit.api.notices.support import with_mail
from tests.unit.api.updates.proposals import update_of

OWN, BOUND, UNRELATED = "town", "zone", "village"
"""The authority in which roles are held, one bound to its ban, and an unrelated one."""
AUTHORITIES = (OWN, BOUND, UNRELATED)
SELF = "self"
"""Stands for the caller's own account. In a path, it is the account's number."""
NUMBER = {slug: number for number, slug in enumerate(AUTHORITIES, 1)}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and the authority that it concerns (none: the installation). `{self}` in its path is an account."""

    matter: frozenset[str]
    path: str
    json: Any = None
    content: str | None = None
    type: str = "application/toml"
    """The media type of the content."""
    unknown: bool = False
    """True if allowed callers get 404."""


@dataclass(frozen=True, slots=True)
class World:
    """The objects of requests, by number."""

    bystander: int
    bystanders_token: int
    accepted_by: Mapping[str, int]
    ended_by: Mapping[str | None, int]
    requested: Mapping[tuple[str, str], int]
    approved: Mapping[str, int]
    grants: Mapping[str | None, int]
    actors: Mapping[str, int]
    """Accounts that acted only in that authority."""
    waiting: Mapping[str, int]
    updates: Mapping[str, int]
    """Updates that are held back."""
    links: Mapping[str, Mapping[str | None, int]]
    """Links of lists, by ground and by the authority that ends or takes over what they bring."""
    fleets: Mapping[str, int]
    policy: str
    """A policy file with a change."""
    revision: int


def make_world(plane: Plane) -> World:
    """Make all objects, as the installation's administrator."""
    trust(plane)
    for slug, number in NUMBER.items():
        plane.done("PUT", f"/v1/authorities/{slug}", authority(public_register=True))
        plane.done("PUT", f"/v1/spaces/default/{_space(slug)}", {"authority": slug})
        four = (f"127.0.{number}.0/24", f"127.1.{number}.0/24")
        for prefix in (*four, f"2001:db8:{number}:1::/64", f"2001:db8:{number}:8::/64"):
            plane.done("PUT", f"/v1/ranges/default/{prefix}", _range(slug))
        plane.done("PUT", f"/v1/authorities/{slug}/bans/alpha", ban())
        planned = ban(terms=[{"start": "2027-01-01", "for": "6 months"}])
        for name in ("apps", "draft", "unlinked"):
            plane.done("PUT", f"/v1/authorities/{slug}/lists/{name}", {"services": ["beta"]})
        plane.done("POST", f"/v1/authorities/{slug}/lists/apps/adopt", planned)
        plane.done("PUT", f"/v1/authorities/{slug}/names/www.example.com", _REFUSE)
        plane.done("PUT", f"/v1/authorities/{slug}/services/games", _GAMES)
        # A service with a feed cannot be removed, so this is another one.
        plane.done("PUT", f"/v1/authorities/{slug}/services/fed", _GAMES)
        plane.done("PUT", f"/v1/authorities/{slug}/services/fed/feed", _FEED)
    for slug in ("empty", "hamlet"):
        plane.done("PUT", f"/v1/authorities/{slug}", authority())
    plane.done("PUT", "/v1/sites/depot", {"name": "depot"})
    plane.done("POST", "/v1/nodes", {"name": "office-1"})
    plane.done("POST", "/v1/webhooks", _WEBHOOK)
    plane.done("PUT", "/v1/peers/harbour", _PEER)
    with_mail(plane, 1, "network@example.org")
    bound = {OWN: BOUND, BOUND: OWN, UNRELATED: BOUND}
    agreements = {slug: _number(plane, "/v1/bindings", _binding(f"{slug}/alpha", to)) for slug, to in bound.items()}
    law = _number(plane, "/v1/bindings", {**_binding("town/alpha", UNRELATED), "ground": "law"})
    to_unrelated = _number(plane, "/v1/bindings", _binding("zone/alpha", UNRELATED))
    pairs = [(OWN, OWN), (BOUND, BOUND), (UNRELATED, UNRELATED), (OWN, BOUND), (BOUND, OWN)]
    other = plane.other()
    requested = {pair: _number(plane, "/v1/exemptions", _exemption(*pair), other) for pair in pairs}
    approved = {slug: _number(plane, "/v1/exemptions", _exemption(slug, slug, "approved")) for slug in AUTHORITIES}
    for number in approved.values():
        plane.done("POST", f"/v1/exemptions/{number}/approve", {}, token=other)
    bystander, _ = plane.account("bystander")
    tokens = plane.done("GET", f"/v1/accounts/{bystander}/tokens")["items"]
    add_passkey(plane, bystander)
    granted: list[tuple[str, str | None]] = [*(("operator", slug) for slug in AUTHORITIES), ("administrator", None)]
    grants = {slug: _number(plane, "/v1/grants", _grant(bystander, role, slug)) for role, slug in granted}
    actors = {slug: _actor(plane, slug) for slug in AUTHORITIES}
    _, asker = plane.account("asker", *(("operator", slug) for slug in AUTHORITIES))
    # The links come first: what a request would lift must not change while it waits.
    links = _make_links(plane)
    waiting = {slug: _asked_to_refuse_less(plane, slug, asker) for slug in AUTHORITIES}
    for slug in AUTHORITIES:
        number = update_of(plane, _OBJECTED, "play.example.net", slug=f"{slug}:fed").number
        plane.done("POST", f"/v1/updates/{number}/object", {"names": [_OBJECTED], "reason": "our own shop"})
    fleets = {slug: _number(plane, f"/v1/authorities/{slug}/fleets", _FLEET) for slug in AUTHORITIES}
    policy = plane.call("GET", "/v1/policy").text
    return World(
        bystander,
        tokens[0]["number"],
        {BOUND: agreements[OWN], OWN: agreements[BOUND], UNRELATED: to_unrelated},
        {OWN: agreements[OWN], BOUND: agreements[BOUND], UNRELATED: agreements[UNRELATED], None: law},
        requested,
        approved,
        grants,
        actors,
        waiting,
        {slug: update_of(plane, *_NEW_NAMES, slug=f"{slug}:games").number for slug in AUTHORITIES},
        links,
        fleets,
        f'{policy}\n[[site]]\nslug = "hall"\nname = "Hall"\n',
        plane.revision(),
    )


def _make_links(plane: Plane) -> Mapping[str, Mapping[str | None, int]]:
    to = {OWN: BOUND, BOUND: UNRELATED, UNRELATED: OWN}
    agreements: dict[str | None, int] = {
        slug: _number(plane, "/v1/list-links", _link(slug, other, "agreement")) for slug, other in to.items()
    }
    of = {OWN: BOUND, BOUND: UNRELATED, UNRELATED: OWN}
    following: dict[str | None, int] = {
        slug: _number(plane, "/v1/list-links", _link(other, slug, "following")) for slug, other in of.items()
    }
    law = _number(plane, "/v1/list-links", _link(OWN, "hamlet", "law"))
    by_bound: dict[str | None, int] = {bound: agreements[slug] for slug, bound in to.items()}
    # A follower that has adopted a list has bans to renew.
    for slug in AUTHORITIES:
        path = f"/v1/authorities/{slug}/lists/fed"
        plane.done("PUT", path, {"services": [f"{slug}:fed"]})
        plane.done("POST", f"{path}/adopt", ban())
    renewed: dict[str | None, int] = {
        slug: _number(plane, "/v1/list-links", {**_link(other, slug, "following"), "list": f"{other}/fed"})
        for slug, other in of.items()
    }
    for number in renewed.values():
        plane.done("POST", f"/v1/list-links/{number}/adopt", {"decision": ban()["decision"]})
    return {
        "agreement": agreements,
        "following": following,
        "law": {None: law},
        "bound": by_bound,
        "renewed": renewed,
    }


def _link(of: str, to: str, ground: str) -> dict[str, Any]:
    instrument = {} if ground == "following" else {"instrument": "act 1", "date": "2026-09-01"}
    return {"list": f"{of}/draft", "authority": to, "ground": ground, **instrument}


def add_passkey(plane: Plane, account: int) -> None:
    """Add a passkey, as a browser would."""
    row = PasskeyRow(account=account, label="phone", credential="AA", public_key="AA", seal="", uses=0, made_with=1)
    row.created_s = int(plane.clock())
    with plane.database.writing() as session:
        session.add(row)


def _asked_to_refuse_less(plane: Plane, slug: str, token: str) -> int:
    rules = f"/v1/authorities/{slug}/off-rules"
    plane.done("PATCH", rules, {"off_needs_approver": True})
    path = f"/v1/ranges/default/2001:db8:{NUMBER[slug]}:1::/64"
    number: int = plane.done("PATCH", path, {"audience": "public"}, token=token)["number"]
    plane.done("PATCH", rules, {"off_needs_approver": False})
    return number


def suspend(plane: Plane) -> dict[str | None, int]:
    """Suspend each authority, and all, for an hour, and begin a capture. Call this after everything else exists."""
    plane.done("POST", "/v1/captures", _CAPTURE)
    return {slug: _number(plane, "/v1/suspensions", _suspension(slug, "1h")) for slug in (*AUTHORITIES, None)}


def requests(world: World, suspensions: Mapping[str | None, int], now: str) -> dict[str, list[Asked]]:
    """Return the requests, by method and route template, about own, bound and unrelated authority if these differ."""
    each = AUTHORITIES
    found: dict[str, list[Asked]] = {}
    for template, (path, json) in {**_INSTALLATION, **_numbered(world)}.items():
        method = template.partition(" ")[0]
        content = world.policy if "/policy/" in path and method == "POST" else None
        found[template] = [Asked(frozenset(), path, json, content)]
    for template in ("GET /v1/accounts/{account}", "GET /v1/accounts/{account}/tokens"):
        found[template].append(_own(template.partition(" ")[2].replace("{account}", "{self}")))
    found["GET /v1/accounts/{account}"] += [
        Asked(frozenset({slug}), f"/v1/accounts/{number}") for slug, number in world.actors.items()
    ]
    found["POST /v1/accounts/{account}/tokens"].append(_own("/v1/accounts/{self}/tokens", _TOKEN))
    found["GET /v1/accounts/{account}/passkeys"].append(_own("/v1/accounts/{self}/passkeys"))
    found["DELETE /v1/accounts/{account}/tokens/{number}"].append(_own("/v1/accounts/{self}/tokens/{token}"))
    for template, (path, json) in _OF_AUTHORITY.items():
        found[template] = [Asked(frozenset({slug}), path.format(slug=slug, n=NUMBER[slug]), json) for slug in each]
    for template in ("GET /v1/decision", "GET /v1/who", "GET /v1/trace"):
        path = template.partition(" ")[2]
        found[template] = [Asked(frozenset({slug}), _question(path, f"127.0.{NUMBER[slug]}.9", now)) for slug in each]
        found[template].append(Asked(frozenset(), _question(path, "127.0.99.9", now)))
    found["POST /v1/usage/erase"] = [
        Asked(frozenset({slug}), "/v1/usage/erase", {"authority": slug, "to": "2026-01-01", "reason": "it is over"})
        for slug in each
    ]
    found["PUT /v1/ranges/{site}/{address}/{length}"] = [
        Asked(frozenset({slug}), f"/v1/ranges/default/2001:db8:{NUMBER[slug]}:2::/64", _range(slug)) for slug in each
    ]
    of_fleets = "/v1/authorities/{slug}/fleets"
    for end, json in (("", None), ("/rotate", {"overlap_days": 7}), ("/end", None)):
        found[f"{'POST' if end else 'GET'} {of_fleets}/{{number}}{end}"] = [
            Asked(frozenset({slug}), f"{of_fleets.format(slug=slug)}/{world.fleets[slug]}{end}", json) for slug in each
        ]
    found["GET /v1/ranges/imports/{key}"] = [Asked(frozenset(), "/v1/ranges/imports/monday", unknown=True)]
    found |= _bindings(world) | _exemptions(world) | _requests(world) | _updates(world) | _links(world)
    found["POST /v1/ranges/import"] = [
        Asked(frozenset({slug}), "/v1/ranges/import", content=_table(slug), type="text/csv") for slug in each
    ]
    found["POST /v1/grants"] = [
        Asked(frozenset({slug}), "/v1/grants", _grant(world.bystander, "reader", slug)) for slug in each
    ] + [Asked(frozenset(), "/v1/grants", _grant(world.bystander, "auditor", None))]
    found["GET /v1/grants/{number}"] = [
        Asked(_matter(slug), f"/v1/grants/{number}") for slug, number in world.grants.items()
    ]
    found["POST /v1/grants/{number}/end"] = [
        Asked(_matter(slug), f"/v1/grants/{number}/end", {"reason": "it is over"})
        for slug, number in world.grants.items()
    ]
    return found | _suspensions(suspensions)


def _bindings(world: World) -> dict[str, list[Asked]]:
    law = {**_binding("town/beta", BOUND), "ground": "law"}
    base, over = "/v1/bindings", {"reason": "it is over"}
    accepted, ended = world.accepted_by.items(), world.ended_by.items()
    return {
        f"POST {base}": [
            Asked(frozenset({OWN}), base, _binding("town/beta", BOUND)),
            Asked(frozenset({BOUND}), base, _binding("zone/beta", OWN)),
            Asked(frozenset({UNRELATED}), base, _binding("village/beta", OWN)),
            Asked(frozenset(), base, law),
        ],
        f"PATCH {base}/{{number}}": [
            Asked(_matter(slug), f"{base}/{n}", {"new_names_at_once": slug is None}) for slug, n in ended
        ],
        f"POST {base}/{{number}}/accept": [Asked(_matter(slug), f"{base}/{n}/accept") for slug, n in accepted],
        f"POST {base}/{{number}}/withdraw": [
            Asked(_matter(slug), f"{base}/{n}/withdraw", over) for slug, n in accepted
        ],
        f"POST {base}/{{number}}/end": [Asked(_matter(slug), f"{base}/{n}/end", over) for slug, n in ended],
    }


def _links(world: World) -> dict[str, list[Asked]]:
    base, over, links = "/v1/list-links", {"reason": "it is over"}, world.links
    ended = {**links["agreement"], **links["law"]}.items()
    return {
        f"GET {base}": [Asked(frozenset(), base)],
        f"GET {base}/{{number}}": [Asked(frozenset(), f"{base}/1")],
        f"POST {base}": [
            Asked(frozenset({OWN}), base, _link(OWN, "empty", "agreement")),
            Asked(frozenset({BOUND}), base, _link(BOUND, "empty", "agreement")),
            Asked(frozenset({UNRELATED}), base, _link(UNRELATED, "empty", "agreement")),
            Asked(frozenset(), base, _link(BOUND, "hamlet", "law")),
        ],
        f"PATCH {base}/{{number}}": [
            Asked(_matter(slug), f"{base}/{n}", {"new_names_at_once": slug is None}) for slug, n in ended
        ],
        f"POST {base}/{{number}}/accept": [
            Asked(_matter(slug), f"{base}/{n}/accept") for slug, n in links["bound"].items()
        ],
        f"POST {base}/{{number}}/adopt": [
            Asked(_matter(slug), f"{base}/{n}/adopt", {"decision": ban()["decision"]})
            for slug, n in links["following"].items()
        ],
        f"POST {base}/{{number}}/renew": [
            Asked(_matter(slug), f"{base}/{n}/renew", {"for": "1 year", "decision": {"reference": "R-9"}})
            for slug, n in links["renewed"].items()
        ],
        f"POST {base}/{{number}}/withdraw": [
            Asked(_matter(slug), f"{base}/{n}/withdraw", over) for slug, n in links["bound"].items()
        ],
        f"POST {base}/{{number}}/end": [Asked(_matter(slug), f"{base}/{n}/end", over) for slug, n in ended],
    }


def _exemptions(world: World) -> dict[str, list[Asked]]:
    base, why = "/v1/exemptions", {"reason": "it is over"}
    requested = world.requested.items()
    return {
        f"GET {base}/{{number}}": [Asked(frozenset(pair), f"{base}/{n}") for pair, n in requested],
        f"POST {base}": [Asked(frozenset({pair[1]}), base, _exemption(*pair, "another")) for pair, _ in requested],
        f"POST {base}/{{number}}/approve": [Asked(frozenset({of}), f"{base}/{n}/approve") for (of, _), n in requested],
        f"POST {base}/{{number}}/reject": [
            Asked(frozenset({of}), f"{base}/{n}/reject", why) for (of, _), n in requested
        ],
        f"POST {base}/{{number}}/revoke": [
            Asked(frozenset({of}), f"{base}/{n}/revoke", why) for of, n in world.approved.items()
        ],
        f"POST {base}/{{number}}/withdraw": [
            Asked(frozenset({owner}), f"{base}/{n}/withdraw", why) for (_, owner), n in requested
        ],
    }


def _requests(world: World) -> dict[str, list[Asked]]:
    base, waiting, why = "/v1/requests", world.waiting.items(), {"reason": "it is over"}
    return {
        f"GET {base}": [Asked(frozenset(), base)],
        f"GET {base}/{{number}}": [Asked(frozenset({slug}), f"{base}/{n}") for slug, n in waiting],
        f"POST {base}/{{number}}/approve": [Asked(frozenset({slug}), f"{base}/{n}/approve") for slug, n in waiting],
        f"POST {base}/{{number}}/reject": [Asked(frozenset({slug}), f"{base}/{n}/reject", why) for slug, n in waiting],
        f"POST {base}/{{number}}/withdraw": [
            Asked(frozenset({slug}), f"{base}/{n}/withdraw", why) for slug, n in waiting
        ],
    }


def _updates(world: World) -> dict[str, list[Asked]]:
    base, numbers, why = "/v1/updates", world.updates.items(), {"reason": "it is wrong"}
    object_to = {**why, "names": [_NEW_NAMES[-1]]}
    objections = "/v1/objections"
    return {
        f"GET {base}": [Asked(frozenset(), base)],
        f"GET {objections}": [Asked(frozenset(), objections)],
        f"POST {objections}/{{service}}/{{name}}/withdraw": [
            Asked(frozenset({slug}), f"{objections}/{slug}:fed/{_OBJECTED}/withdraw", why) for slug in AUTHORITIES
        ],
        **{
            f"{method} {base}/{{number}}{act}": [
                Asked(frozenset({slug}), f"{base}/{number}{act}", body) for slug, number in numbers
            ]
            for method, act, body in (
                ("GET", "", None),
                ("GET", "/names", None),
                ("POST", "/accept", {}),
                ("POST", "/reject", why),
                ("POST", "/object", object_to),
            )
        },
    }


def _suspensions(suspensions: Mapping[str | None, int]) -> dict[str, list[Asked]]:
    base, held = "/v1/suspensions", suspensions.items()
    return {
        f"GET {base}": [Asked(frozenset(), base)],
        f"GET {base}/local": [Asked(frozenset(), f"{base}/local")],
        f"GET {base}/{{number}}": [Asked(frozenset(), f"{base}/1")],
        f"POST {base}": [Asked(_matter(slug), base, _suspension(slug, "2h")) for slug, _ in held],
        f"POST {base}/{{number}}/end": [
            Asked(_matter(slug), f"{base}/{n}/end", {"reason": "it is over"}) for slug, n in held
        ],
    }


_TOKEN = {"label": "another", "for": "1 day"}
_PEER = {"url": "https://dns.example.org/v1/register/harbour", "key": "a" * 64}
_WEBHOOK = {"url": "https://events.example.org/dnsfilter"}
_CATALOGUE = {"file": signed(1000, {"zeta": text_of("zeta", {1: ["zeta.example"]})}).decode()}
_OBJECTED = "shop.example.net"
_NEW_NAMES = ("games.example.net", "akamaiedge.net")
_FED = "/v1/authorities/{slug}/services/{service}/feed"
_FEED = {"source": "https://lists.example.org/games.txt"}
_GAMES = {"name": "Games", "domains": ["games.example.net"]}
_CAPTURE = {"authority": OWN, "prefix": "127.0.1.0/24", "for": "1h", "reason": "a fault"}
_INSTALLATION: dict[str, tuple[str, Any]] = {
    "GET /healthz": ("/healthz", None),
    "GET /readyz": ("/readyz", None),
    "GET /version": ("/version", None),
    "GET /openapi.json": ("/openapi.json", None),
    "GET /problems/{kind}": ("/problems/stale", None),
    "GET /docs": ("/docs", None),
    "GET /docs/page.js": ("/docs/page.js", None),
    "GET /docs/page.css": ("/docs/page.css", None),
    "GET /help": ("/help", None),
    "GET /v1/register": ("/v1/register", None),
    "GET /v1/register/{slug}": ("/v1/register/town", None),
    "GET /help/{page:path}": ("/help/index.html", None),
    "GET /v1/authorities": ("/v1/authorities", None),
    "PUT /v1/authorities/{slug}": ("/v1/authorities/new", authority()),
    "PATCH /v1/authorities/{slug}": ("/v1/authorities/town", {"group": "coast"}),
    "DELETE /v1/authorities/{slug}": ("/v1/authorities/empty", None),
    "POST /v1/authorities/{slug}/close": ("/v1/authorities/town/close", {"reason": "it is no more"}),
    "POST /v1/authorities/{slug}/merge": (
        "/v1/authorities/hamlet/merge",
        {"into": "empty", "reason": "they are one", "decision": {"legal_basis": "decree 2", "reference": "C-2"}},
    ),
    "GET /v1/sites": ("/v1/sites", None),
    "GET /v1/sites/{site}": ("/v1/sites/depot", None),
    "PUT /v1/sites/{site}": ("/v1/sites/hall", {"name": "hall"}),
    "DELETE /v1/sites/{site}": ("/v1/sites/depot", None),
    "GET /v1/spaces": ("/v1/spaces", None),
    "PUT /v1/spaces/{site}/{address}/{length}": ("/v1/spaces/default/2001:db8:1:9::/64", {"authority": OWN}),
    "DELETE /v1/spaces/{site}/{address}/{length}": ("/v1/spaces/default/2001:db8:1::/48", None),
    "GET /v1/ranges": ("/v1/ranges", None),
    "GET /v1/ranges/overlaps": ("/v1/ranges/overlaps", None),
    "GET /v1/spaces/gaps": ("/v1/spaces/gaps", None),
    "GET /v1/services": ("/v1/services", None),
    "GET /v1/services/{slug}": ("/v1/services/alpha", None),
    "GET /v1/services/{slug}/names": ("/v1/services/alpha/names", None),
    "GET /v1/catalogue": ("/v1/catalogue", None),
    "PUT /v1/catalogue": ("/v1/catalogue", _CATALOGUE),
    "GET /v1/bans": ("/v1/bans", None),
    "GET /v1/lists": ("/v1/lists", None),
    "GET /v1/names": ("/v1/names", None),
    "GET /v1/bindings": ("/v1/bindings", None),
    "GET /v1/bindings/{number}": ("/v1/bindings/1", None),
    "GET /v1/exemptions": ("/v1/exemptions", None),
    "GET /v1/policy": ("/v1/policy", None),
    "GET /v1/policy/json": ("/v1/policy/json", None),
    "POST /v1/policy/diff": ("/v1/policy/diff", None),
    "POST /v1/policy/apply": ("/v1/policy/apply", None),
    "GET /v1/revisions": ("/v1/revisions", None),
    "GET /v1/revisions/{number}": ("/v1/revisions/1", None),
    "GET /v1/revisions/{number}/nodes": ("/v1/revisions/1/nodes", None),
    "GET /v1/audit": ("/v1/audit", None),
    "GET /v1/attention": ("/v1/attention", None),
    "GET /v1/notices": ("/v1/notices", None),
    "GET /v1/audit/export": ("/v1/audit/export", None),
    "GET /v1/audit/checkpoints": ("/v1/audit/checkpoints", None),
    "POST /v1/audit/checkpoints": ("/v1/audit/checkpoints", None),
    "GET /v1/backup": ("/v1/backup", None),
    "GET /v1/archive": ("/v1/archive", None),
    "GET /v1/nodes": ("/v1/nodes", None),
    "POST /v1/nodes": ("/v1/nodes", {"name": "office-2"}),
    "GET /v1/nodes/{name}": ("/v1/nodes/office-1", None),
    "DELETE /v1/nodes/{name}": ("/v1/nodes/office-1", None),
    "POST /v1/nodes/{name}/enrolment": ("/v1/nodes/office-1/enrolment", None),
    "GET /v1/unregistered": ("/v1/unregistered", None),
    "POST /v1/notices/test": ("/v1/notices/test", {}),
    "GET /v1/peers": ("/v1/peers", None),
    "GET /v1/peers/{name}": ("/v1/peers/harbour", None),
    "GET /v1/peers/{name}/checkpoints": ("/v1/peers/harbour/checkpoints", None),
    "PUT /v1/peers/{name}": ("/v1/peers/harbour", {**_PEER, "key": "b" * 64}),
    "DELETE /v1/peers/{name}": ("/v1/peers/harbour", None),
    "GET /v1/webhooks": ("/v1/webhooks", None),
    "POST /v1/webhooks": ("/v1/webhooks", _WEBHOOK),
    "GET /v1/webhooks/{number}": ("/v1/webhooks/1", None),
    "DELETE /v1/webhooks/{number}": ("/v1/webhooks/1", None),
    "GET /v1/captures": ("/v1/captures", None),
    "POST /v1/captures": ("/v1/captures", {**_CAPTURE, "prefix": "127.0.2.0/24", "authority": BOUND}),
    "POST /v1/captures/{number}/end": ("/v1/captures/1/end", {"reason": "found it"}),
    "GET /v1/snapshot-key": ("/v1/snapshot-key", None),
    "POST /v1/nodes/enrol": ("/v1/nodes/enrol", {"version": "1"}),
    "GET /v1/nodes/self/snapshot": ("/v1/nodes/self/snapshot", None),
    "GET /v1/nodes/self/files/{sha256}": (f"/v1/nodes/self/files/{'0' * 64}", None),
    "POST /v1/nodes/self/report": ("/v1/nodes/self/report", {}),
    "GET /v1/self": ("/v1/self", None),
    "POST /v1/self/sign-in-links": ("/v1/self/sign-in-links", None),
    "GET /v1/accounts": ("/v1/accounts", None),
    "POST /v1/accounts": ("/v1/accounts", {"kind": "user", "login": "new", "name": "new"}),
    "GET /v1/grants": ("/v1/grants", None),
    "GET /v1/authentication-failures": ("/v1/authentication-failures", None),
    "POST /v1/ranges/{site}/{address}/{length}/move": (
        "/v1/ranges/default/2001:db8:1:1::/64/move",
        {"authority": AUTHORITIES[1]},
    ),
}
"""Requests that concern no authority, or everybody: one of each is enough."""
_REFUSE = {"verdict": "refuse", "reason": "phishing"}
_FLEET = {"label": "phones", "funding": "partly_public", "audience": "staff"}
_LIST = "/v1/authorities/{slug}/lists/{list_slug}"
_APPS, _DRAFT = (_LIST.replace("{list_slug}", name) for name in ("apps", "draft"))
_NAME = "/v1/authorities/{slug}/names/{name}"
_REFUSED, _OTHER = (_NAME.replace("{name}", name) for name in ("www.example.com", "www.example.net"))
_OF_AUTHORITY: dict[str, tuple[str, Any]] = {
    "GET /v1/authorities/{slug}/updates": ("/v1/authorities/{slug}/updates", None),
    "GET /v1/authorities/{slug}/names": ("/v1/authorities/{slug}/names", None),
    f"GET {_NAME}": (_REFUSED, None),
    f"PUT {_NAME}": (_OTHER, _REFUSE),
    f"DELETE {_NAME}": (_REFUSED, None),
    "GET /v1/authorities/{slug}/fleets": ("/v1/authorities/{slug}/fleets", None),
    "POST /v1/authorities/{slug}/fleets": ("/v1/authorities/{slug}/fleets", {**_FLEET, "label": "tablets"}),
    "GET /v1/authorities/{slug}/lists": ("/v1/authorities/{slug}/lists", None),
    f"GET {_LIST}": (_APPS, None),
    f"PUT {_LIST}": (_DRAFT, {"services": ["alpha"]}),
    f"DELETE {_LIST}": (_APPS.replace("apps", "unlinked"), None),
    f"PATCH {_LIST}": (_APPS, {"mode": "off"}),
    f"POST {_LIST}/adopt": (f"{_DRAFT}/adopt", ban()),
    f"POST {_LIST}/versions": (f"{_APPS}/versions", ban(add=["alpha"])),
    f"POST {_LIST}/terms": (f"{_APPS}/terms", {"for": "1 year", "decision": {"reference": "C-9"}}),
    f"POST {_LIST}/end": (f"{_APPS}/end", {"reason": "it is over"}),
    "GET /v1/authorities/{slug}": ("/v1/authorities/{slug}", None),
    "GET /v1/authorities/{slug}/onboarding": ("/v1/authorities/{slug}/onboarding", None),
    "PATCH /v1/authorities/{slug}/usage": ("/v1/authorities/{slug}/usage", {"usage": "range", "reason": "a study"}),
    "GET /v1/usage": ("/v1/usage?authority={slug}", None),
    "GET /v1/coverage": ("/v1/coverage?authority={slug}", None),
    "PUT /v1/authorities/{slug}/client-level": (
        "/v1/authorities/{slug}/client-level",
        {
            "purpose": "a study",
            "decision": "CBS/2026/1234",
            "legal_basis": "a decree",
            "consultation": "DPO/2026/17",
            "until": "2026-10-01",
        },
    ),
    "GET /v1/usage/clients": ("/v1/usage/clients?authority={slug}", None),
    "GET /v1/usage/bypass": ("/v1/usage/bypass?authority={slug}", None),
    "PATCH /v1/authorities/{slug}/off-rules": ("/v1/authorities/{slug}/off-rules", {"off_needs_reason": True}),
    "GET /v1/spaces/{site}/{address}/{length}": ("/v1/spaces/default/2001:db8:{n}::/48", None),
    "GET /v1/ranges/{site}/{address}/{length}": ("/v1/ranges/default/127.0.{n}.0/24", None),
    "PATCH /v1/ranges/{site}/{address}/{length}": ("/v1/ranges/default/2001:db8:{n}:1::/64", {"label": "hall"}),
    "DELETE /v1/ranges/{site}/{address}/{length}": ("/v1/ranges/default/2001:db8:{n}:1::/64", None),
    "GET /v1/authorities/{slug}/bans": ("/v1/authorities/{slug}/bans", None),
    "GET /v1/authorities/{slug}/bans/{service}": ("/v1/authorities/{slug}/bans/alpha", None),
    "GET /v1/authorities/{slug}/bans/{service}/reach": ("/v1/authorities/{slug}/bans/alpha/reach", None),
    "GET /v1/authorities/{slug}/services": ("/v1/authorities/{slug}/services", None),
    "GET /v1/authorities/{slug}/services/{service}": ("/v1/authorities/{slug}/services/games", None),
    "PUT /v1/authorities/{slug}/services/{service}": ("/v1/authorities/{slug}/services/games", _GAMES),
    "PATCH /v1/authorities/{slug}/services/{service}": (
        "/v1/authorities/{slug}/services/games",
        {"note": "asked"},
    ),
    "POST /v1/authorities/{slug}/services/{service}/import": (
        "/v1/authorities/{slug}/services/games/import",
        {"file": "games.example.org\n"},
    ),
    "POST /v1/authorities/{slug}/services/{service}/names": (
        "/v1/authorities/{slug}/services/games/names",
        {"add": ["play.example.net"]},
    ),
    "DELETE /v1/authorities/{slug}/services/{service}": ("/v1/authorities/{slug}/services/games", None),
    f"GET {_FED}": ("/v1/authorities/{slug}/services/fed/feed", None),
    f"PUT {_FED}": ("/v1/authorities/{slug}/services/fed/feed", {**_FEED, "every_hours": 6}),
    f"POST {_FED}/fetch": ("/v1/authorities/{slug}/services/fed/feed/fetch", None),
    f"DELETE {_FED}": ("/v1/authorities/{slug}/services/fed/feed", None),
    "GET /v1/authorities/{slug}/report": (
        "/v1/authorities/{slug}/report?list={slug}/apps&from=2026-09-20&to=2026-09-21",
        None,
    ),
    "GET /v1/authorities/{slug}/study": ("/v1/authorities/{slug}/study?from=2026-09-20&to=2026-09-21", None),
    "GET /v1/authorities/{slug}/bans/{service}/report": (
        "/v1/authorities/{slug}/bans/alpha/report?from=2026-09-20&to=2026-09-21",
        None,
    ),
    "PUT /v1/authorities/{slug}/bans/{service}": ("/v1/authorities/{slug}/bans/alpha", {"mode": "off"}),
    "PATCH /v1/authorities/{slug}/bans/{service}": ("/v1/authorities/{slug}/bans/alpha", {"mode": "off"}),
    "DELETE /v1/authorities/{slug}/bans/{service}": ("/v1/authorities/{slug}/bans/beta", None),
    "POST /v1/authorities/{slug}/bans/{service}/terms": (
        "/v1/authorities/{slug}/bans/alpha/terms",
        {"start": "2027-03-21", "for": "6 months", "decision": {"reference": "C-2"}},
    ),
    "POST /v1/authorities/{slug}/bans/{service}/end": (
        "/v1/authorities/{slug}/bans/alpha/end",
        {"reason": "it was lifted"},
    ),
}
"""Requests that concern the authority of the slug, or number, in the path."""


def _numbered(world: World) -> dict[str, tuple[str, Any]]:
    base = f"/v1/accounts/{world.bystander}"
    return {
        "POST /v1/revisions/{number}/rollback": (
            f"/v1/revisions/{world.revision}/rollback",
            {"reason": "it was better then"},
        ),
        "GET /v1/accounts/{account}": (base, None),
        "POST /v1/accounts/{account}/disable": (f"{base}/disable", None),
        "POST /v1/accounts/{account}/enable": (f"{base}/enable", None),
        "DELETE /v1/accounts/{account}/name": (f"{base}/name", None),
        "GET /v1/accounts/{account}/tokens": (f"{base}/tokens", None),
        "POST /v1/accounts/{account}/tokens": (f"{base}/tokens", _TOKEN),
        "POST /v1/accounts/{account}/sign-in-links": (f"{base}/sign-in-links", None),
        "GET /v1/accounts/{account}/passkeys": (f"{base}/passkeys", None),
        "DELETE /v1/accounts/{account}/passkeys/{number}": (f"{base}/passkeys/1", None),
        "DELETE /v1/accounts/{account}/tokens/{number}": (f"{base}/tokens/{world.bystanders_token}", None),
    }


def _actor(plane: Plane, slug: str) -> int:
    number, token = plane.account(f"actor-in-{slug}", ("operator", slug))
    plane.done("PATCH", f"/v1/authorities/{slug}/bans/beta", {"mode": "monitor"}, token=token)
    return number


def _own(path: str, json: Any = None) -> Asked:
    return Asked(frozenset({SELF}), path, json)


def _matter(slug: str | None) -> frozenset[str]:
    return frozenset() if slug is None else frozenset({slug})


def _space(slug: str) -> str:
    return f"2001:db8:{NUMBER[slug]}::/48"


def _range(slug: str) -> dict[str, str]:
    return {"authority": slug, "funding": "public", "audience": "staff"}


def _table(slug: str) -> str:
    return f"prefix,authority,funding,audience\n2001:db8:{NUMBER[slug]}:3::/64,{slug},public,staff\n"


def _question(path: str, client: str, now: str) -> str:
    if path == "/v1/who":
        return f"{path}?address={client}"
    question = f"{path}?client={client}&name=alpha1.example.org"
    return question if path == "/v1/decision" else f"{question}&at={now}"


def _binding(of: str, to: str) -> dict[str, str]:
    return {"ban": of, "authority": to, "ground": "agreement", "instrument": "letter 1", "date": "2026-09-01"}


def _exemption(of: str, owner: str, reason: str = "promotion") -> dict[str, Any]:
    prefix = f"127.0.{NUMBER[owner]}.0/24"
    return {"ban": f"{of}/alpha", "ranges": [prefix], "for": "30 days", "reason": reason}


def _suspension(slug: str | None, span: str) -> dict[str, Any]:
    return {"authority": slug, "for": span, "reason": "for a test"}


def _grant(account: int, role: str, authority_: str | None) -> dict[str, Any]:
    return {"account": account, "role": role, "authority": authority_, "reason": "for a test", "for": "1 year"}


def _number(plane: Plane, path: str, body: Any, token: str | None = None) -> int:
    return int(plane.done("POST", path, body, token=token)["number"])
