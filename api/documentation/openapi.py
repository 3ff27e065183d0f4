"""The API's OpenAPI 3.1 description: FastAPI's description of the routes, completed with what all routes share."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from fastapi.dependencies.models import Dependant
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel

from api.auth.roles import RoleScope
from api.documentation.fields import describe_fields
from api.documentation.webhooks import webhooks
from api.http import idempotency, problems
from api.http.dependencies import permit, precondition, unit_of_work
from api.http.entity_tags import MAX_TAGS
from api.http.file_bodies import FileBody
from api.http.patterns import PORTABLE
from api.http.problems import KINDS, MEDIA_TYPE, Kind
from api.http.routes import Route
from api.nodes.node_permits import enrolled_node, enrolling_token
from dnsfilter import __version__

TITLE = "dnsfilter"
SUMMARY = "Which services are banned on whose networks, by whose decision, and for how long"
TEXT = """\
The control plane of **dnsfilter** holds the policy, records every act, and publishes snapshots that nodes read.

- **Token.** Everything under `/v1` except `/v1/register` needs `Authorization: Bearer TOKEN`. Roles are held in an
  authority (`reader`, `operator`, `approver`) or in the installation (`backup`, `auditor`, `administrator`).
- **Errors** are `application/problem+json` (RFC 9457) with a stable `type`, which is an address that explains it. Any
  request can also be answered with 405 (`Allow` lists the methods), and invalid HTTP with 400.
- **`X-Request-ID`** of every answer is in the log and in the audit entries of that request. An id that a client sends
  is ignored.
- **Entity tags.** With `If-Match` and the `ETag` that was read, an act is answered with 412 if the object has changed.
  The `ETag` of that answer has its new revision. `If-None-Match: *` only creates. A `GET` with a tag that is still
  current is answered with 304. `HEAD` is possible where `GET` is.
- **Keys.** An act with an `Idempotency-Key` is done once. Within a day, the same request of the same account with the
  same key gets the first answer again, with `Idempotency-Replayed: true`. If the roles have changed, it gets 422.
- **Unknown names and parameters** get 422, in the path 404. The answer names a similar one: `Did you mean "ghent"?`
- **Pages.** Give `next` of a list as `cursor` to get the next page, with the same filters and the same `sort`.
- **Times** in answers are RFC 3339 in UTC. Requests may also give a date, or a time without a zone. Both are in the
  time zone of the authority concerned, else in Europe/Brussels. A date means its local midnight, as `until` the last
  day.
