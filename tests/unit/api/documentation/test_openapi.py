"""The OpenAPI description: in the repository, and as served."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError

from api.application import ROUTERS, make_description, routes
from api.auth.roles import OWN_APPROVERS, Role, RoleScope
from api.documentation.fields import load_meanings
from api.documentation.openapi import TAGS, load_examples, tagged
from api.events.webhook_signature import signed_headers
from api.http.dependencies import precondition, unit_of_work
from api.http.file_bodies import FileBody
from blocklists.catalogue import Catalogue
from tests.unit.api.auth.world import add_passkey
from tests.unit.api.catalogue.signed_files import trust
from tests.unit.api.conftest import Plane, make_plane
from tests.unit.api.notices.support import with_mail
from tests.unit.api.updates.proposals import own_service, update_of

PAGE = Path(__file__).parents[4] / "api" / "documentation" / "openapi.json"
FORMATS = {"date": r"\d{4}-\d\d-\d\d", "date-time": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]\d\d:\d\d)"}
ONCE = ("revoke_token", "remove_passkey")
"""Acts on objects that never change but by their end."""
BY_ID = {route.operation_id: route for route in routes()}


@cache
def _described() -> dict[str, Any]:
    return make_description([]).openapi()


def _operations() -> list[tuple[str, str, dict[str, Any]]]:
    described = _described()
    return [
        (method, path, operation) for path, item in described["paths"].items() for method, operation in item.items()
    ]


def test_the_stored_description_is_current() -> None:
    stored = json.loads(PAGE.read_text(encoding="utf-8"))
    assert stored == _described(), "it is not current: dnsfilter-api openapi > api/documentation/openapi.json"


def test_the_stored_description_is_served(plane: Plane) -> None:
    assert plane.done("GET", "/openapi.json") == _described()


@pytest.mark.slow
def test_the_description_does_not_depend_on_the_order_of_hashes() -> None:
    command = [sys.executable, "-m", "api.main", "openapi"]
    outputs = {
        subprocess.run(
            command, capture_output=True, check=True, cwd=PAGE.parents[2], env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert json.loads(outputs.pop()) == _described()


def test_every_tag_is_described_and_every_operation_has_one_of_them() -> None:
    used = {tag for _, _, operation in _operations() for tag in operation["tags"]}
    assert used == set(TAGS)
    assert all(len(operation["tags"]) == 1 for _, _, operation in _operations())


def test_every_property_and_parameter_has_a_description_of_its_own_or_of_its_name() -> None:
    described = _described()
    found = {"fields": list(_fields(described)), "parameters": list(_parameters(described))}
    missing = [f"{name} {owner}" for part in found.values() for name, owner, item in part if "description" not in item]
    assert missing == [], "describe it in its schema, or in api/documentation/fields.toml"
    for part, meanings in load_meanings().items():
        shown = {(key, item["description"]) for name, owner, item in found[part] for key in (name, f"{name} {owner}")}
        assert meanings.items() - shown == set(), "nothing in the description has this text"


def _fields(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the name, the schema and the description of each property."""
    for schema, item in described["components"]["schemas"].items():
        yield from ((name, schema, field) for name, field in item.get("properties", {}).items())