"""
TAGS: Mapping[str, str] = {
    "system": "Health, readiness, version and this description. No token is needed.",
    "authorities": "Public authorities. Administrators register them.",
    "sites": "Networks with their own address plan. A node serves one site.",
    "spaces": "Prefixes inside which an authority's operators register ranges.",
    "ranges": "Prefixes registered to one authority, with who paid for the devices there and who uses them.",
    "fleets": "Ranges of devices outside the office, which ask by a name over DoT or DoH.",
    "services": "Services and their names: the catalogue, and what authorities define for themselves.",
    "catalogue": "Which catalogue is in force, and loading a signed one between releases.",
    "bans": "An authority's decision on a service: mode, terms, the formal decision. Begun terms are not rewritten.",
    "requests": "Acts after which less is refused, if they need a second person: one asks, another approves.",
    "register": "Bans in force of the authorities that publish them. No token is needed.",
    "report": "What a ban did in a time, and what it rests on; the study of services that are only monitored.",
    "bindings": "A ban that also applies in another authority, by law or by an agreement that it accepts.",
    "lists": "A formal decision about many services: a named list in versions, and the bans that it adopts.",
    "exemptions": "A time in which a ban does not apply in named ranges: one person asks, another approves.",
    "names": "One name that an authority refuses or allows by itself, at once and for a time.",
    "updates": "New names of services: held back until somebody decides, or pending before they are refused.",
    "suspensions": "Times in which nothing is refused for an authority, or for all. They end by themselves.",
    "decision": "What a node answers a client now or answered at another time, and why.",
    "policy": "The complete policy as one file.",
    "revisions": "The changes of each revision of the policy, and rolling back.",
    "usage": "What was counted for an authority's clients, without their addresses: by day, and by hour and range.",
    "audit": "The audit log: acts in a hash chain that only grows, signed checkpoints, and the export.",
    "nodes": "Machines that answer queries: registration, enrolment, signed snapshots, reports.",
    "attention": "What ends, waits or is behind, so that a person has to look at it.",
    "notices": "Mail to authorities, and its delivery.",
    "captures": "Queries of a range that nodes record for a fault, for an hour at most.",
    "events": "Acts and notices for other systems: webhooks, with signed requests and retries.",
    "installation": "Backups and archives of the installation.",
    "accounts": "People and programs, their tokens and roles, and authentication failures.",
}
WITH_BODY = (problems.TIMEOUT, problems.TOO_LARGE, problems.MEDIA)
_WAITS = {
    "description": "The act needs a second person, and waits as a request.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/RequestRead"}}},
}
_PROBLEM = {"$ref": "#/components/schemas/ProblemRead"}
_ACTS = ("post", "put", "patch", "delete")


def described(routes: Iterable[APIRoute]) -> dict[str, Any]:
    """Return the description of these routes."""
    shown = [route for route in routes if route.include_in_schema]
    found: dict[str, Any] = get_openapi(
        title=TITLE,
        version=__version__,
        summary=SUMMARY,
        description=TEXT,
        routes=shown,
        webhooks=webhooks.routes,
        openapi_version="3.1.0",
        tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        servers=[{"url": "/", "description": "this control plane"}],
        contact={"name": "The administrators of this control plane"},
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    )
    examples = load_examples()
    first = {example["operation"]: example for example in reversed(examples)}
    for route in shown:
        for method in route.methods or ():
            operation = found["paths"][route.path_format][method.lower()]
            _describe_file(found["components"]["schemas"], operation, route)
            _complete(operation, route, method.lower())
            if route.operation_id in first:
                _exemplify(operation, route, first[route.operation_id])
    describe_fields(found)
    _make_portable(found)
    found["components"]["schemas"] = dict(sorted(found["components"]["schemas"].items()))
    found["components"]["examples"] = _answers(found, {route.operation_id: route for route in shown}, examples)
    _share(found)
    found["components"]["headers"] = _HEADERS
    found["components"]["parameters"] = _PARAMETERS
    return found


def _make_portable(part: Any) -> None:
    """Replace patterns that not every library of regular expressions can read."""
    if isinstance(part, dict):
        pattern = part.get("pattern")
        if isinstance(pattern, str) and pattern in PORTABLE:
            part["pattern"] = PORTABLE[pattern]
    for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        _make_portable(inner)


def load_examples() -> list[dict[str, Any]]:
    """Return consecutive requests and answers. The first one of each operation is its example."""
    text = files("api.documentation").joinpath("examples.json").read_text(encoding="utf-8")
    found: list[dict[str, Any]] = json.loads(text)
    return found


def tagged(route: APIRoute) -> bool:
    """Return whether a route answers one object with its entity tag: it or a dependency takes the response to tag."""
    takes_response = any(each.response_param_name is not None for each in _needed(route.dependant))
    return takes_response and unit_of_work in _calls(route.dependant)


def _needed(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for needed in dependant.dependencies:
        yield from _needed(needed)


def _calls(dependant: Dependant) -> Iterator[Any]:
    return (each.call for each in _needed(dependant))


def _describe_file(schemas: dict[str, Any], operation: dict[str, Any], route: APIRoute) -> None:
    """Add the body of a route with a `FileBody`, and the models of its JSON."""
    for body in (call for call in _calls(route.dependant) if isinstance(call, FileBody)):
        operation["requestBody"] = body.described(lambda model: _schema(schemas, model))


def _schema(schemas: dict[str, Any], model: type[BaseModel]) -> dict[str, str]:
    found = model.model_json_schema(ref_template="#/components/schemas/{model}")
    for name, schema in ({model.__name__: found} | found.pop("$defs", {})).items():
        schemas.setdefault(name, schema)
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _complete(operation: dict[str, Any], route: APIRoute, method: str) -> None:
    """Add the parameters, headers and errors that come from middleware and dependencies."""
    responses = operation["responses"]
    if isinstance(route, Route) and route.may_wait:
        responses["202"] = _WAITS
    for response in responses.values():
        # FastAPI gives all answers of a route one media type, but problems have their own.
        if any(content.get("schema") == _PROBLEM for content in response.get("content", {}).values()):
            response["content"] = {MEDIA_TYPE: {"schema": _PROBLEM}}
    if isinstance(route, Route) and route.rule.where is RoleScope.OPEN:
        operation["security"] = []
    calls = set(_calls(route.dependant))
    act = method in _ACTS and unit_of_work in calls
    _also(responses, problems.OVERLOADED)
    _also(responses, problems.INVALID)
    if calls & {permit, enrolled_node, enrolling_token}:
        _also(responses, problems.DATABASE)
    if "requestBody" in operation:
        for kind in WITH_BODY:
            _also(responses, kind)
    if precondition in calls:
        names = ("IfMatch", "IfNoneMatchAny") if method == "put" else ("IfMatch",)
        parameters = operation.setdefault("parameters", [])
        parameters += ({"$ref": f"#/components/parameters/{name}"} for name in names)
        _also(responses, problems.STALE)
    if act:
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IdempotencyKey"})
        _also(responses, problems.CONFLICT)
    if tagged(route) and method == "get":
        operation.setdefault("parameters", []).append({"$ref": "#/components/parameters/IfNoneMatch"})
        responses["304"] = {"description": "the tag in If-None-Match is still current"}
    operation["responses"] = {status: responses[status] for status in sorted(responses)}
    for status, response in responses.items():
        response["headers"] = dict(_headers(status, created=method == "post", act=act, tag=tagged(route)))
        if route.operation_id == "get_own_snapshot" and status in ("200", "304"):
            response["headers"]["ETag"] = _SNAPSHOT_TAG


def _share(found: dict[str, Any]) -> None:
    """Move problems into components: most operations share them."""
    slugs = {kind.title: kind.slug for kind in KINDS.values()}
    shared: dict[str, Any] = {}
    for item in found["paths"].values():
        for operation in item.values():
            for status, response in operation["responses"].items():
                if status < "400" or list(response["content"]) != [MEDIA_TYPE]:
                    continue
                name = ".".join(sorted(slugs[title] for title in response["description"].split("; ")))
                shared[name] = response
                operation["responses"][status] = {"$ref": f"#/components/responses/{name}"}
    found["components"]["responses"] = dict(sorted(shared.items()))


def _also(responses: dict[str, Any], kind: Kind) -> None:
    """Document a problem, in addition to other ones with the same status."""
    response = responses.setdefault(str(kind.status), {"description": ""})
    titles = response["description"].split("; ") if response["description"] else []
    response["description"] = "; ".join(sorted({*titles, kind.title}))
    response.setdefault("content", {})[MEDIA_TYPE] = {"schema": _PROBLEM}


def _headers(status: str, *, created: bool, act: bool, tag: bool) -> Iterator[tuple[str, Any]]:
    names = ["X-Request-ID"]
    if tag and status in ("200", "201", "304"):
        names.append("ETag")
    if created and tag and status == "201":
        names.append("Location")
    if act and status < "300":
        names.append(idempotency.REPLAYED)
    names += {"401": ["WWW-Authenticate"], "429": ["Retry-After"], "503": ["Retry-After"]}.get(status, [])
    for name in names:
        yield name, {"$ref": f"#/components/headers/{name}"}
    if status == "412":
        yield "ETag", {"$ref": "#/components/headers/ChangedETag"}


def _exemplify(operation: dict[str, Any], route: APIRoute, example: Mapping[str, Any]) -> None:
    address = urlsplit(example["path"])
    matched = route.path_regex.match(address.path)
    given = {**dict(parse_qsl(address.query)), **(matched.groupdict() if matched else {})}
    for parameter in operation.get("parameters", []):
        if parameter.get("name") in given:
            value = given[parameter["name"]]
            is_text = parameter["schema"].get("type") not in ("boolean", "integer")
            parameter["example"] = value if is_text else json.loads(value)
    contents = operation.get("requestBody", {}).get("content", {})
    for name, content in contents.items():
        content["example"] = example["body" if name == "application/json" else "text"]


def _answers(
    found: dict[str, Any], by_id: Mapping[str | None, APIRoute], examples: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return an example for each answer schema. Make the answers with that schema refer to it."""
    answers: dict[str, Any] = {}
    for example in examples:
        route = by_id.get(example["operation"])
        if route is None or "answer" not in example:
            continue
        for method in route.methods or ():
            for name in _shapes(found["paths"][route.path_format][method.lower()], ("200", "201")):
                answers.setdefault(name, {"value": example["answer"]})
    for item in found["paths"].values():
        for operation in item.values():
            for name, content in _shapes(operation, operation["responses"]).items():
                if name in answers:
                    content["examples"] = {"example": {"$ref": f"#/components/examples/{name}"}}
    return dict(sorted(answers.items()))


def _shapes(operation: dict[str, Any], statuses: Collection[str]) -> dict[str, Any]:
    """Return the successful JSON answers of an operation that have one of these statuses, by the name of their schema.

    An act that waits is answered with another schema than the act itself.
    """
    contents = [
        response["content"]["application/json"]
        for status, response in operation["responses"].items()
        if status in statuses and status.startswith("2") and "application/json" in response.get("content", {})
    ]
    return {
        content["schema"]["$ref"].rpartition("/")[2]: content for content in contents if "$ref" in content["schema"]
    }


_TEXT = {"type": "string"}
_SNAPSHOT_TAG: Mapping[str, Any] = {
    "description": "the SHA-256 of the manifest",
    "schema": {"type": "string", "pattern": '^"[0-9a-f]{64}"$'},
}
_HEADERS: Mapping[str, Any] = {
    "X-Request-ID": {
        "description": "the request's id, which is also in the log and in the audit log",
        "schema": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
    },
    "ETag": {
        "description": "for If-Match, and for If-None-Match",
        "schema": {"type": "string", "pattern": r'^"r\d+\.[0-9a-f]{16}"$'},
    },
    "ChangedETag": {
        "description": "the revision of the object that has changed, for If-Match; absent if there is no object",
        "schema": {"type": "string", "pattern": r'^"r\d+"$'},
    },
    "Location": {"description": "where the new object is", "schema": _TEXT},
    idempotency.REPLAYED: {
        "description": "the act was done before with this key; this is the first answer",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "WWW-Authenticate": {"description": "Bearer", "schema": _TEXT},
    "Retry-After": {
        "description": "seconds to wait before trying again",
        "schema": {"type": "string", "pattern": r"^\d+$"},
    },
}
_PARAMETERS: Mapping[str, Any] = {
    "IdempotencyKey": {
        "name": idempotency.HEADER,
        "in": "header",
        "required": False,
        "description": "makes sure that the act is done once, even if it is sent several times within a day",
        "schema": {"type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": idempotency.MAX_KEY},
        "example": "0b1f3c1e-7d0a-4c0f-9a55-2f3f0c6d9c1b",
    },
    "IfMatch": {
        "name": "If-Match",
        "in": "header",
        "required": False,
        "description": "the entity tag that was read: 412 if the object has changed",
        "schema": {"type": "string", "maxLength": MAX_TAGS},
    },
    "IfNoneMatchAny": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "`*`: 412 if the object already exists",
        "schema": {"type": "string", "maxLength": MAX_TAGS},
    },
    "IfNoneMatch": {
        "name": "If-None-Match",
        "in": "header",
        "required": False,
        "description": "the entity tag of the client's copy: 304 if it is still current",
        "schema": {"type": "string", "maxLength": MAX_TAGS},
    },
}