def _parameters(described: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield the name, the operation and the description of each parameter, also of the requests of webhooks."""
    for item in (*described["paths"].values(), *described["webhooks"].values()):
        for operation in item.values():
            for given in operation.get("parameters", ()):
                parameter = (
                    described["components"]["parameters"][given["$ref"].rpartition("/")[2]]
                    if "$ref" in given
                    else given
                )
                yield parameter["name"], operation["operationId"], parameter


def test_every_reference_resolves() -> None:
    described = _described()
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(described))):
        found = described
        for part in reference.split("/"):
            found = found[part]
        assert found


def test_every_schema_has_a_unique_title_and_is_used() -> None:
    described = _described()
    schemas = described["components"]["schemas"]
    assert [name for name in schemas if "__" in name] == [], "models of two modules have one name"
    titles = Counter(re.sub(r"\W|_", "", schema.get("title", "")).lower() for schema in schemas.values())
    assert [title for title, count in titles.items() if not title or count > 1] == []
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(described)))
    assert set(schemas) - used == set()


def test_instants_and_dates_of_examples_have_their_format() -> None:
    schemas = _described()["components"]["schemas"]
    by_id = {operation["operationId"]: operation for _, _, operation in _operations()}
    for example in load_examples():
        operation = by_id[example["operation"]]
        answers = [found for status, found in operation["responses"].items() if status in ("200", "201")]
        for part, described in (("body", [operation.get("requestBody", {})]), ("answer", answers)):
            contents = [one["content"]["application/json"]["schema"] for one in described if part in example]
            if part in example:
                assert _unformatted(example[part], contents, schemas, f"{example['operation']}.{part}") == []


def _unformatted(value: Any, alternatives: list[Any], schemas: dict[str, Any], location: str) -> list[str]:
    """Return the locations of timestamps and dates whose schema does not say so."""
    found = list(_alternatives(alternatives, schemas))
    if isinstance(value, dict):
        parts = [
            (key, item, [one["properties"][key] for one in found if key in one.get("properties", {})])
            for key, item in value.items()
        ]
        return [
            fault
            for key, item, described in parts
            if described
            for fault in _unformatted(item, described, schemas, f"{location}.{key}")
        ]
    if isinstance(value, list):
        described = [one["items"] for one in found if "items" in one]
        return [fault for item in value for fault in _unformatted(item, described, schemas, location)]
    if isinstance(value, str):
        wanted = {name for name, pattern in FORMATS.items() if re.fullmatch(pattern, value)}
        return [] if wanted <= {one.get("format") for one in found} else [f"{location}: {value}"]
    return []


def _alternatives(described: list[Any], schemas: dict[str, Any]) -> Iterator[Any]:
    for one in described:
        if "$ref" in one:
            yield from _alternatives([schemas[one["$ref"].rpartition("/")[2]]], schemas)
        elif "anyOf" in one:
            yield from _alternatives(one["anyOf"], schemas)
        else:
            yield one


def test_every_operation_documents_its_answers() -> None:
    for method, path, operation in _operations():
        route, statuses = BY_ID[operation["operationId"]], set(operation["responses"])
        wanted = {"503"}
        if path.startswith("/v1/") and route.rule.where is not RoleScope.OPEN:
            wanted |= {"401", "403", "422", "429"}
        if "requestBody" in operation:
            wanted |= {"408", "413", "415"}
        if _needs(route, precondition):
            wanted |= {"412"}
        if "{" in path and _needs(route, unit_of_work) and method != "put":
            wanted |= {"404"}
        if method != "get" and _needs(route, unit_of_work):
            wanted |= {"409"}
        if method == "get" and tagged(route):
            wanted |= {"304"}
        assert wanted <= statuses, f"{operation['operationId']}: {wanted - statuses}"
        assert all(status in ("200", "201", "202", "204", "226", "304") or status >= "400" for status in statuses)


def test_objects_have_one_name_for_their_number_and_one_for_when_and_by_whom_they_were_recorded() -> None:
    """Requests say `requested`, next to `approved` and `rejected`. Entries of logs have a `time`."""
    described = _described()
    schemas = described["components"]["schemas"]
    of_number = [
        item["get"] for path, item in described["paths"].items() if path.endswith("/{number}") and "get" in item
    ]
    shown = {
        operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
        for operation in of_number
    }
    assert len(shown) > 5
    assert [name for name in shown if "number" not in schemas[name]["properties"]] == []
    others = {f"{word}{by}" for word in ("created", "made", "registered", "added") for by in ("", "_by")}
    found = {
        f"{name}.{field}"
        for name, schema in schemas.items()
        for field, kind in schema.get("properties", {}).items()
        # An import counts what it registered.
        if field in others and (kind.get("format") == "date-time" or field.endswith("_by"))
    }
    assert found == set()


def test_the_requests_of_webhooks_are_described() -> None:
    described = _described()["webhooks"]
    assert set(described) == {"act", "notice"}
    for item in described.values():
        sent = signed_headers(b"key", "act-1", 1_790_000_000, b"{}")
        parameters = {one["name"]: one["schema"] for one in item["post"]["parameters"]}
        assert parameters.keys() == sent.keys()
        assert [
            name for name, schema in parameters.items() if not re.search(schema.get("pattern", ""), sent[name])
        ] == []


def test_operations_without_a_token_say_so() -> None:
    unprotected = {operation["operationId"] for _, _, operation in _operations() if operation.get("security") == []}
    assert unprotected == {name for name, route in BY_ID.items() if route.rule.where is RoleScope.OPEN} - {
        "documentation_script",
        "documentation_style",
        "help",
        "help_page",
    }


def test_answers_of_a_schema_show_an_example_of_it() -> None:
    models = {route.response_model.__name__: route.response_model for route in routes() if _is_model(route)}
    shown = _described()["components"]["examples"]
    assert {"BanRead", "RequestRead"} < models.keys() & shown.keys()
    for name in models.keys() & shown.keys():
        models[name].model_validate(shown[name]["value"])


def _is_model(route: APIRoute) -> bool:
    return isinstance(route.response_model, type) and issubclass(route.response_model, BaseModel)


def test_patterns_are_valid_for_every_library_of_regular_expressions() -> None:
    """With and without JavaScript's flag u: no character above U+FFFF, and no escape that only some know."""
    patterns = set(re.findall(r'"pattern": ("(?:[^"\\]|\\.)*")', json.dumps(_described(), ensure_ascii=False)))
    assert len(patterns) > 10
    for pattern in map(json.loads, patterns):
        assert max(pattern) < "\U00010000", pattern
        assert re.sub(r"\\(?:[dDwWsS.]|x[0-9a-f]{2}|u[0-9a-f]{4})", "", pattern).count("\\") == 0, pattern


def test_every_request_body_and_answer_schema_has_an_example() -> None:
    described = _described()
    shown = set(described["components"]["examples"])
    for _, _, operation in _operations():
        for body in operation.get("requestBody", {}).get("content", {}).values():
            assert "example" in body, operation["operationId"]
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/json")
            if content is not None and status < "300" and "$ref" in content["schema"]:
                assert content["schema"]["$ref"].rpartition("/")[2] in shown, operation["operationId"]


@pytest.mark.parametrize("example", load_examples(), ids=lambda example: example["operation"])
def test_examples_fit_their_schemas(example: dict[str, Any]) -> None:
    route = BY_ID[example["operation"]]
    if "body" in example and route.body_field is not None:
        _, faults = route.body_field.validate(example["body"], {}, loc=("body",))
        assert not faults
    for call in _calls(route):
        if isinstance(call, FileBody):
            call.model.model_validate(example["body"])
    if "answer" in example:
        model = route.response_model
        try:
            model.model_validate(example["answer"])
        except ValidationError as error:
            pytest.fail(str(error))


def _ask_to_switch_off(plane: Plane, login: str) -> None:
    """Send the request as an operator: an administrator's takes effect immediately."""
    _, token = plane.account(login.replace("_", "-"), ("operator", "ghent"))
    where = "/v1/authorities/ghent/bans/tiktok"
    plane.done("PATCH", where, {"mode": "enforce"})
    plane.done("PATCH", where, {"mode": "off", "mode_reason": "election night"}, token=token)


@pytest.mark.heavy
def _approver_too(plane: Plane) -> str:
    """Make the second administrator an approver too, and return the token."""
    grant = {"account": 2, "role": Role.APPROVER, "authority": "ghent", "reason": "for a test", "for": "1 year"}
    plane.done("POST", "/v1/grants", grant)
    return plane.other()


@pytest.mark.heavy
def test_the_examples_work_one_after_the_other(tmp_path: Path, packaged: Catalogue) -> None:
    plane = make_plane(tmp_path / "state", packaged)
    plane.publisher.publish_current()
    plane.other()
    with_mail(plane, 1, "network@example.org")  # no server answers there: a test mail is reported as not sent
    trust(plane)  # the catalogue is signed under a key for tests
    deciding = {"approve_exemption", "reject_exemption", "approve_request", "reject_request"}
    of_node: dict[str | None, str] = {}
    approver: str | None = None
    described = _described()["paths"]
    for example in load_examples():
        route = BY_ID[example["operation"]]
        method = min(route.methods or ())
        if route.operation_id == "list_authentication_failures":
            plane.call("GET", "/v1/self", headers={"Authorization": "Bearer dnsf_0123456789ab_unknown"})
        if route.operation_id == "list_passkeys":
            add_passkey(plane, 3)
        if route.operation_id in ("get_request", "withdraw_request", "approve_request"):
            _ask_to_switch_off(plane, route.operation_id)
        if route.operation_id == "get_update":
            for slug, name in (("ghent:arcade", "akamaiedge.net"), ("ghent:shops", "github.io")):
                own_service(plane, "sample.example", slug=slug, authority="ghent")
                update_of(plane, "sample.example", "other.example", name, slug=slug)
        token = plane.other() if route.operation_id in deciding else None
        if route.rule.roles == OWN_APPROVERS:
            token = approver = approver or _approver_too(plane)
        options: dict[str, Any] = {"token": of_node.get(route.operation_id, token)}
        if "text" in example:
            media_type = example.get("type", "application/toml")
            headers = {"Authorization": f"Bearer {plane.token}", "Content-Type": media_type}
            if "key" in example:
                headers["Idempotency-Key"] = example["key"]
            options = {"content": example["text"], "headers": headers}
        body = None if "text" in example else example.get("body")
        answer = plane.call(method, example["path"], body, **options)
        assert answer.status_code < 300, f"{example['operation']}: {answer.text}"
        if route.operation_id == "register_node":
            of_node["enrol_node"] = answer.json()["enrolment_token"]
        if route.operation_id == "report_node":
            plane.app.state.fleet.usage.store_held()
        if route.operation_id == "enrol_node":
            of_node["get_own_snapshot"] = of_node["report_node"] = answer.json()["token"]
        documented = described[route.path_format][method.lower()]["responses"]
        headers = documented[str(answer.status_code)]["headers"]
        assert ("ETag" in headers) == ("etag" in answer.headers), example["operation"]
        assert ("Location" in headers) == ("location" in answer.headers), example["operation"]
        if "answer" in example:
            assert _shape(answer.json()) == _shape(example["answer"]), example["operation"]
    plane.database.close()


def test_every_changeable_object_has_a_tag_and_accepts_a_precondition() -> None:
    for route in routes():
        method = min(route.methods or ())
        if method in ("PUT", "PATCH", "DELETE") and route.operation_id not in ONCE:
            assert _needs(route, precondition), route.operation_id
        if method in ("PUT", "PATCH"):
            assert tagged(route), route.operation_id


def test_the_routers_have_nothing_but_routes() -> None:
    assert all(isinstance(route, APIRoute) for router in ROUTERS for route in router.routes)


def _needs(route: APIRoute, call: Any) -> bool:
    return any(found is call for found in _calls(route))


def _calls(route: APIRoute) -> Iterator[Any]:
    waiting = [route.dependant]
    while waiting:
        found = waiting.pop()
        yield found.call
        waiting += found.dependencies


def _shape(value: Any) -> Any:
    """Return keys and types of a value, and of the first item of a list."""
    if isinstance(value, dict):
        return {key: _shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shape(item) for item in value[:1]]
    return type(value).__name__


@pytest.mark.heavy
def test_a_method_that_is_not_described_gets_405_with_allow(plane: Plane) -> None:
    known = {
        "slug": "ghent",
        "service": "tiktok",
        "site": "default",
        "address": "127.0.5.0",
        "length": "24",
        "list_slug": "apps",
    }
    paths = plane.done("GET", "/openapi.json")["paths"]
    for path in paths:
        address = path.format_map(
            {
                **known,
                "kind": "stale",
                "list_slug": "apps",
                **dict.fromkeys(("number", "account", "name", "key", "sha256"), "1"),
            }
        )
        # A node's name can be any word, so /v1/nodes/enrol also matches that path.
        there = {method.upper() for other, item in paths.items() if _is_at(address, other) for method in item}
        there |= {"HEAD"} if "GET" in there else set()
        for method in {"GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"} - there:
            answer = plane.call(method, address, headers={})
            reported = answer.status_code, set(answer.headers["allow"].split(", "))
            assert reported == (405, there), f"{method} {address}"


def _is_at(address: str, path: str) -> bool:
    """Return whether an address matches a path with placeholders."""
    return re.fullmatch(re.sub(r"{\w+}", "[^/]+", re.sub(r"([.])", r"\\\1", path)), address) is not None
